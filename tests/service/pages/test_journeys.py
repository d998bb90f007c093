"""What people do with the pages, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from circuits.circuit import Circuit
from service.pages.files import HTMX_PLACES
from tests.service.pages.conftest import House, housed
from tests.service.pages.looking import draw_two, inspect, window
from tests.service.serving import add_model

LONG = 120_000
"""How many milliseconds a proof may take."""
PHONE = {"width": 360, "height": 740}


def press(page: Page, name: str) -> None:
    """Press a button."""
    page.get_by_role("button", name=name, exact=True).click()


def prove_and_verify(page: Page) -> None:
    """From an answer to a verified proof."""
    press(page, "Prove it")
    page.get_by_role("link", name="Open the proof").click(timeout=LONG)
    expect(page.get_by_text("gives exactly the output below")).to_be_visible()
    press(page, "Verify now")
    expect(page.locator("#verdict")).to_contain_text("Valid", timeout=LONG)


def test_drawing_a_digit_and_proving_the_answer(local: House, browser: Browser) -> None:
    with window(browser) as page:
        page.goto(local.url)
        page.get_by_role("link", name="Try digits").click()
        inspect(page)
        draw_two(page, page.locator("canvas"))
        press(page, "Ask the model")
        expect(page.locator(".answer-value")).to_have_text("2")
        assert page.url.endswith("/try")  # the answer came without another page
        inspect(page)
        prove_and_verify(page)
        expect(page.get_by_text("INSECURE reference string")).to_be_visible()
        inspect(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the proof").click()
        with page.expect_download() as key:
            page.get_by_role("link", name="Download the key").click()
        page.goto(f"{local.url}/verify")
        page.get_by_label("Proof", exact=True).set_input_files(download.value.path())
        page.get_by_label("Verifying key").set_input_files(key.value.path())
        press(page, "Verify")
        expect(page.locator("#verdict")).to_contain_text("Valid", timeout=LONG)
        expect(page.get_by_text("number 2 is the largest")).to_be_visible()
        inspect(page)


def test_a_job_is_watched_while_it_runs(
    tmp_path: Path, home: Path, circuit: Circuit, browser: Browser
) -> None:
    from service.handlers import handlers
    from service.worker import Worker

    with housed(tmp_path, works=False) as house, window(browser) as page:
        add_model(house.parts, house.parts.tenant("local"), circuit)
        page.goto(f"{house.url}/models/digits/try")
        press(page, "Ask the model")
        press(page, "Prove it")
        expect(page.get_by_text("It waits for a worker")).to_be_visible()
        page.evaluate("document.body.dataset.same = 'yes'")
        worker = Worker(house.parts.leases, handlers(house.parts), poll_seconds=0.05)
        worker.start()
        try:
            expect(page.get_by_text("The answer is proved")).to_be_visible(timeout=LONG)
        finally:
            worker.stop()
        assert page.evaluate("document.body.dataset.same") == "yes"  # it was not loaded anew
        expect(page.locator(".stages .succeeded")).to_have_count(4)
        inspect(page)


def test_a_csv_is_answered_row_by_row(local: House, browser: Browser, tmp_path: Path) -> None:
    rows = [",".join(f"p{k}" for k in range(64))]
    rows += [",".join(str((k * place) % 17 / 16) for k in range(64)) for place in (1, 2, 3)]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    with window(browser) as page:
        page.goto(f"{local.url}/models/digits/try")
        page.get_by_text("Numbers or a file instead").click()
        page.get_by_label("Or a file").set_input_files(tmp_path / "rows.csv")
        press(page, "Ask with these")
        expect(page.get_by_text("3 answers")).to_be_visible()
        inspect(page)
        (tmp_path / "rows.csv").write_text("1,2\n")
        page.get_by_label("Or a file").set_input_files(tmp_path / "rows.csv")
        press(page, "Ask with these")
        expect(page.get_by_role("alert")).to_contain_text(
            "row 1 of the CSV has 2 numbers; the model takes 64"
        )


def test_all_works_without_scripts(local: House, browser: Browser) -> None:
    with window(browser, java_script_enabled=False) as page:
        page.goto(local.url)
        page.get_by_role("link", name="Try digits").click()
        expect(page.locator("canvas")).to_be_hidden()
        press(page, "Ask with these")
        expect(page.locator("#the-answer")).to_be_visible()
        prove_and_verify(page)
        page.goto(f"{local.url}/jobs?kind=prove")
        page.get_by_label("Status").select_option("failed")
        press(page, "Filter")
        expect(page.get_by_text("No such jobs")).to_be_visible()


def test_all_works_with_a_keyboard(local: House, browser: Browser) -> None:
    with window(browser) as page:
        page.goto(local.url)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, "Try digits")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/try$"))
        tab_to(page, "Draw the input")
        # A 1: up, then the pen goes down along a straight line.
        for key in ["ArrowUp"] * 6 + ["Space"] + ["ArrowDown"] * 12 + ["Space"]:
            page.keyboard.press(key)
        tab_to(page, "Ask the model")
        page.keyboard.press("Enter")
        expect(page.locator(".answer-value")).to_have_text("1")
        tab_to(page, "Prove it")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Open the proof").wait_for(timeout=LONG)
        tab_to(page, "Open the proof")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/proofs/"))
        tab_to(page, "Verify now")
        page.keyboard.press("Enter")
        expect(page.locator("#verdict")).to_contain_text("Valid", timeout=LONG)


def tab_to(page: Page, name: str) -> None:
    """Go on by the tabulator to what has a name, and see where that is."""
    focused = """() => {
      const e = document.activeElement;
      const named = document.getElementById(e.getAttribute("aria-labelledby") ?? "");
      return [(named ?? e).textContent.trim(), getComputedStyle(e).outlineStyle];
    }"""
    for _ in range(60):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(focused)
        if text == name:
            assert outline != "none"
            return
    raise AssertionError(f"there is no way to {name!r} by the tabulator")


def test_signing_in_and_making_a_key(keyed: House, browser: Browser) -> None:
    _, key = keyed.tenant("one")
    with window(browser) as page:
        page.goto(f"{keyed.url}/models")
        assert page.url.endswith("/login?next=/models")
        inspect(page)
        page.get_by_label("API key").fill("vk_wrong")
        press(page, "Sign in")
        expect(page.get_by_role("alert")).to_contain_text("not valid")
        page.get_by_label("API key").fill(key)
        press(page, "Sign in")
        expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
        page.get_by_role("link", name="Settings").click()
        inspect(page)
        page.get_by_label("Name").fill("a program's")
        page.get_by_label(re.compile("models add")).uncheck()
        press(page, "Make a key")
        secret = page.locator("#secret").inner_text()
        assert secret.startswith("vk_")
        inspect(page)
        page.goto(f"{keyed.url}/settings")
        assert secret not in page.content()
        press(page, "Revoke a program's")
        expect(page.get_by_role("cell", name="a program's", exact=True)).to_have_count(0)
        press(page, "Sign out")
        page.goto(f"{keyed.url}/jobs")
        assert "/login" in page.url


def test_a_page_of_another_site_gets_nothing(local: House, browser: Browser) -> None:
    other = f"http://localhost:{local.address.partition(':')[2]}"  # another origin, on the same machine
    with window(browser) as page:
        page.goto(f"{local.url}/settings")
        before = len(local.parts.jobs.list(local.parts.tenant("local")))
        csrf = local.visitor().get("/models/new").csrf
        page.route("**/evil", lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{other}/models/example"><input name="csrf" value="{csrf}">'
            "<button>Win a prize</button></form>",
        ))  # fmt: skip
        page.goto(f"{local.url}/evil")
        press(page, "Win a prize")
        expect(page.get_by_text("a page of another site")).to_be_visible()
        assert len(local.parts.jobs.list(local.parts.tenant("local"))) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desktop"])
def test_pages_fit_and_can_be_read(local: House, browser: Browser, scheme: str, size: dict[str, int]) -> None:
    with window(browser, color_scheme=scheme, viewport=size) as page:
        for path in ("/", "/models", "/models/new", "/models/digits", "/models/digits/try", "/jobs", "/usage",
                     "/settings", "/verify", "/nowhere"):  # fmt: skip
            page.goto(local.url + path)
            inspect(page)


def test_each_link_leads_somewhere(local: House, browser: Browser) -> None:
    with window(browser) as page:
        seen, waiting = set[str](), [local.url + "/"]
        while waiting:
            url = waiting.pop()
            seen.add(url)
            answer = page.request.get(url, headers={"Accept": "text/html"})
            assert answer.status == 200, url
            if "text/html" not in answer.headers["content-type"]:
                continue
            page.goto(url)
            links = page.eval_on_selector_all("a[href], img[src]", "all => all.map((e) => e.href || e.src)")
            found = {link.partition("#")[0] for link in links}
            waiting += [link for link in found if link not in seen and link not in waiting]
        assert len(seen) > 12 and all(url.startswith(local.url) for url in seen)


def test_pages_do_without_htmx(
    tmp_path: Path, home: Path, circuit: Circuit, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert any(path.is_file() for path in HTMX_PLACES), "npm ci brings htmx"
    monkeypatch.setattr("service.pages.files.HTMX_PLACES", ())
    with housed(tmp_path) as house, window(browser) as page:
        add_model(house.parts, house.parts.tenant("local"), circuit)
        page.goto(f"{house.url}/models/digits/try")
        draw_two(page, page.locator("canvas"))
        press(page, "Ask the model")
        expect(page.locator(".answer-value")).to_have_text("2")
        prove_and_verify(page)
