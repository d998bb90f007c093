"""Claims and disputes as pages show them, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from challenger.history import posted_claims
from tests.challenger.chains import dev_chain
from tests.challenger.lies import chain as chained
from tests.challenger.scene import Scene
from tests.service.pages.conftest import House, housed
from tests.service.pages.looking import inspect, window
from tests.service.test_claiming import settings_of


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A chain with a tier and a model, and a claim of it that is false."""
    with dev_chain() as dev:
        yield Scene.on(dev, tmp_path_factory.mktemp("stage"), chained(4))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, stage: Scene) -> Iterator[House]:
    """A service with that chain."""
    folder = tmp_path_factory.mktemp("chained")
    chain = settings_of(stage, folder, str(folder / "service.db"))
    with housed(folder / "data", works=False, **chain) as opened:
        yield opened


def test_a_claim_and_its_dispute_are_shown(stage: Scene, house: House, browser: Browser) -> None:
    lie = stage.id(stage.post(stage.falsehood(0), seed=0))
    [posted] = [one for one in posted_claims(stage.tier, stage.start) if one.claim_id == lie]
    stage.send(stage.tier.open(posted.claim, stage.tier.challenger_bond()))
    with window(browser) as page:
        page.goto(house.url)
        page.get_by_role("link", name="Claims").click()
        expect(page.get_by_text("in dispute")).to_be_visible()
        inspect(page)
        page.locator(f'a[href="/claims/0x{lie.hex()}"]').click()
        expect(page.get_by_text("stands in for it with")).to_be_visible()
        expect(page.get_by_role("heading", name="Disputed by")).to_be_visible()
        drawing = page.locator(".drawing img")
        expect(drawing).to_have_js_property("complete", True)
        assert drawing.evaluate("e => e.naturalWidth") > 100
        inspect(page)


def test_what_is_no_claim_is_not_found(house: House) -> None:
    visitor = house.visitor()
    nobody = "0x" + "00" * 20
    for path in ("0x" + "00" * 32, "0x12", "<b>", "0x" + "00" * 32 + f"/disputes/{nobody}.svg"):
        assert visitor.get(f"/claims/{path}").status == 404, path


def test_without_a_chain_a_page_says_so(local: House) -> None:
    page = local.visitor().get("/claims")
    assert page.status == 200 and "has no chain" in page.text
    for path in ("0x" + "00" * 32, "0x" + "00" * 32 + "/disputes/0x" + "00" * 20 + ".svg"):
        found = local.visitor().get(f"/claims/{path}")
        assert found.status == 404 and "has no chain" in found.text, path


def test_a_chain_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    chain = {"chain_rpc": "http://127.0.0.1:9", "chain_tier": "0x" + "11" * 20, "chain_key": "0x" + "22" * 32}
    with housed(tmp_path, works=False, **chain) as house:
        page = house.visitor().get("/claims")
        assert page.status == 503 and "the chain does not answer" in page.text
