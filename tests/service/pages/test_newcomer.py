"""A newcomer's way through a fresh service, and models that are sent in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.service.pages.conftest import House, housed
from tests.service.pages.looking import draw_two, inspect, window
from tests.service.pages.pictures import FOLDER, NAMES
from tests.service.pages.test_journeys import LONG, press, prove_and_verify
from verifier.srs import SrsStore

CARD = """---
license: apache-2.0
tags: [images, <b>digits</b>]
---
Reads digits. <script>alert(1)</script>
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, home: Path, digits: Path) -> Iterator[House]:
    """A service that has just been begun, with an example."""
    with housed(tmp_path_factory.mktemp("fresh"), digits) as house:
        yield house


def test_from_a_fresh_service_to_a_verified_proof(fresh: House, browser: Browser) -> None:
    with window(browser) as page:
        page.goto(fresh.url)
        expect(page.get_by_role("heading", level=1)).to_have_text("From a model to a proof anyone can check")
        inspect(page)
        press(page, "Use the example: handwritten digits")
        expect(page.get_by_role("heading", level=1)).to_have_text("Compile digits")
        inspect(page)
        page.get_by_role("link", name="Try digits").click(timeout=LONG)
        draw_two(page, page.locator("canvas"))
        press(page, "Ask the model")
        expect(page.locator(".answer-value")).to_have_text("2")
        prove_and_verify(page)
        page.goto(fresh.url)
        expect(page.locator(".steps .done")).to_have_count(2)
        page.get_by_role("link", name="Open the proof").click()
        expect(page.get_by_text("Only you see this page")).to_be_visible()
        page.get_by_role("link", name="digits, version 1").click()
        expect(page.get_by_role("heading", name="What each layer costs")).to_be_visible()
        expect(page.locator(".drawing img")).to_have_js_property("complete", True)
        assert page.locator(".drawing img").evaluate("e => e.naturalWidth") > 100
        inspect(page)


def test_a_machine_without_a_reference_string_gets_one(
    tmp_path: Path, digits: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    with housed(tmp_path / "data", digits) as house, window(browser) as page:
        page.goto(house.url)
        inspect(page)
        press(page, "Make one for trying out")
        expect(page.get_by_text("This machine has one.")).to_be_visible()
        [made] = SrsStore().info()
        assert made.insecure and made.path.is_relative_to(tmp_path)
        inspect(page)


def test_strings_of_a_service_with_keys_are_its_operators(keyed: House) -> None:
    visitor = keyed.visitor(keyed.tenant("one")[1])
    assert "reference string" not in visitor.get("/").text
    assert visitor.post("/reference-string", {"csrf": visitor.get("/settings").csrf}).status == 404


def add(page: Page, house: House, source: Path, **fields: str) -> None:
    """Send a model in by the form."""
    page.goto(f"{house.url}/models/new")
    page.get_by_label("Model file").set_input_files(source)
    page.get_by_text("More", exact=True).click()
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(value)
    press(page, "Add the model")


def test_a_model_is_sent_in_and_compiled(fresh: House, browser: Browser, digits: Path) -> None:
    with window(browser) as page:
        add(page, fresh, digits / "mlp.onnx", Name="mine", Model_card=CARD)
        page.wait_for_url(re.compile("/jobs/"))
        page.get_by_role("link", name="See the model").click(timeout=LONG)
        expect(page.get_by_text("apache-2.0")).to_be_visible()
        expect(page.get_by_text("Reads digits. <script>alert(1)</script>")).to_be_visible()
        expect(page.get_by_text("images, <b>digits</b>")).to_be_visible()
        inspect(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").first.click()
        assert download.value.suggested_filename == "mine-v1.circuit"
        add(page, fresh, download.value.path(), Name="again")
        expect(page.get_by_text("The model is ready")).to_be_visible(timeout=LONG)


def test_what_is_no_model_is_refused_with_a_reason(fresh: House, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with window(browser) as page:
        add(page, fresh, tmp_path / "no.onnx", Name="no")
        expect(page.get_by_role("alert")).to_contain_text("It failed", timeout=LONG)
        inspect(page)
        press(page, "Try again")
        expect(page.get_by_role("alert")).to_contain_text("It failed", timeout=LONG)
        add(page, fresh, tmp_path / "no.onnx", Model_card="---\nlicense: []\n---\n")
        expect(page.get_by_role("alert")).to_contain_text("The model was not added")
        inspect(page)


def test_a_job_that_waits_is_cancelled(tmp_path: Path, digits: Path, browser: Browser) -> None:
    with housed(tmp_path, digits, works=False) as house, window(browser) as page:
        page.goto(house.url)
        press(page, "Use the example: handwritten digits")
        press(page, "Cancel")
        expect(page.get_by_text("cancelled").first).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        inspect(page)


def test_the_readmes_pictures_are_there_and_small() -> None:
    for name in NAMES:
        data = (FOLDER / name).read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) < 150_000, name
