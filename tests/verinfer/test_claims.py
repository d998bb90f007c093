"""Claims and disputes by the command line, on a real chain: the whole way, and every way to ask wrongly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web3.types import RPCEndpoint

from challenger.calls import call_of
from challenger.history import read_history
from challenger.player import Dispute, GameView
from circuits.data import load_inputs
from circuits.file import load
from circuits.trace import Trace
from contracts.chain import Chain
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.devchain import Anvil
from contracts.dispute_tier import DisputeTier, Turn
from contracts.inference_oracle import InferenceOracle, Request, RequestState
from contracts.packing import pack_inputs, pack_outputs
from contracts.signer import KeySigner
from prover.progress import silent
from tests.verinfer.conftest import ROOT, Commands
from verinfer.commands.demo import _story_table
from verinfer.console import out
from verinfer.demo_claims import lie_about, run

# Keys of the accounts that every anvil funds; they are public.
OWNER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
WATCHER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ROOM = {"memory": 64 << 30, "seconds": 300}
TIMES = ("--min-window", "60", "--time", "60", "--extension", "30", "--min-bond", "0.02")


@dataclass
class Place:
    """A folder with `cnn.circuit` and `cnn.json`, and the chain on which the model is registered."""

    folder: Path
    url: str
    oracle: InferenceOracle
    tier: DisputeTier

    @property
    def where(self) -> tuple[str, str, str, str]:
        """The options that name chain and tier."""
        return "--rpc", self.url, "--contract", self.tier.address

    def later(self, seconds: int) -> None:
        """Let the chain's time pass."""
        for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            self.tier.chain.web3.provider.make_request(RPCEndpoint(method), arguments)


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture(scope="module")
def place(anvil: Anvil, commands: Commands, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("claims")
    calibration = ("--calibration", digits / "calibration.npz")
    commands.json("compile", digits / "cnn.onnx", *calibration, "-o", "cnn.circuit", folder=folder, **ROOM)
    shutil.copy(digits / "sample.json", folder / "cnn.json")
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    rpc = ("--rpc", anvil.url)
    deployed = commands.json("contract", "deploy", *rpc, *TIMES, folder=folder, environment=key, **ROOM)
    verifier = deployed["addresses"]["InferenceVerifier"]
    where = (*rpc, "--contract", verifier)
    commands.json("contract", "commit", "cnn.circuit", *where, folder=folder, environment=key, **ROOM)
    registered = commands.json(
        "contract", "register", "cnn.circuit", "--no-key", *where, folder=folder, environment=key, **ROOM
    )
    assert registered["gas"]["verifier"] == 0 and registered["addresses"]["verifier"] is None
    signer = KeySigner.from_key(OWNER)
    chain = Chain.connect(anvil.url, signer=signer)
    oracle = InferenceOracle(chain, deployed["addresses"]["InferenceOracle"])
    return Place(folder, anvil.url, oracle, DisputeTier(chain, deployed["addresses"]["DisputeTier"]))


def claim(commands: Commands, place: Place, *arguments: str) -> dict[str, Any]:
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    return commands.json(
        "claim", "cnn.circuit", "cnn.json", *place.where, *arguments,
        folder=place.folder, environment=key, **ROOM,
    )  # fmt: skip


def lie(place: Place, bond: int) -> bytes:
    """Post a claim of which one element of a middle layer is altered and the rest recomputed."""
    circuit = load(place.folder / "cnn.circuit")
    inputs = load_inputs(circuit, place.folder / "cnn.json")
    false = lie_about(Trace.of(circuit, inputs))
    output = pack_outputs(circuit, false.outputs)
    (model,) = place.tier.registry.models_of(circuit.circuit_id)
    assert place.tier.chain.signer is not None
    posted = Claim.of(
        model.model_id, false.input_commitment, false.root, output,
        asserter=place.tier.chain.signer.address, bond=bond, window=60,
    )  # fmt: skip
    place.tier.transact(place.tier.claim(posted, output, pack_inputs(circuit, inputs)))
    return place.tier.claim_id(posted)


def test_an_answer_is_claimed_checked_and_becomes_final(commands: Commands, place: Place) -> None:
    posted = claim(commands, place)
    assert posted["status"] == "PROVISIONAL" and posted["bond_wei"] == 2 * 10**16 and posted["rounds"] == 2
    ran = commands.json("run", "cnn.circuit", "cnn.json", folder=place.folder)
    assert [posted["outputs"][0]] == ran["output_ints"][0][0]
    listed = commands.json("dispute", "list", *place.where, folder=place.folder, **ROOM)
    assert posted["claim_id"] in {row["claim_id"] for row in listed["claims"]}
    checked = commands.json(
        "dispute", "check", posted["claim_id"], "cnn.circuit", *place.where, folder=place.folder, **ROOM
    )
    assert checked["true"]
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    finalise = ("dispute", "finalise", posted["claim_id"], *place.where)
    early = commands.refused(*finalise, folder=place.folder, environment=key, **ROOM)
    assert "can still be disputed" in early
    place.later(60)
    final = commands.json(*finalise, folder=place.folder, environment=key, **ROOM)
    assert final["status"] == "FINAL"
    paid = commands.json("dispute", "withdraw", *place.where, folder=place.folder, environment=key, **ROOM)
    assert paid["wei"] >= posted["bond_wei"]
    nothing = ("dispute", "withdraw", *place.where)
    assert "owes nothing" in commands.refused(*nothing, folder=place.folder, environment=key, **ROOM)


def ask(place: Place) -> bytes:
    """Request an answer about the sample, with a bounty."""
    circuit = load(place.folder / "cnn.circuit")
    data = pack_inputs(circuit, load_inputs(circuit, place.folder / "cnn.json"))
    (model,) = place.tier.registry.models_of(circuit.circuit_id)
    deadline = place.tier.chain.timestamp() + 30 * 24 * 3600
    wanted = Request(model.model_id, bytes(32), deadline, place.tier.address, min_bond=10**16, window=60)
    receipt = place.oracle.transact(place.oracle.request(wanted, 10**15, data))
    (request_id,) = place.oracle.requested(receipt)
    return request_id


def test_a_request_is_answered(commands: Commands, place: Place) -> None:
    request_id = ask(place)
    key = {"VERINFER_PRIVATE_KEY": WATCHER}
    where = ("--rpc", place.url, "--oracle", place.oracle.address, "--request", "0x" + request_id.hex())
    answer = ("claim", "cnn.circuit", "cnn.json", *where)
    posted = commands.json(*answer, folder=place.folder, environment=key, **ROOM)
    assert posted["status"] == "PROVISIONAL"
    assert place.oracle.result(request_id).claim_id.hex() == posted["claim_id"].removeprefix("0x")
    again = commands.refused(*answer, folder=place.folder, environment=key, **ROOM)
    assert "is not open: it is ANSWERED" in again
    # Its input was posted by the oracle, and is found there.
    check = ("dispute", "check", posted["claim_id"], "cnn.circuit", *place.where)
    assert commands.json(*check, folder=place.folder, **ROOM)["true"]
    place.later(60)
    commands.json(
        "dispute", "finalise", posted["claim_id"], *place.where, folder=place.folder, environment=key, **ROOM
    )
    circuit = load(place.folder / "cnn.circuit")
    trace = Trace.of(circuit, load_inputs(circuit, place.folder / "cnn.json"))
    place.oracle.transact(place.oracle.conclude(request_id, pack_outputs(circuit, trace.outputs)))
    assert place.oracle.record(request_id).state is RequestState.DONE
    assert place.oracle.credit(KeySigner.from_key(WATCHER).address) == 10**15


def test_a_request_about_another_input(commands: Commands, place: Place) -> None:
    request_id = ask(place)
    (place.folder / "zeros.json").write_text('{"input_data": [[' + ", ".join(["0"] * 64) + "]]}")
    key = {"VERINFER_PRIVATE_KEY": WATCHER}
    where = ("--rpc", place.url, "--oracle", place.oracle.address, "--request", "0x" + request_id.hex())
    refused = commands.refused(
        "claim", "cnn.circuit", "zeros.json", *where, folder=place.folder, environment=key, **ROOM
    )
    assert "the request is about the input with root" in refused
    both = (*where, "--contract", place.tier.address)
    refused = commands.refused(
        "claim", "cnn.circuit", "cnn.json", *both, folder=place.folder, environment=key, **ROOM
    )
    assert "pass --contract to post a claim, or --oracle and --request" in refused
    fixed = (*where, "--window", "1h")
    refused = commands.refused(
        "claim", "cnn.circuit", "cnn.json", *fixed, folder=place.folder, environment=key, **ROOM
    )
    assert "a request fixes" in refused


def test_a_false_claim_is_found_disputed_and_drawn(commands: Commands, place: Place) -> None:
    claim_id = lie(place, 2 * 10**16 + 1)
    shown = "0x" + claim_id.hex()
    check = ("dispute", "check", shown, "cnn.circuit", *place.where, "--json")
    found = commands.run(*check, folder=place.folder, **ROOM)
    assert found.code == 1 and '"true": false' in found.stdout

    models = place.folder / "models"
    models.mkdir()
    shutil.copy(place.folder / "cnn.circuit", models)
    # The liar answers, too: its own watcher would not, since it knows that the claim is false.
    with watching(place, models, WATCHER) as watcher:
        answer_until_closed(place, claim_id, watcher)
    assert place.tier.status(claim_id) is ClaimStatus.REVOKED

    drawn = commands.json(
        "dispute", "show", shown, *place.where, "--circuit", "cnn.circuit", "--svg", "lie.svg",
        folder=place.folder, **ROOM,
    )  # fmt: skip
    assert drawn["status"] == "REVOKED"
    (game,) = drawn["games"]
    assert game["outcome"] == "won" and game["revealed"] == 2
    assert game["verdict"]["move"] == "proveCell"
    assert game["verdict"]["claimed"] != game["verdict"]["recomputed"]
    text = "".join(ElementTree.parse(place.folder / "lie.svg").getroot().itertext())
    assert "the claim is revoked" in text and "recomputed" in text and "Relu" in text


def answer_until_closed(place: Place, claim_id: bytes, watcher: subprocess.Popen[str]) -> None:
    """Answer as the liar, by its own trace, until the watcher has won."""
    circuit = load(place.folder / "cnn.circuit")
    false = lie_about(Trace.of(circuit, load_inputs(circuit, place.folder / "cnn.json")))
    posted = read_history(place.tier, claim_id)
    player = Dispute(false, posted.claim.trace, posted.output)
    who = KeySigner.from_key(WATCHER).address
    deadline = time.monotonic() + 120
    while place.tier.status(claim_id) is ClaimStatus.PROVISIONAL:
        assert time.monotonic() < deadline and watcher.poll() is None, "the watcher did not win in time"
        game = place.tier.game(claim_id, who)
        if game.turn is Turn.REVEAL:
            move = player.asserter_move(GameView(game.turn, game.level, game.position, ()))
            place.tier.transact(call_of(place.tier, posted.claim, posted.output, who, move))
        time.sleep(0.1)


class watching:  # noqa: N801  reads as what it does
    """`verinfer watch` as a process, ended by SIGTERM."""

    def __init__(self, place: Place, models: Path, key: str) -> None:
        database = str(place.folder / "watch.db")
        self._command = [
            sys.executable, "-m", "verinfer.cli", "watch", str(models), *place.where,
            "--poll", "0.1", "--confirmations", "0", "--database", database, "--withdraw-over", "never",
        ]  # fmt: skip
        self._environment = os.environ | {"VERINFER_PRIVATE_KEY": key}

    def __enter__(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        return self._process

    def __exit__(self, *problem: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        _, log = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, log


def test_the_demonstration(tmp_path: Path, digits: Path) -> None:
    stories = run(tmp_path, digits, silent)
    assert [story.status for story in stories] == [
        ClaimStatus.FINAL,
        ClaimStatus.REVOKED,
        ClaimStatus.FINAL,
    ]
    assert all(story.ok for story in stories)
    _, false, groundless = stories
    bonds = (10**16, 10**16)
    # The liar loses its bond, the challenger gains half of it less tips; then the other way round.
    assert -false.gained["asserter"] >= bonds[0] and 0 < false.gained["challenger"] < bonds[0] // 2
    assert -groundless.gained["challenger"] >= bonds[1] and 0 < groundless.gained["asserter"] < bonds[1] // 2
    for story in (false, groundless):
        assert story.rounds == 2 and story.svg is not None
        ElementTree.parse(story.svg)
    with out.capture() as shown:
        out.print(_story_table(stories))
    assert "REVOKED" in shown.get() and "gas together" in shown.get()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--bond", "much"), "not an amount of ether"),
        (("--bond", "-1"), "at least 0"),
        (("--bond", "1e-19"), "at most 18 decimals"),
        (("--window", "soon"), "not a time"),
        (("--bond", "0.001"), "BondTooLow"),
        (("--window", "59s"), "WindowTooShort"),
        (("--bond", "1000000"), "and this takes 1000000 ether"),
        (("--model", "0x12"), "ModelNotFound"),
        (("--model", "twelve"), "hexadecimal"),
        (("--device", "gpu"), "there is no device 'gpu'"),
    ],
)
def test_claims_that_are_refused_cost_nothing(
    commands: Commands, place: Place, arguments: tuple[str, ...], reason: str
) -> None:
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    assert place.tier.chain.signer is not None
    account = place.tier.chain.signer.address
    before = place.tier.chain.web3.eth.get_balance(account)
    refused = commands.refused(
        "claim", "cnn.circuit", "cnn.json", *place.where, *arguments,
        folder=place.folder, environment=key, **ROOM,
    )  # fmt: skip
    assert reason in refused
    assert place.tier.chain.web3.eth.get_balance(account) == before


def test_a_circuit_that_is_not_registered(
    commands: Commands, place: Place, compiled: Path, tmp_path: Path
) -> None:
    shutil.copy(compiled / "mlp.circuit", tmp_path)
    shutil.copy(place.folder / "cnn.json", tmp_path)
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    post = ("claim", "mlp.circuit", "cnn.json", *place.where)
    posted = commands.run(*post, folder=tmp_path, environment=key, **ROOM)
    assert posted.code == 1 and "is not registered" in posted.stderr
    watch = ("watch", str(tmp_path), *place.where, "--database", str(tmp_path / "w.db"))
    found = commands.run(*watch, folder=tmp_path, environment=key, **ROOM)
    assert found.code == 2 and "no model of it is registered" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "0x12"), "64 hexadecimal digits"),
        (("show", "0x" + "11" * 32), "no claim 0x1111"),
        (("check", "0x" + "11" * 32, "cnn.circuit"), "no claim 0x1111"),
        (("finalise", "0x" + "11" * 32), "no claim 0x1111"),
    ],
)
def test_claims_that_do_not_exist(
    commands: Commands, place: Place, arguments: tuple[str, ...], reason: str
) -> None:
    key = {"VERINFER_PRIVATE_KEY": OWNER}
    refused = commands.refused(
        "dispute", *arguments, *place.where, folder=place.folder, environment=key, **ROOM
    )
    assert reason in refused


def test_another_contract_is_no_tier(commands: Commands, place: Place) -> None:
    where = ("--rpc", place.url, "--contract", "0x" + "22" * 20)
    assert "no dispute tier at" in commands.refused("dispute", "list", *where, folder=place.folder, **ROOM)


def test_nothing_is_drawn_of_a_claim_that_nobody_disputed(commands: Commands, place: Place) -> None:
    posted = claim(commands, place, "--bond", "0.03")
    show = ("dispute", "show", posted["claim_id"], *place.where, "--svg", "none.svg")
    assert "nothing to draw" in commands.refused(*show, folder=place.folder, **ROOM)
    assert not (place.folder / "none.svg").exists()
