"""Records against the executor: every cell of a run follows from its record and earlier bytes alone."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.cells import cost, plan_cells
from circuits.cells.arrays import recompute_tensor
from circuits.circuit import Circuit, Port
from circuits.errors import CircuitError
from circuits.merkle import LEAF_BYTES
from circuits.ops import REGISTRY
from circuits.recompute import recompute_cell
from circuits.records import HEADER_BYTES, VIEW_BYTES, Kind, Record, Region, decode
from circuits.trace import Trace
from tests.budget import examples
from tests.circuits.random_circuits import circuits, samples


@pytest.fixture
def tight_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that takes half a dozen operands, so that small tensors are split as large ones are."""
    monkeypatch.setattr(cost, "ELEMENT_GAS", 1_000_000)
    monkeypatch.setattr(cost, "MAX_GAS", 5_000_000)
    monkeypatch.setattr(cost, "JOIN_BYTES", 8)


def recompute(trace: Trace, number: int, index: int) -> int | None:
    """A cell from its record, which may read inputs, weights and earlier tensors of the trace, no more."""
    identity = trace.circuit.identity
    record = identity.plan.records[number]
    trace_end = record.first * LEAF_BYTES if record.region is Region.TRACE else trace.leaves.size
    ends = {0: trace_end, 1: trace.input_leaves.size, 2: identity.weights_leaves.size}

    def read(region: int, start: int, length: int) -> bytes:
        assert 0 <= start and start + length <= ends[region] and start % length == 0
        return trace.read(region, start, length)

    return recompute_cell(identity.records[number], index, read)


def check_all_cells(circuit: Circuit, inputs: list[np.ndarray]) -> Iterator[tuple[int, Record]]:
    """Recompute every cell of a run, one by one and all at once."""
    trace = Trace.of(circuit, inputs)
    identity = circuit.identity
    memory = {
        Region.TRACE: trace.leaves.reshape(-1),
        Region.INPUT: trace.input_leaves.reshape(-1),
        Region.WEIGHTS: identity.weights_leaves.reshape(-1),
    }
    for number, record in enumerate(identity.plan.records):
        assert decode(identity.records[number]) == record
        cells = trace.tensor(number).tolist()
        assert [recompute(trace, number, i) for i in range(record.cells)] == cells
        assert recompute_tensor(record, memory).tolist() == cells
        yield number, record


def test_every_cell_follows_from_its_record() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples(300))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        circuit = data.draw(circuits())
        for _, record in check_all_cells(circuit, data.draw(samples(circuit))):
            seen[record.kind.name] += 1
        seen.update(node.op for node in circuit.nodes)

    check()
    assert {kind.name for kind in Kind} <= set(seen)
    assert set(REGISTRY) <= set(seen)


@pytest.mark.usefixtures("tight_budget")
def test_split_cells_give_the_same_values() -> None:
    extras = 0

    @settings(max_examples=examples(200))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal extras
        circuit = data.draw(circuits(16))
        try:
            plan = circuit.identity.plan
        except CircuitError as error:
            assert "transaction" in str(error)  # a long order, or more terms than this budget takes
            return
        extras += plan.nodes.count(None)
        for _ in check_all_cells(circuit, data.draw(samples(circuit))):
            pass

    check()
    assert extras > 20


@settings(max_examples=examples(60))
@given(st.data())
def test_the_leftmost_altered_cell_contradicts_the_rest(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    inputs = data.draw(samples(circuit))
    honest, lying = Trace.of(circuit, inputs), Trace.of(circuit, inputs)
    plan = circuit.identity.plan
    found = [(n, r) for n, r in enumerate(plan.records) if r.region is Region.TRACE]
    if not found:
        return  # everything is computed in the outputs' records
    rng = random.Random(data.draw(st.integers(0, 1000)))
    altered = []
    for _ in range(rng.randint(1, 5)):
        number, record = rng.choice(found)
        index = rng.randrange(record.cells)
        cells = lying.leaves.reshape(-1)[record.first * LEAF_BYTES :][: record.cells * record.width]
        cells[index * record.width + rng.randrange(record.width)] ^= rng.randint(1, 255)
        altered.append((record.first, number, index))
    _, number, index = min(altered)
    if lying.tensor(number)[index] != honest.tensor(number)[index]:  # two alterations may cancel out
        assert recompute(lying, number, index) == honest.tensor(number)[index]
        assert lying.root != honest.root


@settings(max_examples=examples(60))
@given(st.data())
def test_recomputing_never_fails_whatever_was_committed(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    identity = circuit.identity
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    sizes = (identity.plan.trace_leaves, identity.plan.input_leaves, identity.plan.weights_leaves)
    garbage = [rng.integers(0, 256, size * LEAF_BYTES, dtype=np.uint8).tobytes() for size in sizes]
    for number, record in enumerate(identity.plan.records):
        for index in range(0, record.cells, 7):
            value = recompute_cell(
                identity.records[number],
                index,
                lambda tree, start, length: garbage[tree][start : start + length],
            )
            assert value is None or isinstance(value, int)


def test_nonsense_operands_have_no_value() -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (2,), 0, 3, 1.0, "int")
    d = builder.add("rescale", [builder.add("add", [x, builder.constant(1)])], mul=1, shift=0, lo=1, hi=4)
    table = builder.add("table", [x, builder.constant([5, 6, 7, 9])], lo=0)
    quotient = builder.add("floor_divide", [x, d])
    circuit = builder.build([Port("t", table, 1.0, "int"), Port("q", quotient, 1.0, "int")], {})
    trace = Trace.of(circuit, [np.array([[0, 3]])])
    trace.input_leaves[0, 0] = 4  # outside the table
    trace.leaves[0, :2] = (0, 255)  # divisors 0 and -1
    table_record, quotient_record = len(circuit.identity.records) - 2, len(circuit.identity.records) - 1
    assert recompute(trace, table_record, 0) is None
    assert recompute(trace, table_record, 1) == 9
    assert recompute(trace, quotient_record, 0) is None
    assert recompute(trace, quotient_record, 1) is None


def small_record() -> bytes:
    """The record of a convolution with padding, bias and rescale."""
    builder = CircuitBuilder()
    x = builder.input("x", (1, 4, 4, 2), -9, 9, 1.0, "real")
    w = builder.constant(np.arange(54).reshape(3, 3, 3, 2) - 20)
    window = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}
    y = builder.add("conv", [x, w], **window, groups=1)
    y = builder.add("add", [y, builder.constant([1, 2, 3])])
    y = builder.add("rescale", [y], mul=3, shift=4, lo=0, hi=100)
    return builder.build([Port("y", y, 1.0, "real")], {}).identity.records[0]


def test_the_layout_of_a_record_is_the_documented_one() -> None:
    record = small_record()
    assert len(record) == HEADER_BYTES + 3 * VIEW_BYTES
    # version, kind, region, width, views, shift
    assert record[:8] == bytes([1, Kind.SUM, Region.OUTPUT, 1, 3, 4, 0, 0])
    assert struct.unpack_from(">QQQ", record, 8) == (0, 4 * 4 * 3, 0)
    assert struct.unpack_from(">8I", record, 32) == (1, 1, 1, 1, 1, 4, 4, 3)
    assert struct.unpack_from(">QqqQ", record, 64) == (3, 0, 100, 0)
    x = record[HEADER_BYTES : HEADER_BYTES + VIEW_BYTES]
    assert x[:4] == bytes([Region.INPUT, 1, 1, 2])
    assert struct.unpack_from(">iQqq", x, 4) == (1, 0, -10, 0)
    assert struct.unpack_from(">8i4i4I", x, 32) == (0, 0, 0, 0, 0, 8, 2, 0, 0, 8, 2, 1, 1, 3, 3, 2)
    assert struct.unpack_from(">BBhhHiI", x, 96) == (5, 9, 1, 1, 0, -1, 4)
    assert struct.unpack_from(">BBhhHiI", x, 112) == (6, 10, 1, 1, 0, -1, 4)
    assert not any(x[128:])
    w, bias = (record[HEADER_BYTES + VIEW_BYTES * i :][:VIEW_BYTES] for i in (1, 2))
    assert w[:4] == bytes([Region.WEIGHTS, 1, 0, 0])
    assert struct.unpack_from(">8i4i4I", w, 32) == (0, 0, 0, 0, 0, 0, 0, 18, 0, 6, 2, 1, 1, 3, 3, 2)
    assert bias[:4] == bytes([Region.WEIGHTS, 1, 0, 0])
    assert struct.unpack_from(">iQqq", bias, 4) == (1, 1, 0, 0)
    assert struct.unpack_from(">8i4i4I", bias, 32) == (0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1)


def test_a_record_has_one_encoding() -> None:
    """Whatever byte is changed: the record is refused, or it is another record with exactly these bytes."""
    record = small_record()
    rng = random.Random(0)
    refused = 0
    for at in range(len(record)):
        changed = bytearray(record)
        changed[at] ^= 1 << rng.randrange(8)
        try:
            other = decode(bytes(changed))
        except CircuitError:
            refused += 1
            continue
        assert other != decode(record)
        assert other.encode() == changed
    assert refused > 100


@pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + VIEW_BYTES])
def test_a_record_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(CircuitError):
        decode(small_record()[:length])


def test_a_field_that_does_not_fit_is_refused() -> None:
    record = decode(small_record())
    for change in ({"cells": 47}, {"shift": 63}, {"mul": 0}, {"width": 3}, {"region": Region.INPUT}):
        with pytest.raises(CircuitError):
            Record(**{**record.__dict__, **change}).encode()


def test_the_plan_is_a_function_of_the_circuit() -> None:
    @settings(max_examples=examples(30))
    @given(circuits())
    def check(circuit: Circuit) -> None:
        assert plan_cells(circuit) == plan_cells(circuit)

    check()
