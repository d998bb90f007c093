"""An answer settled by a claim, as a visitor's pages show it: posted, disputed round by round, final."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from challenger.history import posted_claims
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.dispute_tier import Turn
from tests.challenger.chains import dev_chain
from tests.challenger.lies import chain as chained
from tests.challenger.scene import PARAMETERS, Scene
from tests.service.pages.conftest import House, housed
from tests.service.pages.looking import inspect, window
from tests.service.serving import add_model
from tests.service.test_claiming import settings_of, soon

LONG = 60_000
"""How many milliseconds the chain may take."""
DEPTH = 5


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A chain with a tier and a model."""
    with dev_chain() as dev:
        yield Scene.on(dev, tmp_path_factory.mktemp("stage"), chained(DEPTH))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, stage: Scene) -> Iterator[House]:
    """A service with that chain and that model, and a worker that posts claims and answers disputes."""
    folder = tmp_path_factory.mktemp("claiming")
    chain = settings_of(stage, folder, str(folder / "service.db"))
    with housed(folder / "data", **chain) as opened:
        add_model(opened.parts, opened.parts.tenant("local"), stage.circuit, "chained")
        yield opened


def claim_by_the_pages(house: House, stage: Scene, page: Page) -> Claim:
    """Ask the model, and have the answer claimed. Leaves the page at the job."""
    page.goto(f"{house.url}/models/chained/try")
    page.get_by_role("button", name="Ask", exact=False).first.click()
    page.locator("select[name=tier]").select_option("optimistic")
    page.get_by_role("button", name="Prove it", exact=True).click()
    expect(page.get_by_text("The claim is posted")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    path = page.get_by_role("link", name="Open the claim").get_attribute("href")
    assert path is not None
    claim_id = bytes.fromhex(path.removeprefix("/claims/0x"))
    [posted] = [one for one in posted_claims(stage.tier, stage.start) if one.claim_id == claim_id]
    return posted.claim


def later(stage: Scene, seconds: int) -> None:
    """Let time pass on the chain, and blocks that confirm what was mined before."""
    stage.dev.later(seconds)
    stage.dev.mine(3)


def mined(stage: Scene) -> bool:
    """Mine a block: what was sent is in it, and the watcher sees what was mined before."""
    stage.dev.mine()
    return True


def test_an_answer_is_claimed_and_becomes_final(house: House, stage: Scene, browser: Browser) -> None:
    with window(browser) as page:
        claim = claim_by_the_pages(house, stage, page)
        inspect(page)
        assert stage.status(claim) is ClaimStatus.PROVISIONAL
        later(stage, PARAMETERS.min_window + 60)
        soon(lambda: mined(stage) and stage.status(claim) is ClaimStatus.FINAL)
        later(stage, 0)
        expect(page.get_by_text("The claim is final")).to_be_visible(timeout=LONG)
        page.get_by_role("link", name="Open the claim").click()
        expect(page.get_by_text("Nobody has disputed it")).to_be_visible()
        page.goto(f"{house.url}/claims")
        expect(page.get_by_text("this service").first).to_be_visible()


@pytest.mark.long
def test_a_dispute_is_drawn_as_it_descends_and_the_claim_stands(
    house: House, stage: Scene, browser: Browser
) -> None:
    challenger = stage.dev.rich.signer
    assert challenger is not None
    with window(browser) as page:
        claim = claim_by_the_pages(house, stage, page)
        job = page.url
        page.get_by_role("link", name="Open the claim").click()
        stage.send(stage.tier.open(claim, stage.tier.challenger_bond()))
        widths, rounds = [], 0
        while True:
            # Each reveal is the service's answer. The challenger disputes something true, down to one cell.
            soon(lambda: mined(stage) and stage.game(claim, challenger.address).turn is not Turn.REVEAL)
            rounds += 1
            said = "1 round so far" if rounds == 1 else f"{rounds} rounds so far"

            def told(said: str = said) -> bool:
                page.reload()
                return page.get_by_text(said).count() == 1

            soon(told)
            drawing = page.locator(".drawing img")
            expect(drawing).to_have_js_property("complete", True)
            widths.append(drawing.evaluate("e => e.naturalWidth * e.naturalHeight"))
            game = stage.game(claim, challenger.address)
            if game.turn is not Turn.CHOOSE:
                break
            stage.send(stage.tier.choose(stage.id(claim), game.level, game.position, 0))
        assert rounds > 1 and sorted(set(widths)) == widths  # it grows with each round
        inspect(page)
        # It cannot prove that cell false, and its time runs out.
        later(stage, PARAMETERS.challenger_time + PARAMETERS.extension + 60)
        soon(lambda: mined(stage) and stage.game(claim, challenger.address).turn is Turn.CLOSED)
        soon(lambda: (page.reload(), page.get_by_text("the claim stood").count() == 1)[1])
        later(stage, 4 * PARAMETERS.min_window)
        soon(lambda: mined(stage) and stage.status(claim) is ClaimStatus.FINAL)
        later(stage, 0)
        page.goto(job)
        expect(page.get_by_text("The claim is final")).to_be_visible(timeout=LONG)
