"""What has happened to a claim so far, read from the events that its tier left: for people to look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_typing import ChecksumAddress
from hexbytes import HexBytes

from challenger.rounds import Rounds
from circuits.errors import ChainError
from circuits.merkle import HASH_BYTES, LEAF_BYTES
from circuits.records import HEADER_BYTES, VIEW_BYTES
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.dispute_tier import (
    Chosen,
    ClaimFinal,
    ClaimPosted,
    ClaimRevoked,
    DisputeTier,
    GameClosed,
    GameOpened,
    Revealed,
)
from contracts.registry import Model
from verifier.circuit_header import CircuitHeader, parse_header, tree_depth


@dataclass
class Round:
    """A reveal, and what the challenger chose of it.

    Attributes
    ----------
    level, position
        Which node was disputed: how many rounds came before, and its place at its height.
    children
        What was revealed of it: hashes of 32 bytes, or leaves of 128.
    chosen
        The child that the challenger named; None if it has not, or the children are leaves.
    """

    level: int
    position: int
    children: tuple[bytes, ...]
    chosen: int | None = None

    @property
    def leaves(self) -> bool:
        """Whether the children are leaves."""
        return len(self.children[0]) == LEAF_BYTES


@dataclass(frozen=True)
class Verdict:
    """How a game ended.

    Attributes
    ----------
    won
        By the challenger.
    move
        The contract's function that ended it, such as "proveCell".
    record, index
        The op record and the cell that was looked at; None if none was.
    leaf
        The leaf of the trace that the cell lies in; None if it lies in no leaf.
    claimed
        The cell as the asserter has it; None if it was no cell.
    recomputed
        The cell as the contract recomputed it; None if its operands allow no value.
    """

    won: bool
    move: str
    record: int | None = None
    index: int | None = None
    leaf: int | None = None
    claimed: int | None = None
    recomputed: int | None = None


@dataclass
class GameHistory:
    """A challenger's game: its rounds so far, and its verdict once it has one."""

    challenger: ChecksumAddress
    rounds: list[Round] = field(default_factory=list)
    verdict: Verdict | None = None


@dataclass
class ClaimHistory:
    """A claim of a model, its outputs (packed), the block that it was posted in, what has become of it, and
    its games."""

    claim_id: bytes
    claim: Claim
    model: Model
    header: CircuitHeader
    output: bytes
    block: int
    status: ClaimStatus = ClaimStatus.PROVISIONAL
    games: dict[ChecksumAddress, GameHistory] = field(default_factory=dict)


def read_history(tier: DisputeTier, claim_id: bytes, from_block: int = 0) -> ClaimHistory:
    """The history of one claim of a tier.

    Raises
    ------
    ChainError
        If the tier has no such claim since that block, or the endpoint fails.
    """
    history: ClaimHistory | None = None
    rounds = Rounds(0)
    for log in tier.chain.logs(tier.address, [None, claim_id], from_block):
        event = tier.decode(log)
        if isinstance(event, ClaimPosted):
            model = tier.registry.model(event.claim.model_id)
            header = parse_header(model.registration.header)
            rounds = Rounds(header.trace_depth)
            history = ClaimHistory(claim_id, event.claim, model, header, event.output, log["blockNumber"])
        if history is None:
            continue
        if isinstance(event, ClaimFinal):
            history.status = ClaimStatus.FINAL
        elif isinstance(event, ClaimRevoked):
            history.status = ClaimStatus.REVOKED
        elif isinstance(event, GameOpened):
            history.games[event.challenger] = GameHistory(event.challenger)
        elif isinstance(event, Revealed):
            game = history.games[event.challenger]
            game.rounds.append(Round(event.level, event.position, _children(event, rounds)))
        elif isinstance(event, Chosen):
            latest = history.games[event.challenger].rounds[-1]
            latest.chosen = event.position % len(latest.children)
        elif isinstance(event, GameClosed):
            history.games[event.challenger].verdict = _verdict(
                tier, history, log["transactionHash"], event.won
            )
    if history is None:
        raise ChainError(f"no claim 0x{claim_id.hex()} at {tier.address} on chain {tier.chain.chain_id}")
    return history


def posted_claims(tier: DisputeTier, from_block: int = 0) -> list[ClaimPosted]:
    """All claims that were posted to a tier, the oldest first.

    Raises
    ------
    ChainError
        If the endpoint fails; some refuse to search many blocks at once.
    """
    logs = tier.chain.logs(tier.address, [tier.topic("ClaimPosted")], from_block)
    events = [tier.decode(log) for log in logs]
    return [event for event in events if isinstance(event, ClaimPosted)]


def _children(event: Revealed, rounds: Rounds) -> tuple[bytes, ...]:
    """What a reveal shows, without the siblings behind it."""
    size = LEAF_BYTES if event.level == rounds.last else HASH_BYTES
    return tuple(event.nodes[i * size : (i + 1) * size] for i in range(1 << rounds.levels(event.level)))


def _verdict(tier: DisputeTier, history: ClaimHistory, transaction: HexBytes, won: bool) -> Verdict:
    """What the transaction that closed a game showed."""
    move, arguments = tier.decode_call(tier.chain.transaction_input(transaction))
    if "cell" not in arguments:
        return Verdict(won, move)
    cell = arguments["cell"]
    record, index = cell["opening"], cell["index"]
    if move == "provePadding":
        first = int.from_bytes(record[8:16], "big")
        return Verdict(won, move, cell["record"], index, first + index // LEAF_BYTES)
    width, views = record[3], record[4]
    start = index * width
    if move == "proveOutput":
        leaf, data = None, arguments["output"]
        before = history.header.outputs[: int.from_bytes(record[8:16], "big")]
        start += sum(port.elements * port.width for port in before)
    else:
        leaf, data = int.from_bytes(record[8:16], "big") + start // LEAF_BYTES, arguments["leaf"]
        start %= LEAF_BYTES
    claimed = int.from_bytes(data[start : start + width], "big", signed=True)
    body = record[: HEADER_BYTES + VIEW_BYTES * views]
    circuit = history.header
    inputs = tree_depth(sum(port.leaves for port in circuit.inputs))
    depths = (circuit.trace_depth, inputs, circuit.weights_depth)
    roots = (history.claim.trace, history.claim.input, history.model.registration.weights_root)
    recomputed = tier.recompute(body, index, roots, depths, arguments["operands"])
    return Verdict(won, move, cell["record"], index, leaf, claimed, recomputed)
