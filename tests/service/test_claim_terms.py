"""What a claim will take, by the quote and by what posting it then took, on a real chain."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from challenger.history import posted_claims
from circuits.circuit import Circuit
from contracts.packing import pack_inputs
from service.application import application
from service.claim_terms import CLAIM_GAS, FIRST_CLAIM_GAS, ClaimQuotes
from service.settings import Settings
from tests.challenger.chains import DevChain, dev_chain
from tests.challenger.lies import chain as chained
from tests.challenger.scene import PARAMETERS, Scene
from tests.circuits.random_circuits import random_sample
from tests.prover.circuits_to_prove import build
from tests.service.serving import add_model, ask, opened, served
from tests.service.test_claiming import Desk, settings_of

FACTOR = 1.25
"""A quote is no more than so many times what posting took."""
ROOT = Path(__file__).parents[2]
CIRCUITS = {
    "some inputs": lambda: chained(5),
    "many inputs": lambda: chained(8),
    "several outputs": lambda: build("concat, reshape and an input as outputs"),
    "several inputs of eight bytes": lambda: build("inputs of 62 bits"),
}
QUOTE = {"model": "chained", "tier": "optimistic"}


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with dev_chain() as dev:
        yield dev


@pytest.fixture(scope="module")
def stage(dev: DevChain, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A tier and a model."""
    return Scene.on(dev, tmp_path_factory.mktemp("stage"), chained(5))


def test_the_figures_are_those_of_the_contracts_snapshots() -> None:
    snapshot = json.loads((ROOT / "contracts/snapshots/DisputeTier.json").read_text())
    assert CLAIM_GAS == int(snapshot["claim, 64 inputs of one byte and 100 outputs of two"])
    assert FIRST_CLAIM_GAS == int(snapshot["claim, the first of a model"])


@pytest.mark.parametrize("name", CIRCUITS)
def test_posting_takes_no_more_gas_than_quoted_and_not_much_less(
    dev: DevChain, tmp_path: Path, name: str
) -> None:
    circuit: Circuit = CIRCUITS[name]()
    scene = Scene.on(dev, tmp_path, circuit)
    settings = Settings(**settings_of(scene, tmp_path, str(tmp_path / "service.db")))
    for seed in range(2):
        terms = ClaimQuotes(settings).terms(circuit)
        assert terms.first is (seed == 0) and int(terms.model_id, 16) == scene.model_id
        lie = scene.truth(seed)
        claim = scene.claim_of(lie, dev.rich)
        inputs = pack_inputs(circuit, random_sample(circuit, seed))
        took = scene.tier.transact(scene.tier.claim(claim, bytes(lie.output), inputs))["gasUsed"]
        print(f"{name}: {'first' if terms.first else 'later'} {took:,} of {terms.gas:,}")
        assert took <= terms.gas <= FACTOR * took


def test_a_quote_says_on_what_terms_a_claim_stands(stage: Scene, tmp_path: Path) -> None:
    settings = settings_of(stage, tmp_path, str(tmp_path / "service.db"))
    with opened(tmp_path / "data", **settings) as parts:
        desk = Desk(stage, parts, stage.circuit)
        with served(application(parts)) as where:
            quote = ask(where, "POST", "/api/v1/quotes", QUOTE).json
            two = ask(where, "POST", "/api/v1/quotes", QUOTE | {"samples": 2})
        assert two.status == 400 and "a claim is about one" in two.json["detail"]
        claim: dict[str, Any] = quote["claim"]
        assert (claim["tier"], claim["chain_id"]) == (stage.tier.address, stage.tier.chain.chain_id)
        assert claim["window_seconds"] == PARAMETERS.min_window < claim["longest_seconds"]
        assert int(claim["gas_wei"]) == claim["gas"] * int(claim["gas_price_wei"]) > 0
        assert (quote["peak_bytes"], quote["proof_bytes"], quote["measured_jobs"]) == (None, None, 0)
        with desk.working():
            posted = desk.posted(desk.submit())
        [event] = [one for one in posted_claims(stage.tier, stage.start) if one.claim_id == posted]
        assert 0 <= event.claim.bond - int(claim["bond_wei"]) < 2**32
        assert event.claim.window == claim["window_seconds"]


def test_claims_that_were_posted_tell_how_long_the_next_takes(stage: Scene, tmp_path: Path) -> None:
    settings = settings_of(stage, tmp_path, str(tmp_path / "service.db"))
    with opened(tmp_path / "data", **settings) as parts:
        desk = Desk(stage, parts, stage.circuit)
        with desk.working():
            for seed in range(3):
                desk.posted(desk.submit(seed))
        with served(application(parts)) as where:
            quote = ask(where, "POST", "/api/v1/quotes", QUOTE).json
        assert quote["measured_jobs"] == 3
        assert 0 < quote["seconds"]["low"] < quote["seconds"]["likely"] < quote["seconds"]["high"]


def test_without_a_chain_a_quote_says_what_to_configure(tmp_path: Path, stage: Scene) -> None:
    with opened(tmp_path) as parts, served(application(parts)) as where:
        add_model(parts, parts.tenant("local"), stage.circuit, "chained")
        refused = ask(where, "POST", "/api/v1/quotes", QUOTE)
    assert refused.status == 400
    assert all(name in refused.json["detail"] for name in ("chain_rpc", "chain_tier", "chain_key"))


def test_what_the_chain_does_not_say_is_not_quoted(tmp_path: Path, stage: Scene) -> None:
    settings = settings_of(stage, tmp_path, str(tmp_path / "service.db"))
    with opened(tmp_path / "data", **settings) as parts, served(application(parts)) as where:
        add_model(parts, parts.tenant("local"), chained(4), "chained")
        refused = ask(where, "POST", "/api/v1/quotes", QUOTE)
        assert refused.status == 400 and "is not registered" in refused.json["detail"]
    with socket.create_server(("127.0.0.1", 0)) as nothing:
        port = nothing.getsockname()[1]
    silent = settings | {"chain_rpc": f"http://127.0.0.1:{port}/secret", "chain_from_block": 0}
    with opened(tmp_path / "data", **silent) as parts, served(application(parts)) as where:
        refused = ask(where, "POST", "/api/v1/quotes", QUOTE)
    assert refused.status == 503 and b"secret" not in refused.body
