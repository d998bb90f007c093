"""What the optimistic tier costs off the chain: `python -m bench.dispute MODEL.circuit`.

Three questions of one model, asked in turn so that all meet the same machine: what execution takes alone,
what it takes to commit to its trace as well, and what both players of a dispute add to that. The liar alters
one element of the tensor whose cells sum the most products; the moves are those of the descent to it, with
the bytes of their calldata. What follows from the altered element is not recomputed: the moves have the same
sizes.

The results go to bench/results/dispute-2026-11.json and .md. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, ParamSpec, TypeVar

from web3 import Web3

from bench.keeping import keep
from challenger.moves import Choose, Move, ProveCell, Reveal
from challenger.player import Dispute, GameView
from challenger.rounds import Rounds
from circuits.circuit import Circuit
from circuits.executor import execute
from circuits.file import load
from circuits.merkle import LEAF_BYTES
from circuits.records import Record, Region
from circuits.tensor import IntArray
from circuits.trace import Trace
from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS
from contracts.claims import Claim
from contracts.dispute_tier import Turn
from contracts.packing import pack_outputs
from verinfer.bench import random_inputs

P = ParamSpec("P")
T = TypeVar("T")
RESULTS = Path(__file__).parent / "results" / "dispute-2026-11"


@dataclass(frozen=True)
class MoveCost:
    """One move: who made it, how long it thought, in seconds, and how long its calldata is."""

    move: str
    seconds: float
    calldata_bytes: int


@dataclass(frozen=True)
class Measured:
    """One model. Seconds are medians over `runs` runs of each, taken in turn."""

    model: str
    trace_leaves: int
    depth: int
    rounds: int
    products: int
    runs: int
    load_seconds: float
    execute_seconds: float
    trace_seconds: float
    """Execution and trace root."""
    challenger_seconds: float
    """Of the challenger for a whole dispute, beyond execution: trace, root, comparison and moves."""
    moves: tuple[MoveCost, ...]

    @property
    def overhead(self) -> float:
        """Execution and trace root, over execution alone."""
        return self.trace_seconds / self.execute_seconds


def measure(name: str, circuit: Circuit, runs: int, load_seconds: float) -> Measured:
    """Measure one model."""
    inputs = random_inputs(circuit)
    plan = circuit.identity.plan
    record = max(range(plan.trace_records), key=lambda i: products(plan.records[i]))
    leaves, output = falsehood(Trace.of(circuit, inputs), record)
    alone: list[float] = []
    traced: list[float] = []
    thinking: list[float] = []
    all_moves: list[list[MoveCost]] = []
    for _ in range(runs):
        alone.append(timed(execute, circuit, inputs)[0])
        seconds, trace = timed(committed, circuit, inputs)
        traced.append(seconds)
        theirs = replace(trace, leaves=leaves)
        asserter = Dispute(theirs, theirs.root, output)
        seconds, dispute = timed(Dispute, trace, theirs.root, output)
        moves = play(asserter, dispute, trace, output)
        own = sum(move.seconds for move in moves if move.move != "reveal")
        thinking.append(traced[-1] - alone[-1] + seconds + own)
        all_moves.append(moves)
    moves = [
        replace(same[0], seconds=median(move.seconds for move in same))
        for same in zip(*all_moves, strict=True)
    ]
    depth = trace.tree.depth
    return Measured(
        name,
        plan.trace_leaves,
        depth,
        Rounds(depth).count,
        products(plan.records[record]),
        runs,
        load_seconds,
        median(alone),
        median(traced),
        median(thinking),
        tuple(moves),
    )


def committed(circuit: Circuit, inputs: Sequence[IntArray]) -> Trace:
    """Execute, and commit to the trace."""
    trace = Trace.of(circuit, inputs)
    assert trace.root
    return trace


def products(record: Record) -> int:
    """How many products a cell of the record sums."""
    return sum(math.prod(term[0].reduction_dims) for term in record.terms if len(term) == 2)


def falsehood(trace: Trace, record: int) -> tuple[Any, bytes]:
    """The trace's leaves with the middle element of a tensor altered, and wrong outputs."""
    found = trace.circuit.identity.plan.records[record]
    assert found.region is Region.TRACE
    leaves = trace.leaves.copy()
    leaves.reshape(-1)[found.first * LEAF_BYTES + found.cells // 2 * found.width] ^= 1
    output = bytearray(pack_outputs(trace.circuit, trace.outputs))
    output[-1] ^= 1
    return leaves, bytes(output)


def play(asserter: Dispute, challenger: Dispute, trace: Trace, output: bytes) -> list[MoveCost]:
    """Play the descent; what each move took."""
    rounds = Rounds(trace.tree.depth)
    reveals: list[bytes] = []
    level = position = 0
    costs: list[MoveCost] = []
    while True:
        shown = len(reveals) > level
        turn = Turn.REVEAL if not shown else Turn.PROVE if level == rounds.last else Turn.CHOOSE
        view = GameView(turn, level, position, tuple(reveals))
        think = asserter.asserter_move if turn is Turn.REVEAL else challenger.challenger_move
        seconds, move = timed(think, view)
        costs.append(MoveCost(name_of(move), seconds, len(calldata(move, output))))
        if isinstance(move, Reveal):
            reveals.append(move.nodes)
        elif isinstance(move, Choose):
            position = (position << rounds.levels(level)) + move.child
            level += 1
        else:
            return costs


def name_of(move: Move) -> str:
    """The move in a word."""
    return {Reveal: "reveal", Choose: "choose", ProveCell: "prove cell"}.get(type(move), "prove")


def calldata(move: Move, output: bytes) -> bytes:
    """What a move sends to the contract."""
    contract = Web3().eth.contract(abi=load_artifact("DisputeTier").abi)
    claim = Claim.of(1, bytes(32), bytes(32), output, asserter=ZERO_ADDRESS, bond=1, window=1).as_abi()
    match move:
        case Reveal(level, position, nodes):
            arguments = ("reveal", [bytes(32), ZERO_ADDRESS, level, position, nodes])
        case Choose(level, position, child):
            arguments = ("choose", [bytes(32), level, position, child])
        case ProveCell(cell, leaf, operands):
            named = (cell.record, cell.index, cell.opening)
            arguments = ("proveCell", [claim, named, leaf, operands])
        case _:
            raise AssertionError(move)
    return bytes.fromhex(contract.encode_abi(*arguments)[2:])


def timed(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> tuple[float, T]:
    """Seconds that some work takes, and what it yields."""
    began = time.perf_counter()
    result = work(*arguments, **named)
    return time.perf_counter() - began, result


def table(results: Sequence[Measured]) -> str:
    """The results as Markdown."""
    lines = [
        "# The optimistic tier off the chain",
        "",
        "Made by `python -m bench.dispute`; seconds are medians of interleaved runs.",
        "",
        "| model | trace leaves | rounds | execution | and trace root | ratio | challenger beyond it |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        lines.append(
            f"| {one.model} | {one.trace_leaves:,} | {one.rounds} | {one.execute_seconds:.2f} s "
            f"| {one.trace_seconds:.2f} s | {one.overhead:.2f} | {one.challenger_seconds:.2f} s |"
        )
    for one in results:
        lines += [
            "",
            f"Moves of a dispute over {one.model}, about a cell of {one.products:,} products:",
            "",
            "| move | calldata | seconds |",
            "|---|---|---|",
        ]
        for move in one.moves:
            lines.append(f"| {move.move} | {move.calldata_bytes:,} bytes | {move.seconds:.4f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the models named on the command line, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.dispute", description=__doc__.splitlines()[0])
    parser.add_argument("circuits", nargs="+", type=Path, help="circuit files")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, in turn (5)")
    parser.add_argument("--print", action="store_true", help="write nothing, only print")
    arguments = parser.parse_args()
    results = []
    for path in arguments.circuits:
        load_seconds, circuit = timed(_loaded, path)
        results.append(measure(path.stem, circuit, arguments.runs, load_seconds))
        print(table(results[-1:]), flush=True)
    if not arguments.print:
        rows = [{**asdict(one), "overhead": one.overhead} for one in results]
        keep(RESULTS, {"results": rows}, table(results))


def _loaded(path: Path) -> Circuit:
    """The circuit with its plan and the trees that belong to the model."""
    circuit = load(path)
    assert circuit.identity.weights_root
    return circuit


if __name__ == "__main__":
    main()
