"""Openings of what cells read: complete, minimal in their ranges, and read back as documented."""

from __future__ import annotations

import random

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from challenger.openings import (
    FEW,
    NO_PLACE,
    REGIONS,
    Ranges,
    Source,
    Tree,
    open_leaf,
    open_ranges,
    operands_of,
)
from challenger.reads import cell_reads
from circuits.builder import CircuitBuilder
from circuits.cells.cost import MAX_BYTES
from circuits.circuit import Circuit, Port
from circuits.errors import CircuitError, InputError
from circuits.merkle import LEAF_BYTES, verify_opening
from circuits.recompute import recompute_cell
from circuits.records import Kind, Region
from circuits.trace import Trace
from tests.budget import examples
from tests.challenger.reference_openings import Reader
from tests.circuits.random_circuits import circuits, samples


def random_tree(seed: int, leaves: int) -> Tree:
    return Tree.of(np.random.default_rng(seed).integers(0, 256, (leaves, LEAF_BYTES), dtype=np.uint8))


def sources_of(trace: Trace) -> dict[Region, Source]:
    weights = trace.circuit.identity.weights_leaves
    leaves = (trace.leaves, trace.input_leaves, weights)
    return dict(zip(REGIONS, map(Tree.of, leaves), strict=True))


def check_cell(trace: Trace, sources: dict[Region, Source], number: int, index: int) -> None:
    """The opening proves every byte that the cell reads, and nothing is left over but an order's place."""
    identity = trace.circuit.identity
    record = identity.plan.records[number]
    reader = Reader(operands_of(identity.records[number], index, sources))
    opened = {region: reader.opening(sources[region].depth) for region in REGIONS}
    for region in REGIONS:
        source = sources[region]
        assert opened[region].root in (None, source.node(source.depth, 0))
    touched: dict[Region, set[int]] = {region: set() for region in REGIONS}

    def read(region: int, start: int, length: int) -> bytes:
        leaf, offset = divmod(start, LEAF_BYTES)
        touched[Region(region)].add(leaf)
        return opened[Region(region)].leaves[leaf][offset : offset + length]

    value = recompute_cell(identity.records[number], index, read)
    assert value == trace.tensor(number)[index]
    if record.kind is Kind.ORDER:
        assert value == reader.number(4)
    assert not reader.data
    if record.kind is not Kind.SELECT:  # opens what is not chosen too
        assert {region: set(opened[region].leaves) for region in REGIONS} == touched


@settings(max_examples=examples(60))
@given(st.data())
def test_openings_hold_what_cells_read(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    trace = Trace.of(circuit, data.draw(samples(circuit)))
    sources = sources_of(trace)
    rng = random.Random(data.draw(st.integers(0, 1000)))
    for number, record in enumerate(circuit.identity.plan.records):
        for index in {0, record.cells - 1, rng.randrange(record.cells)}:
            check_cell(trace, sources, number, index)


@given(st.integers(1, 70), st.sets(st.integers(0, 69)), st.integers(0, 100))
def test_ranges_are_read_back(leaves: int, chosen: set[int], seed: int) -> None:
    tree = random_tree(seed, leaves)
    addresses = [
        leaf * LEAF_BYTES + 2 * random.Random(leaf).randrange(64) for leaf in chosen if leaf < leaves
    ]
    reader = Reader(open_ranges(tree, np.array(addresses, np.int64)))
    opened = reader.opening(tree.depth)
    assert not reader.data
    assert opened.root == (tree.root if addresses else None)
    assert set(opened.leaves) == {address // LEAF_BYTES for address in addresses}
    assert all(leaf == tree.leaf(index, 1) for index, leaf in opened.leaves.items())


def test_many_ranges_that_lie_close_are_joined() -> None:
    tree = random_tree(0, 1 << 12)
    few = Ranges.covering(tree, np.arange(FEW) * 2 * LEAF_BYTES)
    assert few.count.tolist() == [1] * FEW
    many = Ranges.covering(tree, np.arange(FEW + 1) * 2 * LEAF_BYTES)
    assert many.count.tolist() == [2 * FEW + 1]
    apart = np.concatenate([np.arange(70) * 2 * LEAF_BYTES, 140 * LEAF_BYTES + np.arange(3) * 9 * LEAF_BYTES])
    assert Ranges.covering(tree, apart).first.tolist() == [0, 149, 158]


def test_elements_are_found_in_their_ranges() -> None:
    tree = random_tree(1, 300)
    rng = np.random.default_rng(2)
    for width in (1, 2, 4, 8):
        addresses = rng.integers(0, 300 * LEAF_BYTES // width, 40) * width
        ranges = Ranges.covering(tree, addresses)
        stored = tree.leaves.reshape(-1).view(f">i{width}")
        assert np.array_equal(ranges.elements(addresses, width), stored[addresses // width])


@pytest.mark.parametrize("leaves", [0, 1, 2, 5, 8])
def test_a_leaf_and_its_siblings(leaves: int) -> None:
    tree = random_tree(3, leaves)
    for index in range(1 << tree.depth):  # padding too
        opening = open_leaf(tree, index, tree.depth)
        leaf, siblings = opening[:LEAF_BYTES], opening[LEAF_BYTES:]
        path = [siblings[i : i + 32] for i in range(0, len(siblings), 32)]
        assert verify_opening(tree.root, tree.depth, index, keccak(b"\0" + leaf), path)
        assert open_leaf(tree, index, 0) == leaf
    for index, levels in ((-1, 0), (1 << tree.depth, 0), (0, tree.depth + 1), (0, -1)):
        with pytest.raises(InputError, match="cannot be opened"):
            open_leaf(tree, index, levels)


def dense(width: int) -> tuple[Circuit, Trace]:
    builder = CircuitBuilder()
    x = builder.input("x", (1, width), -2000, 2000, 1.0, "real")
    y = builder.add(
        "matmul", [x, builder.constant(np.random.default_rng(0).integers(-2000, 2000, (width, 2)))]
    )
    circuit = builder.build([Port("y", y, 1.0, "real")], {})
    return circuit, Trace.of(circuit, [np.full((1, 1, width), 7)])


def test_cells_that_do_not_exist() -> None:
    circuit, trace = dense(10)
    for index in (-1, 2):
        with pytest.raises(InputError, match=f"no cell {index}"):
            operands_of(circuit.identity.records[0], index, sources_of(trace))
    with pytest.raises(CircuitError, match="invalid"):
        operands_of(b"no record", 0, sources_of(trace))


def test_reads_outside_the_tree_are_refused() -> None:
    circuit, trace = dense(1000)
    sources = sources_of(trace) | {Region.INPUT: random_tree(0, 2)}
    with pytest.raises(InputError, match="outside a tree of depth 1"):
        operands_of(circuit.identity.records[0], 0, sources)


def test_openings_over_the_limit_are_refused() -> None:
    tree = random_tree(0, 4000)
    with pytest.raises(InputError, match=f"over the limit of {MAX_BYTES}"):
        open_ranges(tree, np.arange(MAX_BYTES // LEAF_BYTES + 1) * LEAF_BYTES)
    record = dense(24_000)[0].identity.plan.records[0]
    wide = {region: random_tree(0, 2000) for region in REGIONS}
    assert len(operands_of(record, 0, wide)) <= MAX_BYTES
    # far apart, the siblings take most of it
    scattered = np.arange(700) * 64 * LEAF_BYTES
    assert len(open_ranges(random_tree(0, 1 << 16), scattered)) > MAX_BYTES


def test_the_row_of_a_lookup_follows_from_its_operands() -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (3,), 0, 299, 1.0, "int")
    table = builder.add("table", [x, builder.constant(np.arange(300) * 7)], lo=0)
    circuit = builder.build([Port("y", table, 1.0, "int")], {})
    trace = Trace.of(circuit, [np.array([[0, 150, 299]])])
    record = circuit.identity.plan.records[0]
    for index in range(3):
        check_cell(trace, sources_of(trace), 0, index)
    assert list(cell_reads(record, 1)) == [Region.INPUT]
    reads = cell_reads(record, 1, 150)
    assert reads[Region.WEIGHTS].tolist() == [150 * record.views[-1].width]
    trace.input_leaves[0, :2] = 255, 255  # -1: there is no such row, and nothing to open of the table
    reader = Reader(operands_of(record, 0, sources_of(trace)))
    assert [bool(reader.opening(depth).ranges) for depth in (0, 0, 3)] == [False, True, False]


def test_the_place_of_an_order() -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (6,), -(1 << 40), 1 << 40, 1.0, "int")
    y = builder.add("top_k", [x], axis=0, k=6)
    circuit = builder.build([Port("y", y, 1.0, "int")], {})
    trace = Trace.of(circuit, [np.array([[5, -9, 5, 1 << 40, -(1 << 40), 0]])])
    record = circuit.identity.plan.records[-1]
    assert record.kind is Kind.ORDER
    places = [int.from_bytes(operands_of(record, j, sources_of(trace))[-4:], "big") for j in range(6)]
    assert places == [3, 0, 2, 5, 1, 4]
    assert NO_PLACE not in places
