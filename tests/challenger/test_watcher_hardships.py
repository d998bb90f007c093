"""The watcher with lying endpoints, inputs that are hard to get, hostile claims, and mistaken operators."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog

from challenger.judge import Judge
from challenger.logs import configure_logs
from challenger.metrics import Metrics
from challenger.process import Setup, assembled
from challenger.records import Verdict
from challenger.watcher import Habits
from circuits.circuit import Circuit
from circuits.errors import ChainError, InputError
from contracts.artifact import Artifact
from contracts.build import compile_solidity
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.dispute_tier import Turn
from contracts.packing import pack_inputs
from contracts.signer import KeySigner
from tests.challenger.chains import ETHER, DevChain, dev_chain
from tests.challenger.lies import Lie
from tests.challenger.proxy import Proxy, Reply, all_final, no_logs, no_receipts, other_blocks
from tests.challenger.scene import KEY, PARAMETERS, Scene
from tests.challenger.test_watcher import verdicts
from tests.circuits.random_circuits import random_sample

SOURCE = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
struct Claim {
    uint256 modelId; bytes32 input; bytes32 trace; address asserter; address source;
    uint96 bond; uint32 window; bytes4 settledBy; bytes32 outputHash;
}
interface Tier { function claimFor(Claim calldata, bytes calldata) external payable returns (bytes32); }
contract Source {
    event InputPosted(bytes32 indexed input, bytes data);
    function say(bytes32 root, bytes calldata data) external { emit InputPosted(root, data); }
    function post(Tier tier, Claim calldata claim, bytes calldata output) external payable {
        tier.claimFor{value: msg.value}(claim, output);
    }
}
"""


@pytest.fixture(scope="module")
def source() -> Artifact:
    return compile_solidity(SOURCE, "Source")


@pytest.fixture
def proxies(dev: DevChain) -> Iterator[list[Proxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(dev.url)) for _ in range(3)]


# ---- Endpoints


def misbehave(proxy: Proxy, how: str) -> None:
    if how == "stalls":
        proxy.stalled = True
    elif how == "lags":
        proxy.behind = 4
    elif how == "breaks":
        proxy.broken = True
    else:
        lies = {"other blocks": other_blocks, "no logs": no_logs}
        proxy.lie = {**lies, "all final": all_final, "no receipts": no_receipts}[how]


@pytest.mark.parametrize(
    "how", ["stalls", "lags", "breaks", "other blocks", "no logs", "all final", "no receipts"]
)
def test_one_bad_endpoint_of_three_saves_no_false_claim(scene: Scene, proxies: list[Proxy], how: str) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching(urls=[proxy.url for proxy in proxies], timeout=2.0) as watcher:
        misbehave(proxies[0], how)
        scene.run(watcher, [claim])
        assert watcher._metrics.value("endpoints_agreeing") <= 3
    assert scene.status(claim) is ClaimStatus.REVOKED and scene.opened() == 1


@pytest.mark.parametrize("how", ["other blocks", "no logs", "all final"])
def test_of_two_endpoints_one_that_lies_stops_everything(
    scene: Scene, proxies: list[Proxy], how: str
) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching(urls=[proxy.url for proxy in proxies[:2]], timeout=2.0) as watcher:
        misbehave(proxies[0], how)
        stop = threading.Event()
        thread = threading.Thread(target=watcher.run, args=(stop,))
        thread.start()
        for _ in range(10):
            scene.dev.mine()
            stop.wait(0.05)
        assert scene.sent() == 0
        assert watcher._metrics.value("disagreements_total") > 0
        proxies[0].lie = None
        for _ in range(200):
            scene.answer(claim)
            scene.dev.mine()
            if scene.status(claim) is ClaimStatus.REVOKED:
                break
            stop.wait(0.02)
        stop.set()
        thread.join()
    assert scene.status(claim) is ClaimStatus.REVOKED and scene.opened() == 1


def test_of_two_endpoints_one_that_stalls_is_done_without(scene: Scene, proxies: list[Proxy]) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching(urls=[proxy.url for proxy in proxies[:2]], timeout=1.0) as watcher:
        proxies[0].stalled = True
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_an_invented_claim_is_seen_through(scene: Scene, proxies: list[Proxy]) -> None:
    """A single endpoint, with nobody to contradict it: a claim must still hash to its id."""

    def invent(method: str, params: list[Any], reply: Reply) -> None:
        for log in reply["result"] if method == "eth_getLogs" else []:
            log["data"] = log["data"][:-66] + "ff" + log["data"][-64:]
            log["data"] = log["data"].replace(format(ETHER, "064x"), format(ETHER + 1, "064x"))

    scene.post(scene.falsehood())
    scene.dev.mine(2)
    with scene.watching(urls=[proxies[0].url]) as watcher:
        proxies[0].lie = invent
        with pytest.raises(ChainError):
            watcher.cycle()
        assert verdicts(watcher) == set() and scene.sent() == 0


# ---- Inputs and claims


def post_for(scene: Scene, contract: Any, lie: Lie) -> Claim:
    claim = replace(scene.claim_of(lie, scene.dev.rich), source=contract.address)
    call = contract.functions.post(scene.tier.address, claim.as_abi(), bytes(lie.output))
    scene.dev.rich.transact(call, claim.bond)
    scene.lies[scene.id(claim)] = lie
    return claim


def test_an_input_is_taken_from_whoever_gave_it(scene: Scene, source: Artifact) -> None:
    address = scene.dev.rich.deploy(source).address
    contract = scene.dev.web3.eth.contract(address=address, abi=source.abi)
    lie = scene.falsehood()
    data = pack_inputs(scene.circuit, random_sample(scene.circuit, 0))
    root = lie.honest.input_commitment
    # The source says other things first; they have another root.
    for wrong in (b"", bytes(len(data)), data[:-1]):
        scene.dev.rich.transact(contract.functions.say(root, wrong))
    claim = post_for(scene, contract, lie)
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
        assert verdicts(watcher) == {Verdict.INPUT_UNAVAILABLE}
        scene.dev.rich.transact(contract.functions.say(root, data))
        watcher._left_alone.clear()
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_a_claim_that_breaks_the_judge_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = scene.post(scene.falsehood()), scene.post(scene.falsehood(1), seed=1)
    verdict = Judge.verdict

    def judge(self: Judge, claim: Claim, output: bytes, data: bytes | None) -> Verdict:
        if scene.id(claim) == scene.id(bad):
            raise MemoryError("too large")
        return verdict(self, claim, output, data)

    monkeypatch.setattr(Judge, "verdict", judge)
    with scene.watching() as watcher:
        scene.run(watcher, [bad, good])
    assert scene.status(good) is ClaimStatus.REVOKED and scene.status(bad) is ClaimStatus.PROVISIONAL


def test_a_false_reveal_or_a_silent_asserter_in_one_game_does_not_hold_up_another(scene: Scene) -> None:
    silent, talking = scene.post(scene.falsehood()), scene.post(scene.falsehood(1), seed=1)
    with scene.watching() as watcher:
        scene.run(watcher, [talking])
        assert scene.status(talking) is ClaimStatus.REVOKED
        assert scene.game(silent).turn is Turn.REVEAL
        assert watcher._metrics.value("games", state="open") == 1


def test_an_own_claim_without_its_circuit_file_is_reported(scene: Scene, circuit: Circuit) -> None:
    other = scene.folder / "elsewhere"
    other.mkdir()
    claim = scene.post(scene.truth(), by=scene.wallet)
    scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond))
    scene.dev.mine(2)
    with scene.watching() as watcher:
        watcher._judge._circuits = type("None", (), {"of_model": lambda self, model_id: None})()  # type: ignore[assignment]
        watcher.cycle()
        assert any("put the circuit's file" in said for said in watcher._said.values())


# ---- Operators


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"tier": "0x" + "77" * 20}, "no dispute tier at"),
        ({"chain_id": 5}, "are not all of chain 5"),
        ({"circuits": Path("/no/such/folder")}, "is no folder"),
        ({"urls": ["http://127.0.0.1:9"]}, "no chain answers"),
        ({"urls": ["nonsense"]}, "not the http or https URL"),
    ],
)
def test_a_setup_that_cannot_work_is_refused(scene: Scene, change: dict[str, Any], what: str) -> None:
    setup: Setup = replace(scene.setup(), **change)
    with pytest.raises(InputError, match=what), assembled(setup, KeySigner.from_key(f"{KEY:064x}")):
        pass
    assert not (scene.folder / "watcher.db").exists()


@pytest.mark.parametrize("habits", [{"sample": -0.5}, {"sample": 1.5}, {"poll": 0.0}, {"confirmations": -1}])
def test_habits_that_make_no_sense_are_refused(habits: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Habits(**habits)


def test_a_second_watcher_is_refused(scene: Scene) -> None:
    with scene.watching(), pytest.raises(InputError, match="another watcher uses this database"):
        scene.watching().__enter__()
    with scene.watching():
        pass


def test_the_database_of_another_account_is_refused(scene: Scene) -> None:
    with scene.watching():
        pass
    with (
        pytest.raises(InputError, match="about another account"),
        assembled(scene.setup(), KeySigner.from_key("01" * 32)),
    ):
        pass


def test_a_fresh_chain_with_the_same_id_is_another_chain(
    scene: Scene, tmp_path: Path, circuit: Circuit
) -> None:
    with scene.watching():
        pass
    with dev_chain("--timestamp", "1700000000") as other:
        fresh = Scene.on(other, tmp_path, circuit)
        assert fresh.tier.address == scene.tier.address
        with pytest.raises(InputError, match="about another genesis"):
            fresh.watching().__enter__()


# ---- What it says


def test_metrics_are_served(scene: Scene) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching() as watcher:
        port = watcher._metrics.serve(0)
        scene.run(watcher, [claim])
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['verinfer_watcher_games{state="won"}'] == "1.0"
    assert lines['verinfer_watcher_claims{verdict="false"}'] == "1.0"
    assert float(lines["verinfer_watcher_balance_wei"]) == pytest.approx(scene.dev.balance(scene.me))
    assert float(lines["verinfer_watcher_next_deadline_seconds"]) == -1
    assert lines["verinfer_watcher_endpoints_agreeing"] == "1.0"
    with pytest.raises(InputError, match=f"cannot serve metrics on port {port}"):
        Metrics().serve(port)


def test_a_deadline_shows_before_it_passes(scene: Scene) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching(dry_run=True) as watcher:
        scene.run(watcher)
        left = watcher._metrics.value("next_deadline_seconds")
        assert 0 < left < claim.window
    # A move that is sent, but not mined, is still due.
    scene.dev.rpc("evm_setAutomine", False)
    with scene.watching() as watcher:
        for _ in range(4):
            watcher.cycle()
            assert watcher._metrics.value("transactions_unsettled") == 1
            assert 0 < watcher._metrics.value("next_deadline_seconds") < claim.window


def test_logs_are_json_and_hold_no_secrets(dev: DevChain) -> None:
    file = io.StringIO()
    configure_logs(as_json=True, file=file)
    structlog.get_logger("test").info("hello", claim=b"\1\2", private_key="0x5eed", rpc_url="http://u:p@h/k")
    try:
        raise ChainError("no chain")
    except ChainError:
        structlog.get_logger("test").exception("failed", game="0x12")
    first, second = map(json.loads, file.getvalue().splitlines())
    assert first["claim"] == "0x0102" and first["level"] == "info"
    assert "5eed" not in file.getvalue() and "http" not in file.getvalue()
    assert "no chain" in second["exception"]
    text = io.StringIO()
    configure_logs(as_json=False, file=text)
    structlog.get_logger("test").info("hello", tx="0x01")
    assert "hello" in text.getvalue() and "tx=0x01" in text.getvalue()
    structlog.reset_defaults()
