"""What is looked at on each page in a browser: that nothing goes wrong unseen, and that all can be used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page

STROKES = (
    *((0.5 - 0.19 * math.cos(k * math.pi / 10), 0.34 - 0.19 * math.sin(k * math.pi / 10)) for k in range(12)),
    *((0.66 - 0.36 * k / 8, 0.44 + 0.38 * k / 8) for k in range(1, 9)),
    *((0.3 + 0.42 * k / 6, 0.82) for k in range(1, 7)),
)
"""A 2 in one stroke, as parts of the canvas's sides: an arch, down to the left, and along the bottom."""
AUDIT = """() => {
  const found = [];
  const visible = (e) => e.checkVisibility({ visibilityProperty: true });
  const name = (e) => {
    const by = (e.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const labels = [...(e.labels ?? [])].map((label) => label.textContent);
    const named = by.map((id) => document.getElementById(id)?.textContent ?? "");
    const texts = [...named, e.getAttribute("aria-label"), ...labels, e.textContent, e.getAttribute("alt")];
    return texts.filter(Boolean).join(" ").trim();
  };
  const say = (e, what) => found.push(`${what}: ${e.outerHTML.slice(0, 120)}`);
  const fields = "input:not([type=hidden]), select, textarea";
  for (const e of document.querySelectorAll(`a[href], button, ${fields}, summary, [role=img], [tabindex]`)) {
    if (visible(e) && e.id !== "main" && name(e) === "" && e.tagName !== "PRE") say(e, "no name");
    if (e.tabIndex > 0) say(e, "an order of its own");
  }
  for (const e of document.querySelectorAll("img:not([alt])")) say(e, "no text in place of it");
  for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby], label[for]")) {
    for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
      for (const id of (e.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
        if (document.getElementById(id) === null) say(e, `${attribute} names nothing`);
      }
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) found.push(`two have id ${id}`);
  if (document.documentElement.lang !== "en") found.push("no language");
  if (document.title === "") found.push("no title");
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  let level = 1;
  for (const e of document.querySelectorAll("h1, h2, h3")) {
    if (!visible(e)) continue;
    const own = Number(e.tagName[1]);
    if (own > level + 1) say(e, "a level is left out");
    level = own;
  }
  for (const table of document.querySelectorAll("table")) {
    if (table.querySelector("th") === null) say(table, "no headings");
  }
  return found;
}"""
COLOURS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === "" || seen.has(e)) continue;
    seen.add(e);
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    if (e.closest("[disabled], noscript, title, .aside, .skip") !== null) continue;
    const style = getComputedStyle(e);
    let background = null;
    for (let at = e; at !== null && background === null; at = at.parentElement) {
      const own = getComputedStyle(at).backgroundColor;
      if (own !== "rgba(0, 0, 0, 0)") background = own;
    }
    const svg = e instanceof SVGElement;
    found.push([e.textContent.trim().slice(0, 40), svg ? style.fill : style.color, background,
      parseFloat(style.fontSize), Number(style.fontWeight)]);
  }
  return found;
}"""


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Page]:
    """A window of its own. Nothing may go wrong unseen in it: messages of the console, the policy's among
    them, errors of scripts, requests to elsewhere."""
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []

    def said(message: Any) -> None:
        # The answer's status is looked at by the test itself.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            wrong.append(f"console: {message.text}")

    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page
        own = ("http://127.0.0.1:", "http://localhost:")
        strangers = [url for url in asked if not url.startswith(own)]
        assert not wrong and not strangers, (wrong, strangers)
    finally:
        context.close()


def inspect(page: Page) -> None:
    """Look at a page as it is now: names, headings, contrast, width."""
    assert page.evaluate(AUDIT) == []
    for text, colour, background, size, weight in page.evaluate(COLOURS):
        least = 3.0 if size >= 24 or (size >= 18.66 and weight >= 700) else 4.5
        assert contrast(colour, background) >= least, (page.url, text, colour, background)
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], (page.url, width)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, rgb(r, g, b), as WCAG 2 has it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    assert colour.startswith("rgb("), colour
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4) for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def draw_two(page: Page, canvas: Locator) -> None:
    """Draw a 2 with the mouse."""
    box = canvas.bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in STROKES]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
