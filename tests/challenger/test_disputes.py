"""Disputes on a chain with the real contracts: every dishonest strategy loses, and every wei is accounted for."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from challenger.moves import ProveCell, ProveOutput, ProvePadding
from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.records import Kind, Region
from circuits.trace import Trace
from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from tests.challenger.lies import Lie, chain, nonsense_circuit, proof_of
from tests.challenger.table import CHALLENGER, Arena, Table
from tests.circuits.random_circuits import random_sample


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Anvil() as anvil:
        connection = anvil.connect()
        yield Arena.on(connection, deploy_contracts(connection))


@pytest.fixture
def table(arena: Arena) -> Table:
    return arena.table()


def truth_about(circuit: Circuit, seed: int = 0) -> Lie:
    return Lie.of(Trace.of(circuit, random_sample(circuit, seed)))


def lie_about(circuit: Circuit, kind: str, seed: int = 0, recomputed: bool = True) -> Lie:
    lie = truth_about(circuit)
    rng = random.Random(seed)
    lie.alter(kind, rng, recomputed, fast=True)
    lie.make_false(rng)
    return lie


# A false claim falls, whatever the lie.


@pytest.mark.parametrize("depth", [0, 1, 4, 5, 8, 9])
@pytest.mark.parametrize("recomputed", [False, True])
def test_a_wrong_element_is_found_at_every_depth(table: Table, depth: int, recomputed: bool) -> None:
    lie = lie_about(chain(depth), "element", seed=1, recomputed=recomputed)
    moves = table.refute(lie)
    assert isinstance(moves[-1], ProveCell)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_wrong_layer(table: Table, layer: int) -> None:
    """One element of one layer altered and everything after it recomputed; or the whole layer."""
    for indices in ([313], range(700)):
        lie = truth_about(chain(5))
        for index in indices:
            lie.set(layer, index, 100 - index % 7)
        lie.recompute_after(layer, fast=True)
        lie.make_false(random.Random(0))
        move = table.arena.table().refute(lie)[-1]
        assert isinstance(move, ProveCell) and move.cell.record == layer


@pytest.mark.parametrize("kind", ["padding", "behind"])
@pytest.mark.parametrize("depth", [4, 9])
def test_a_lie_hidden_in_padding(table: Table, kind: str, depth: int) -> None:
    """Every cell compares equal, yet the root is another."""
    moves = table.refute(lie_about(chain(depth), kind))
    assert isinstance(moves[-1], ProvePadding) and bool(moves[-1].cell.opening) == (kind == "padding")


def test_a_wrong_output_over_a_right_trace(table: Table) -> None:
    (move,) = table.refute(lie_about(chain(5), "output"))
    assert isinstance(move, ProveOutput)


def test_wrong_weights(table: Table) -> None:
    """Whoever ran other weights has a trace of another circuit of the same shape."""

    def two_layers(seed: int) -> Circuit:
        builder, rng = CircuitBuilder(), np.random.default_rng(seed)
        x = builder.input("x", (1, 30), -100, 100, 0.01, "real")
        for _ in range(2):
            x = builder.add("matmul", [x, builder.constant(rng.integers(-9, 9, (30, 30)))])
            x = builder.add("rescale", [x], mul=1, shift=6, lo=-100, hi=100)
        y = builder.add("matmul", [x, builder.constant(np.arange(90).reshape(30, 3))])
        return builder.build([Port("y", y, 0.25, "real")], {})

    lie = truth_about(two_layers(0))
    cheap = truth_about(two_layers(1))
    assert cheap.honest.circuit.header == lie.honest.circuit.header
    lie.leaves, lie.output = cheap.leaves, cheap.output
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and move.cell.record == 0


@pytest.mark.parametrize(
    ("op", "nonsense"), [("floor_divide", 0), ("table", 10), ("table", -1), ("gather", 127)]
)
def test_authenticated_nonsense(table: Table, op: str, nonsense: int) -> None:
    """A divisor of zero or an index outside its table, in the trace: its own cell is wrong, and so is every
    claim about what reads it."""
    lie = truth_about(nonsense_circuit(op))
    lie.set(0, 3, nonsense)
    lie.recompute_after(0)
    lie.make_false(random.Random(0))
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and move.cell.record == 0

    other = table.arena.table()
    claim = other.post(lie)
    other.open(claim)
    other.make(claim, lie, proof_of(lie, 1, 3), CHALLENGER)
    other.expect_fallen(claim)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_cell(table: Table, kind: Kind) -> None:
    circuit = circuit_of_every_kind()
    plan = circuit.identity.plan
    record = next(i for i, r in enumerate(plan.records) if r.kind is kind and r.region is Region.TRACE)
    lie = truth_about(circuit)
    was = int(lie.honest.tensor(record)[1])
    lie.set(record, 1, was + 1 if was < 1 else was - 1)
    lie.recompute_after(record)
    lie.make_false(random.Random(0))
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and (move.cell.record, move.cell.index) == (record, 1)


def circuit_of_every_kind() -> Circuit:
    builder, rng = CircuitBuilder(), np.random.default_rng(0)
    x = builder.input("x", (4, 6), -100, 100, 0.01, "real")
    other = builder.input("other", (4, 6), -50, 100, 0.01, "real")
    mixed = builder.add("matmul", [x, builder.constant(rng.integers(-9, 9, (6, 6)))])
    mixed = builder.add("rescale", [mixed], mul=3, shift=7, lo=-20, hi=20)
    greater = builder.add("greater", [mixed, other])
    chosen = builder.add("where", [greater, mixed, x])
    divisor = builder.add("add", [other, builder.constant(51)])
    divided = builder.add("floor_divide", [chosen, divisor])
    clipped = builder.add("rescale", [divided], mul=1, shift=0, lo=-5, hi=5)
    looked_up = builder.add("table", [clipped, builder.constant(np.arange(11) * 9 - 40)], lo=-5)
    largest = builder.add("max", [looked_up, chosen])
    ordered = builder.add(
        "top_k",
        [
            largest,
        ],
        axis=1,
        k=3,
    )
    spread = builder.add("rescale", [ordered], mul=5, shift=1, lo=None, hi=None)
    return builder.build([Port("y", spread, 0.25, "real")], {})
