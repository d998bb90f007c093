"""Takes the pictures of pages that the README shows: python -m tests.service.pages.pictures

A newcomer's way, from a fresh service to a proof, in light mode.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser import MISSING, installed, running_browser
from tests.service.pages.conftest import House, housed
from tests.service.pages.looking import draw_two
from verifier.srs import SrsStore

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "images"
NAMES = ("service-model.png", "service-answer.png", "service-proof.png")
SIZE = {"width": 1120, "height": 860}
LONG = 180_000


@contextmanager
def fresh() -> Iterator[House]:
    """A service as it is when it is first begun, with the example to be had."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VERINFER_HOME"] = folder
        SrsStore(Path(folder) / "srs").generate(13)
        with housed(Path(folder) / "data", ROOT / "examples" / "digits") as house:
            yield house


def take(browser: Browser, house: House, folder: Path) -> None:
    """Go the way, and take a picture at each of three places."""
    context = browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.goto(house.url)
    page.get_by_role("button", name="Use the example").click()
    page.get_by_role("link", name="See the model").click(timeout=LONG)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / NAMES[0])
    page.get_by_role("link", name="Try it").click()
    draw_two(page, page.locator("canvas"))
    page.get_by_role("button", name="Ask the model").click()
    page.locator("#the-answer").wait_for()
    _shoot(page, folder / NAMES[1])
    page.get_by_role("button", name="Prove it").click()
    page.get_by_role("link", name="Open the proof").click(timeout=LONG)
    page.wait_for_url(re.compile("/proofs/"))
    page.get_by_role("button", name="Verify now").click()
    page.locator("#verdict").wait_for(timeout=LONG)
    page.set_viewport_size({**SIZE, "height": 1000})
    _shoot(page, folder / NAMES[2])
    context.close()


def _shoot(page: Page, path: Path) -> None:
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=path)


def main() -> None:
    """Take them."""
    if installed() is None:
        raise SystemExit(MISSING)
    with fresh() as house, running_browser() as browser:
        take(browser, house, FOLDER)


if __name__ == "__main__":
    main()
