"""Cells that would not fit a transaction are split; the estimate of what fits is an upper bound."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.cells.accesses import Access, Digit, Tensor
from circuits.cells.arrays import recompute_tensor
from circuits.cells.cost import HASH_BYTES, JOIN_BYTES, MAX_BYTES, MAX_DEPTH, MAX_GAS, access_cost, cost_of
from circuits.circuit import Circuit, Port
from circuits.errors import CircuitError
from circuits.merkle import LEAF_BYTES
from circuits.recompute import recompute_cell
from circuits.records import Region
from circuits.trace import Trace
from tests.circuits.random_circuits import random_sample

Shape = tuple[int, ...]


def circuit_of(*shapes: Shape, hi: int = 2000) -> tuple[CircuitBuilder, list[int]]:
    builder = CircuitBuilder()
    return builder, [builder.input(f"x{i}", s, -hi, hi, 1.0, "real") for i, s in enumerate(shapes)]


def finish(builder: CircuitBuilder, node: int) -> Circuit:
    return builder.build([Port("y", node, 1.0, "real")], {})


def weights(builder: CircuitBuilder, *shape: int) -> int:
    return builder.constant(np.random.default_rng(0).integers(-2000, 2000, shape))


def dense() -> Circuit:
    """VGG's first dense layer, with few outputs: 25,088 products a cell."""
    builder, (x,) = circuit_of((1, 25_088))
    return finish(builder, builder.add("matmul", [x, weights(builder, 25_088, 3)]))


def prime_dense() -> Circuit:
    """A reduction that no chunk divides."""
    builder, (x,) = circuit_of((1, 30_011))
    return finish(builder, builder.add("matmul", [x, weights(builder, 30_011, 2)]))


def attention() -> Circuit:
    """probabilities [400, 400] times values [400, 768]: a column of values is 400 scattered elements."""
    builder, (p, v) = circuit_of((400, 400), (400, 768))
    p, v = (builder.add("rescale", [x], mul=1, shift=1, lo=None, hi=None) for x in (p, v))
    return finish(builder, builder.add("matmul", [p, v]))


def global_pool() -> Circuit:
    """The mean of 28 x 28 places of 512 channels: 784 scattered elements."""
    builder, (x,) = circuit_of((1, 28, 28, 512))
    return finish(builder, builder.add("reduce_sum", [x], axes=[1, 2]))


def global_max_pool() -> Circuit:
    builder, (x,) = circuit_of((1, 28, 30, 256))
    x = builder.add("sub", [builder.constant(0), x])
    window = {"strides": [1, 1], "pads_before": [2, 2], "pads_after": [1, 0], "dilations": [1, 1]}
    return finish(builder, builder.add("max_pool", [x], kernel=[30, 31], **window))


def wide_convolution() -> Circuit:
    """3 x 3 x 4,096 products, with padding."""
    builder, (x,) = circuit_of((1, 3, 3, 4096))
    window = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}
    return finish(builder, builder.add("conv", [x, weights(builder, 2, 3, 3, 4096)], **window, groups=1))


def long_argmax() -> Circuit:
    """The largest of a vocabulary's 100,003 scores, with many ties."""
    builder, (x,) = circuit_of((2, 100_003), hi=40)
    return finish(builder, builder.add("top_k", [x], axis=1, k=1))


def scattered_order() -> Circuit:
    """The three largest along an axis whose cells lie apart."""
    builder, (x,) = circuit_of((300, 1000))
    return finish(builder, builder.add("top_k", [x], axis=0, k=3))


def spatial_reduction() -> Circuit:
    """A convolution over five spatial axes: more reduced axes than a term has room for."""
    builder, (x,) = circuit_of((1, 3, 3, 3, 3, 3, 2))
    window: dict[str, list[int]] = {"strides": [1] * 5, "dilations": [1] * 5}
    window |= {"pads_before": [0, 0, 1, 0, 1], "pads_after": [0, 0, 1, 0, 0]}
    return finish(
        builder, builder.add("conv", [x, weights(builder, 2, 2, 2, 2, 2, 2, 2)], **window, groups=1)
    )


CASES = [
    dense,
    prime_dense,
    attention,
    global_pool,
    global_max_pool,
    wide_convolution,
    long_argmax,
    scattered_order,
    spatial_reduction,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_large_cells_are_split_exactly(case) -> None:  # type: ignore[no-untyped-def]
    circuit = case()
    identity = circuit.identity
    plan = identity.plan
    assert None in plan.nodes
    trace = Trace.of(circuit, random_sample(circuit, 1))
    memory = {
        Region.TRACE: trace.leaves.reshape(-1),
        Region.INPUT: trace.input_leaves.reshape(-1),
        Region.WEIGHTS: identity.weights_leaves.reshape(-1),
    }
    rng = random.Random(0)
    for number, record in enumerate(plan.records):
        cells = trace.tensor(number)
        assert np.array_equal(recompute_tensor(record, memory), cells)
        for index in {0, record.cells - 1, rng.randrange(record.cells)}:
            value, size = opened(identity.records[number], index, trace)
            assert value == cells[index]
            assert size <= MAX_BYTES


def test_columns_of_values_are_copied_and_long_sums_are_not() -> None:
    values = attention().identity.plan
    assert [r.cells for r, node in zip(values.records, values.nodes, strict=True) if node is None] == [
        400 * 768
    ]
    pooled = global_pool().identity.plan
    (partial,) = (r for r, node in zip(pooled.records, pooled.nodes, strict=True) if node is None)
    assert partial.cells < 28 * 28 * 512 / 4


def test_cells_that_fit_are_not_split() -> None:
    builder, (x,) = circuit_of((1, 7, 7, 512))
    window = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}
    y = builder.add("conv", [x, weights(builder, 4, 3, 3, 512)], **window, groups=1)
    y = builder.add("add", [y, weights(builder, 4)])
    y = builder.add("rescale", [y], mul=1, shift=20, lo=0, hi=None)
    assert len(finish(builder, y).identity.records) == 1


def test_an_order_that_is_too_long_is_refused_by_name() -> None:
    builder, (x,) = circuit_of((100_000,))
    builder.label = "Rank"
    with pytest.raises(CircuitError, match=r"top_k, Rank.*100000 cells"):
        _ = finish(builder, builder.add("top_k", [x], axis=0, k=2)).identity


def test_the_limits_are_those_of_the_protocol() -> None:
    assert (MAX_BYTES, MAX_GAS) == (96 * 1024, 12_000_000)


def test_the_estimate_is_an_upper_bound() -> None:
    rng = random.Random(1)
    for _ in range(300):
        width = rng.choice([1, 2, 4, 8])
        tensor = Tensor(Region.TRACE, width, 1 << 30, 0)
        digits = [
            Digit(rng.choice([2, 3, 5, 40]), (rng.choice([0, 1, -1, 7, 64, 700, -4099, 10**6]),))
            for _ in range(rng.randint(1, 3))
        ]
        access = Access(tensor, (), tuple(digits), (rng.randrange(10**8, 2 * 10**8),))
        estimate = access_cost(access)
        assert (estimate.views, estimate.elements) == (1, np.prod([d.size for d in digits]))
        offsets = {
            access.bases[0] + sum(i * d.steps[0] for i, d in zip(index, digits, strict=True))
            for index in itertools.product(*(range(d.size) for d in digits))
        }
        leaves, siblings = opening({offset * width // LEAF_BYTES for offset in offsets})
        assert LEAF_BYTES * leaves + HASH_BYTES * siblings <= (
            LEAF_BYTES * estimate.leaves + HASH_BYTES * estimate.siblings
        )


def opening(read: set[int]) -> tuple[int, int]:
    """Leaves and siblings of the ranges that cover these leaves, each opened on its own in the deepest
    tree."""
    gap = JOIN_BYTES // LEAF_BYTES
    ranges: list[list[int]] = []
    for leaf in sorted(read):
        if ranges and leaf - ranges[-1][1] <= gap:
            ranges[-1][1] = leaf
        else:
            ranges.append([leaf, leaf])
    siblings = 0
    for low, high in ranges:
        for _ in range(MAX_DEPTH):
            siblings += (low & 1) + (1 - high & 1)
            low, high = low >> 1, high >> 1
    return sum(high - low + 1 for low, high in ranges), siblings


def opened(record: bytes, index: int, trace: Trace) -> tuple[int | None, int]:
    """A recomputed cell, and the bytes of the leaves and siblings that it takes, tree by tree."""
    read: dict[int, set[int]] = {}

    def note(region: int, start: int, length: int) -> bytes:
        read.setdefault(region, set()).add(start // LEAF_BYTES)
        return trace.read(region, start, length)

    value = recompute_cell(record, index, note)
    openings = [opening(leaves) for leaves in read.values()]
    return value, sum(LEAF_BYTES * leaves + HASH_BYTES * siblings for leaves, siblings in openings)


def test_nothing_read_costs_nothing() -> None:
    assert cost_of(()).fits
