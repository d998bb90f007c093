"""The optimistic tier on a real model and a local chain: an honest claim that becomes final, a false claim
that falls, and a groundless dispute that is lost.

The false claim is the best that a liar can do: one element of one middle layer is altered and everything
after it is recomputed, so that every cell but one is right.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from eth_typing import ChecksumAddress
from web3.types import RPCEndpoint

from challenger.calls import call_of
from challenger.drawing import draw_dispute
from challenger.history import read_history
from challenger.moves import Choose, Move, ProveCell, ProveOutput, ProvePadding, Reveal
from challenger.player import Dispute, GameView
from circuits.atomic_write import write_atomically
from circuits.cells.arrays import recompute_tensor
from circuits.circuit import Circuit
from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.errors import CircuitError
from circuits.packing import pack
from circuits.records import Region
from circuits.tensor import IntArray
from circuits.trace import Trace
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from contracts.dispute_tier import DEVELOPMENT, DisputeTier, Turn
from contracts.packing import pack_inputs, pack_outputs
from contracts.registry import Registration, new_salt
from prover.progress import Progress

ASSERTER, CHALLENGER = 1, 2
"""Which accounts of the development chain play."""

NAMES = {
    Reveal: "reveal",
    Choose: "choose",
    ProveCell: "prove a cell",
    ProveOutput: "prove an output",
    ProvePadding: "prove padding",
}


@dataclass
class Story:
    """What happened to one claim.

    Attributes
    ----------
    name
        Such as "a false claim".
    expected, status
        What should have become of the claim, and what has.
    rounds
        How many reveals there were.
    transactions
        What each was, and the gas that it took, in order.
    gained
        What each side has gained or lost, in wei, gas included.
    svg
        The drawing of the descent; None if there was none.
    """

    name: str
    expected: ClaimStatus
    status: ClaimStatus = ClaimStatus.NONE
    rounds: int = 0
    transactions: list[tuple[str, int]] = field(default_factory=list)
    gained: dict[str, int] = field(default_factory=dict)
    svg: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended as it should."""
        return self.status is self.expected

    @property
    def gas(self) -> int:
        """Of all transactions together."""
        return sum(gas for _, gas in self.transactions)

    @property
    def gas_by_step(self) -> dict[str, int]:
        """The same by what each was; those of a game's later rounds come with the round's number."""
        found: dict[str, int] = {}
        for what, gas in self.transactions:
            again = sum(known.split(", ")[0] == what for known in found)
            found[f"{what}, round {again + 1}" if again else what] = gas
        return found

    def send(self, what: str, tier: DisputeTier, call: Call) -> None:
        """Send a transaction from a side's account."""
        self.transactions.append((what, tier.transact(call)["gasUsed"]))

    def draw(self, stage: _Stage, claim: Claim, svg: Path) -> None:
        """Draw the dispute about a claim."""
        history = read_history(stage.challenger, stage.challenger.claim_id(claim))
        (game,) = history.games.values()
        write_atomically(svg, [draw_dispute(history, game, stage.circuit).encode()])
        self.svg = svg


def run(folder: Path, examples: Path, progress: Progress) -> list[Story]:
    """Play the three stories with the digits CNN, leaving the drawings in `folder`.

    Raises
    ------
    VerinferError
        If any step fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("compiling the digits CNN")
    circuit = compile_file(examples / "cnn.onnx", examples / "calibration.npz").circuit
    inputs = load_inputs(circuit, examples / "sample.json")
    progress("starting a local chain")
    with Anvil() as anvil:
        progress("deploying the contracts")
        stage = _Stage(anvil, circuit, inputs)
        progress("an honest claim")
        stories = [_honest(stage)]
        progress("a false claim")
        stories.append(_false(stage, folder / "false-claim.svg"))
        progress("a groundless dispute")
        stories.append(_groundless(stage, folder / "groundless-dispute.svg"))
    return stories


class _Stage:
    """A local chain with the contracts and the model on it, and the two sides."""

    def __init__(self, anvil: Anvil, circuit: Circuit, inputs: list[IntArray]) -> None:
        self.chain = anvil.connect()
        deployment = deploy_contracts(self.chain, disputes=DEVELOPMENT)
        salt = new_salt()
        deployment.registry.commit(circuit.circuit_id, salt)
        registered = deployment.registry.register(Registration.of(circuit), salt)
        self.circuit, self.inputs = circuit, inputs
        self.model = deployment.registry.model(registered.model_id)
        self.parameters = deployment.disputes.parameters()
        address = deployment.disputes.address
        self.asserter = DisputeTier(anvil.connect(ASSERTER), address)
        self.challenger = DisputeTier(anvil.connect(CHALLENGER), address)
        self.truth = Trace.of(circuit, inputs)
        self.lie = lie_about(self.truth)

    def claim(self, trace: Trace, bond: int) -> tuple[Claim, Call]:
        """A claim of the answer in a trace, and what posts it. Claims with other bonds have other ids."""
        output = pack_outputs(self.circuit, trace.outputs)
        claim = Claim.of(
            self.model.model_id, trace.input_commitment, trace.root, output,
            asserter=account_of(self.asserter), bond=bond, window=self.parameters.min_window,
        )  # fmt: skip
        return claim, self.asserter.claim(claim, output, pack_inputs(self.circuit, self.inputs))

    def wait(self, seconds: int) -> None:
        """Let the chain's time pass."""
        self.chain.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [seconds])
        self.mine()

    def mine(self) -> None:
        """Have the chain make a block."""
        self.chain.web3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def balances(self) -> dict[str, int]:
        """What each side has on the chain, and in the tier."""
        sides = {"asserter": self.asserter, "challenger": self.challenger}
        return {
            name: self.chain.web3.eth.get_balance(account_of(tier)) + tier.credit(account_of(tier))
            for name, tier in sides.items()
        }


def _honest(stage: _Stage) -> Story:
    """Nobody disputes; the time passes; the bond comes back."""
    story, before = Story("an honest claim", ClaimStatus.FINAL), stage.balances()
    claim, call = stage.claim(stage.truth, stage.parameters.min_bond)
    story.send("claim", stage.asserter, call)
    stage.wait(claim.window)
    story.send("finalise", stage.asserter, stage.asserter.finalise(claim))
    return _end(stage, story, claim, before)


def _false(stage: _Stage, svg: Path) -> Story:
    """The claim is of the lie, the challenger has the truth."""
    story, before = Story("a false claim", ClaimStatus.REVOKED), stage.balances()
    claim, call = stage.claim(stage.lie, stage.parameters.min_bond)
    story.send("claim", stage.asserter, call)
    _play(stage, story, claim, stage.lie, stage.truth)
    story.draw(stage, claim, svg)
    return _end(stage, story, claim, before)


def _groundless(stage: _Stage, svg: Path) -> Story:
    """The claim is of the truth, and the challenger believes the lie."""
    story, before = Story("a groundless dispute", ClaimStatus.FINAL), stage.balances()
    claim, call = stage.claim(stage.truth, stage.parameters.min_bond + 1)
    story.send("claim", stage.asserter, call)
    _play(stage, story, claim, stage.truth, stage.lie)
    story.draw(stage, claim, svg)
    stage.wait(claim.window)
    story.send("finalise", stage.asserter, stage.asserter.finalise(claim))
    return _end(stage, story, claim, before)


def _play(stage: _Stage, story: Story, claim: Claim, claimed: Trace, believed: Trace) -> None:
    """A game to its end, each side moving by its own trace."""
    output = pack_outputs(stage.circuit, claimed.outputs)
    asserter, challenger = Dispute(claimed, claim.trace, output), Dispute(believed, claim.trace, output)
    who, claim_id = account_of(stage.challenger), stage.challenger.claim_id(claim)
    story.send("open", stage.challenger, stage.challenger.open(claim, stage.parameters.challenger_bond))
    reveals: list[bytes] = []
    while (game := stage.challenger.game(claim_id, who)).turn is not Turn.CLOSED:
        view = GameView(game.turn, game.level, game.position, tuple(reveals))
        if game.turn is Turn.REVEAL:
            move: Move = asserter.asserter_move(view)
            tier = stage.asserter
        else:
            move = challenger.challenger_move(view)
            tier = stage.challenger
        if isinstance(move, Reveal):
            reveals.append(move.nodes)
        story.send(NAMES[type(move)], tier, call_of(tier, claim, output, who, move))
    story.rounds = len(reveals)


def _end(stage: _Stage, story: Story, claim: Claim, before: dict[str, int]) -> Story:
    """Who has gained and lost what."""
    story.status = stage.asserter.status(stage.asserter.claim_id(claim))
    after = stage.balances()
    story.gained = {side: after[side] - before[side] for side in before}
    return story


def account_of(tier: DisputeTier) -> ChecksumAddress:
    """The account that signs for a side."""
    assert tier.chain.signer is not None
    return tier.chain.signer.address


def lie_about(trace: Trace) -> Trace:
    """The trace with one element of a middle tensor altered and all that follows recomputed, such that
    another output comes out.

    Raises
    ------
    CircuitError
        If no such alteration is found.
    """
    identity = trace.circuit.identity
    plan = identity.plan
    middle = plan.trace_records // 2
    record = plan.records[middle]
    cells = trace.tensor(middle)
    for cell in np.argsort(-np.abs(cells))[:64]:
        leaves = trace.leaves.copy()
        altered = cells.copy()
        altered[cell] = -altered[cell]
        pack(leaves, record.first, record.width, altered)
        memory = {
            Region.TRACE: leaves.reshape(-1),
            Region.INPUT: trace.input_leaves.reshape(-1),
            Region.WEIGHTS: identity.weights_leaves.reshape(-1),
        }
        outputs = []
        for after in plan.records[middle + 1 :]:
            values = recompute_tensor(after, memory)
            if after.region is Region.TRACE:
                pack(leaves, after.first, after.width, values)
            else:
                outputs.append(values.reshape(trace.outputs[after.first].shape))
        if any((mine != true).any() for mine, true in zip(outputs, trace.outputs, strict=True)):
            return replace(trace, leaves=leaves, outputs=tuple(outputs))
    raise CircuitError("no altered element of the middle layer changes the answer")
