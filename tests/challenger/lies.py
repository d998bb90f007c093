"""False claims: an honest trace with something altered, and whatever follows from it recomputed or not."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from challenger.moves import CellOpening, ProveCell
from challenger.openings import Source, Tree, open_leaf, operands_of
from challenger.player import Dispute
from circuits.builder import CircuitBuilder
from circuits.cells.arrays import recompute_tensor
from circuits.circuit import Circuit, Port
from circuits.identity import Identity
from circuits.merkle import LEAF_BYTES, MerkleTree
from circuits.packing import Leaves, pack
from circuits.recompute import recompute_cell
from circuits.records import Region
from circuits.trace import Trace
from contracts.packing import pack_outputs

KINDS = ("element", "tensor", "padding", "behind", "output", "several")


@dataclass
class Lie:
    """What a dishonest asserter commits to. `leaves` are all of its tree's, padding included."""

    honest: Trace
    leaves: Leaves
    output: bytearray

    @classmethod
    def of(cls, trace: Trace) -> Lie:
        """The truth, to be altered."""
        depth = trace.tree.depth
        missing = np.zeros(((1 << depth) - len(trace.leaves), LEAF_BYTES), np.uint8)
        leaves = np.concatenate([trace.leaves, missing])
        return cls(trace, leaves, bytearray(pack_outputs(trace.circuit, trace.outputs)))

    @property
    def tree(self) -> MerkleTree:
        return MerkleTree.of_leaves(self.leaves)

    @property
    def root(self) -> bytes:
        return self.tree.root

    @property
    def source(self) -> Source:
        return Tree(self.leaves, self.tree)

    def operands(self, record: int, index: int) -> bytes:
        """What a cell reads, opened against the trace that was committed to."""
        identity, trace = self.honest.circuit.identity, self.honest
        sources = {
            Region.TRACE: self.source,
            Region.INPUT: Tree(trace.input_leaves, trace.input_tree),
            Region.WEIGHTS: Tree(identity.weights_leaves, identity.weights_tree),
        }
        return operands_of(identity.plan.records[record], index, sources)

    @property
    def player(self) -> Dispute:
        """The asserter's player, which reveals what it has committed to."""
        return Dispute(replace(self.honest, leaves=self.leaves), self.root, bytes(self.output))

    def set(self, record: int, index: int, value: int) -> None:
        """Write a cell of the trace."""
        found = self.honest.circuit.identity.plan.records[record]
        self.memory[found.first * LEAF_BYTES + index * found.width :][: found.width] = np.frombuffer(
            value.to_bytes(found.width, "big", signed=True), np.uint8
        )

    @property
    def memory(self) -> np.ndarray:
        return self.leaves.reshape(-1)

    def read(self, region: int, start: int, length: int) -> bytes:
        if region == Region.TRACE:
            return self.memory[start : start + length].tobytes()
        return self.honest.read(region, start, length)

    def recompute_after(self, record: int, fast: bool = False) -> None:
        """Recompute all later records, outputs included, from the altered trace; a cell that the operands
        allow no value becomes 0."""
        circuit = self.honest.circuit
        plan, records = circuit.identity.plan, circuit.identity.records
        output = bytearray()
        for number in range(len(records)):
            found = plan.records[number]
            if number <= record and found.region is Region.TRACE:
                continue
            if fast:
                memory = {Region.TRACE: self.memory, Region.INPUT: self.honest.input_leaves.reshape(-1)}
                memory[Region.WEIGHTS] = circuit.identity.weights_leaves.reshape(-1)
                values = recompute_tensor(found, memory)
            else:
                cells = [recompute_cell(records[number], i, self.read) or 0 for i in range(found.cells)]
                top = 1 << 8 * found.width - 1
                values = np.array([(cell + top) % (2 * top) - top for cell in cells], np.int64)
            if found.region is Region.TRACE:
                pack(self.leaves, found.first, found.width, values)
            else:
                output += values.astype(f">i{found.width}").tobytes()
        self.output = output

    def alter(self, kind: str, rng: random.Random, recomputed: bool = False, fast: bool = False) -> None:
        """Alter something, if there is such a thing."""
        plan = self.honest.circuit.identity.plan
        record = rng.randrange(plan.trace_records) if plan.trace_records else None
        if kind == "several":
            for _ in range(rng.randint(2, 4)):
                self.alter(rng.choice(KINDS[:-1]), rng)
        elif kind == "output":
            self.output[rng.randrange(len(self.output))] ^= rng.randint(1, 255)
        elif kind == "behind" and len(self.leaves) > plan.trace_leaves:
            self.memory[rng.randrange(plan.trace_leaves * LEAF_BYTES, self.memory.size)] ^= rng.randint(
                1, 255
            )
        elif kind == "padding":
            gaps = [
                (r.first * LEAF_BYTES + r.cells * r.width, (r.first + r.leaves) * LEAF_BYTES)
                for r in plan.records[: plan.trace_records]
                if r.cells * r.width % LEAF_BYTES
            ]
            if gaps:
                self.memory[rng.randrange(*rng.choice(gaps))] ^= rng.randint(1, 255)
        elif kind in ("element", "tensor") and record is not None:
            found = plan.records[record]
            top = (1 << 8 * found.width - 1) - 1
            indices = range(found.cells) if kind == "tensor" else [rng.randrange(found.cells)]
            for index in indices:
                self.set(record, index, rng.choice([0, -1, top, -top - 1, rng.randint(-top - 1, top)]))
            if recomputed:
                self.recompute_after(record, fast)

    def make_false(self, rng: random.Random) -> None:
        """See to it that the outputs are wrong."""
        if self.output == pack_outputs(self.honest.circuit, self.honest.outputs):
            self.alter("output", rng)


def opened(identity: Identity, record: int, index: int) -> CellOpening:
    """A cell, or a byte of padding, with its record's opening."""
    opening = identity.records[record] + b"".join(identity.ops_tree.open(record))
    return CellOpening(record, index, opening)


def proof_of(lie: Lie, record: int, index: int, levels: int | None = None) -> ProveCell:
    """A proof of any cell of a trace, right or wrong; its leaf opened up to the root, or so many levels."""
    identity = lie.honest.circuit.identity
    found = identity.plan.records[record]
    leaf = found.first + index * found.width // LEAF_BYTES
    opened_leaf = open_leaf(lie.source, leaf, lie.tree.depth if levels is None else levels)
    return ProveCell(opened(identity, record, index), opened_leaf, lie.operands(record, index))


NONSENSE = {"floor_divide": "DIVIDE", "table": "LOOKUP", "gather": "LOOKUP"}
"""Operations that some operands allow no value, and the kind of their cells."""


def nonsense_circuit(op: str) -> Circuit:
    """The first tensor of the trace is the divisor, or index, of the second."""
    builder = CircuitBuilder()
    x = builder.input("x", (1, 8), -100, 100, 0.01, "real")
    lo = 1 if op == "floor_divide" else 0
    index = builder.add("rescale", [x], mul=1, shift=3, lo=lo, hi=9)
    table = builder.constant(np.arange(10) * 7 - 30)
    if op == "floor_divide":
        y = builder.add("floor_divide", [x, index])
    elif op == "table":
        y = builder.add("table", [index, table], lo=0)
    else:
        y = builder.add("gather", [table, index], axis=0)
    y = builder.add("rescale", [y], mul=3, shift=1, lo=None, hi=None)
    return builder.build([Port("y", y, 0.25, "real")], {})


def chain(depth: int) -> Circuit:
    """A circuit whose trace is a tree of this depth, with padding in the leaves of each tensor, and, but for
    the depths 0 and 1, leaves behind all tensors."""
    elements = {0: 70, 1: 70, 4: 300, 5: 700, 8: 5500, 9: 12700}[depth]
    layers = depth + 1 if depth < 2 else 3
    builder = CircuitBuilder()
    rng = np.random.default_rng(depth)
    x = builder.input("x", (1, elements), -100, 100, 0.01, "real")
    for layer in range(layers):
        mixed = builder.add("add", [x, builder.constant(rng.integers(-9, 9, (1, elements)))])
        x = builder.add("rescale", [mixed], mul=3, shift=2, lo=-100 + layer, hi=100)
    y = builder.add("slice", [x], starts=[0, elements - 3], steps=[1, 1], sizes=[1, 3])
    y = builder.add("matmul", [y, builder.constant(rng.integers(-9, 9, (3, 2)))])
    return builder.build([Port("y", y, 0.25, "real")], {})
