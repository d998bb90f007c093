"""No equation of a relation can hold modulo r and not in the integers.

For circuits at the limits of the format, an interval is computed for every tensor of the system: of the
circuit's own values by their bounds, of advice by what its ranges prove at most, of virtual tensors from
their terms. All that is looked up or must be zero stays far below r.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from circuits.circuit import Circuit
from tests.circuits.random_circuits import random_circuit
from tests.prover.sumcheck.test_operations import NAMES, circuit_called
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.key import MAX_TABLE_BITS
from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Select, Sum, SumBehind, Window
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.plan import Options, settled
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.system import Advice, ClampTable, Product, RangeTable, Virtual

Interval = tuple[int, int]
WIDEST = 1 << 89
"""No advice is larger: it is a known value plus or minus a number with a range."""
LARGEST = 1 << 200
"""What may appear in an equation, and still be far below r, about 2^253.6."""


@contextmanager
def recorded_ranges() -> Iterator[dict[tuple[int, int], int]]:
    """Collects what is demanded: for a lowering and a tensor, the number below which it is."""
    proven: dict[tuple[int, int], int] = {}
    in_range, at_least_zero = Lowering.require_range, Lowering.require_at_least_zero

    def require_range(self: Lowering, tensor: int, count: int) -> None:
        proven[id(self.system), tensor] = count
        in_range(self, tensor, count)

    def require_at_least_zero(self: Lowering, tensor: int, count: int) -> None:
        limbs = -(-max(1, bits_of(count)) // self.limb_bits)
        proven.setdefault((id(self.system), tensor), 1 << self.limb_bits * limbs)
        at_least_zero(self, tensor, count)

    with (
        patch.object(Lowering, "require_range", require_range),
        patch.object(Lowering, "require_at_least_zero", require_at_least_zero),
    ):
        yield proven


def largest_in_an_equation(circuit: Circuit, limb_bits: int, clamp_bits: int) -> int:
    """The largest magnitude that a tensor of a lookup or a zero may have before its range is proven."""
    structure = structure_of(circuit)
    with recorded_ranges() as proven:
        lowering = settled(structure, 2, Options(8, limb_bits, clamp_bits))
    system = lowering.system
    looked_up = {lookup.columns[0]: system.tables[lookup.table] for lookup in system.lookups}
    node_of = {tensor: i for i, tensors in system.node_tensors.items() for tensor in tensors}
    before: list[Interval] = []
    after: list[Interval] = []
    for i, tensor in enumerate(system.tensors):
        if isinstance(tensor, Virtual):
            interval = _sum(
                [(tensor.constant, tensor.constant), *(_term(term, system, after) for term in tensor.terms)]
            )
        elif isinstance(tensor, Advice) and tensor.role[0] == "copy":
            interval = after[int(str(tensor.role[1]))]
        elif isinstance(tensor, Advice):
            interval = _of_table(looked_up.get(i))
        else:
            node = node_of.get(i, getattr(tensor, "node", None))
            interval = (-WIDEST, WIDEST) if node is None else lowering.bound(node)
        before.append(interval)
        if (id(system), i) in proven:
            interval = 0, proven[id(system), i] - 1
        if i in node_of:
            # what reads it knows that it is the circuit's value: it holds that node's other demands
            after.append(lowering.bound(node_of[i]) if not isinstance(tensor, Advice) else interval)
        else:
            after.append(interval)
    equations = [column for lookup in system.lookups for column in lookup.columns] + system.zeros
    return max((abs(edge) for tensor in equations for edge in before[tensor]), default=0)


def _of_table(table: Any) -> Interval:
    if isinstance(table, RangeTable):
        return 0, table.count - 1
    if isinstance(table, ClampTable):
        return table.first, table.first + table.count - 1
    return -WIDEST, WIDEST


def _term(term: Any, system: Any, known: list[Interval]) -> Interval:
    if isinstance(term, Product):
        sizes = dict(zip(term.left_labels, system.shape(term.left), strict=True))
        count = math.prod(n for label, n in sizes.items() if label is not None and label not in term.labels)
        corners = [term.coefficient * count * a * b for a in known[term.left] for b in known[term.right]]
        return min(corners), max(corners)
    lo, hi = known[term.source]
    if isinstance(term.map, Select | Window | SumBehind):
        lo, hi = min(lo, 0), max(hi, 0)
    count = term.map.source[term.map.axis] if isinstance(term.map, Sum | SumBehind) else 1
    edges = [term.coefficient * count * lo, term.coefficient * count * hi]
    return min(edges), max(edges)


def _sum(parts: list[Interval]) -> Interval:
    return sum(lo for lo, _ in parts), sum(hi for _, hi in parts)


@pytest.mark.parametrize(
    ("limb_bits", "clamp_bits"), [(MAX_TABLE_BITS, 0), (MAX_TABLE_BITS, MAX_TABLE_BITS), (5, 0)]
)
def test_equations_stay_below_the_field(limb_bits: int, clamp_bits: int) -> None:
    for name in NAMES:
        assert largest_in_an_equation(circuit_called(name), limb_bits, clamp_bits) < LARGEST, name


def test_equations_of_random_circuits_stay_below_the_field() -> None:
    for seed in range(60):
        assert largest_in_an_equation(random_circuit(seed, 10), MAX_TABLE_BITS, 0) < LARGEST, seed


def test_the_limits_leave_room() -> None:
    """The worst of docs/protocol.md's table, with all bounds of the format at once."""
    values, shift = 1 << 63, 1 << 62
    excess = 1 << 64 + MAX_TABLE_BITS
    clamped = values + excess
    assert excess * (clamped + values) < LARGEST
    assert shift * (clamped + excess) + shift < LARGEST
    assert clamped * values < LARGEST
    assert LARGEST < SCALAR_FIELD >> 50
