"""OneStep against the reference in Python: every kind of cell, whatever was committed to, and openings that
are none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from challenger.openings import NO_PLACE, REGIONS, open_ranges, operands_of
from circuits.builder import CircuitBuilder
from circuits.cells import cost
from circuits.circuit import Circuit, Port
from circuits.errors import CircuitError
from circuits.merkle import LEAF_BYTES
from circuits.packing import Leaves
from circuits.recompute import recompute_cell
from circuits.records import Kind, Record, Region
from circuits.trace import Trace
from contracts.chain import Chain
from contracts.devchain import Anvil
from tests.budget import examples
from tests.circuits.random_circuits import random_circuit, random_sample
from tests.contracts.one_step_calls import Answer, Call, Forest, OneStep, Refused
from tests.contracts.random_records import random_record

MALFORMED = Refused("OpeningMalformed")
BATCH = 500


@pytest.fixture(scope="module")
def one_step(chain: Chain, anvil: Anvil) -> OneStep:
    return OneStep(chain, anvil.url)


def agree(one_step: OneStep, cells: Iterable[tuple[bytes, int, Forest]]) -> Counter[tuple[str, bool]]:
    """Compare cells with the reference; how many there were of each kind, with and without a value."""
    seen: Counter[tuple[str, bool]] = Counter()
    calls: list[Call] = []
    expected: list[int | None] = []

    def compare() -> None:
        for call, answer, value in zip(calls, one_step.answers(calls), expected, strict=True):
            assert answer == value, f"{call.record.hex()}, cell {call.cell}"
            seen[Kind(call.record[1]).name, value is not None] += 1
        calls.clear()
        expected.clear()

    for record, index, forest in cells:
        calls.append(Call.of(record, index, forest))
        expected.append(recompute_cell(record, index, forest.read))
        if len(calls) == BATCH:
            compare()
    compare()
    return seen


def of_every_kind(seen: Counter[tuple[str, bool]]) -> None:
    assert {kind.name for kind in Kind} <= {name for name, exists in seen if exists}, seen
    assert {"DIVIDE", "LOOKUP"} <= {name for name, exists in seen if not exists}, seen


def noise(rng: np.random.Generator, leaves: Leaves) -> Leaves:
    """Leaves of as many bytes: random, or elements at the ends of what they can be."""
    if rng.random() < 0.5:
        return rng.integers(0, 256, leaves.shape, dtype=np.uint8)
    width = int(rng.choice([1, 2, 4, 8]))
    size = leaves.size // width
    ends = [-(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1, -1, 0, 1]
    values = rng.choice(np.array(ends, f">i{width}"), size)
    return values.view(np.uint8).reshape(leaves.shape)


def cells_of_circuits(seeds: Iterable[int]) -> Iterator[tuple[bytes, int, Forest]]:
    """Cells of random circuits: of an honest run, and of commitments to nonsense."""
    for seed in seeds:
        circuit = random_circuit(seed, 10)
        try:
            identity = circuit.identity
        except CircuitError:
            continue  # under a tight budget, too long an order
        trace = Trace.of(circuit, random_sample(circuit, seed))
        honest = (trace.leaves, trace.input_leaves, identity.weights_leaves)
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        nonsense = Forest(*(noise(numbers, leaves) for leaves in honest))
        for forest in (Forest(*honest), nonsense):
            for record, data in zip(identity.plan.records, identity.records, strict=True):
                for index in {0, record.cells - 1, rng.randrange(record.cells)}:
                    yield data, index, forest


def cells_of_records(seeds: Iterable[int]) -> Iterator[tuple[bytes, int, Forest]]:
    """Cells of hand-made records over random trees."""
    for seed in seeds:
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        count = rng.choice([9, 16, 40])
        empty = np.zeros((count, LEAF_BYTES), np.uint8)
        forest = Forest(*(noise(numbers, empty) for _ in range(3)))
        for _ in range(6):
            record = random_record(rng, count)
            for index in {0, record.cells - 1, rng.randrange(record.cells), rng.randrange(record.cells)}:
                yield record.encode(), index, forest


def test_cells_of_random_circuits(one_step: OneStep) -> None:
    of_every_kind(agree(one_step, cells_of_circuits(range(examples(120)))))


def test_cells_that_are_split(one_step: OneStep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "ELEMENT_GAS", 1_000_000)
    monkeypatch.setattr(cost, "MAX_GAS", 5_000_000)
    agree(one_step, cells_of_circuits(range(1000, 1000 + examples(40))))


def test_cells_of_random_records(one_step: OneStep) -> None:
    seen = agree(one_step, cells_of_records(range(examples(150))))
    of_every_kind(seen)
    assert seen["ORDER", False] > 10


@pytest.mark.long
def test_many_random_cells(one_step: OneStep) -> None:
    of_every_kind(agree(one_step, cells_of_circuits(range(2000, 5000))))
    of_every_kind(agree(one_step, cells_of_records(range(2000, 5000))))


def test_any_leaves_beyond_those_read_may_be_opened(one_step: OneStep) -> None:
    calls, expected = [], []
    for record, index, forest in cells_of_records(range(500, 520)):
        call = Call.of(record, index, forest)
        place = call.operands[-4:] if record[1] == Kind.ORDER else b""
        everything = b"".join(whole(forest, region) for region in REGIONS)
        calls.append(call.with_operands(everything + place))
        expected.append(recompute_cell(record, index, forest.read))
    assert list(one_step.answers(calls)) == expected


def whole(forest: Forest, region: Region) -> bytes:
    """The opening of all leaves of a tree."""
    source = forest.sources[region]
    count = 1 << source.depth
    return b"\0\1" + bytes(6) + count.to_bytes(2, "big") + source.leaf(0, count)


# Openings that are none


def convolution() -> tuple[Circuit, list[np.ndarray]]:
    """A convolution over a tensor of the trace, with a bias."""
    builder = CircuitBuilder()
    rng = np.random.default_rng(0)
    x = builder.input("x", (1, 9, 9, 48), -2000, 2000, 1.0, "real")
    hidden = builder.add("rescale", [x], mul=1, shift=1, lo=None, hi=None)
    window = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}
    weights = builder.constant(rng.integers(-2000, 2000, (9, 3, 3, 48)))
    y = builder.add("conv", [hidden, weights], **window, groups=1)
    y = builder.add("add", [y, builder.constant(rng.integers(-2000, 2000, 9))])
    circuit = builder.build([Port("y", y, 1.0, "real")], {})
    return circuit, random_sample(circuit, 1)


@pytest.fixture(scope="module")
def cell() -> tuple[Call, Forest]:
    """A cell in the middle of a convolution, and the trees."""
    circuit, sample = convolution()
    trace = Trace.of(circuit, sample)
    forest = Forest(trace.leaves, trace.input_leaves, circuit.identity.weights_leaves)
    return Call.of(circuit.identity.records[-1], 5 * 81 + 4, forest), forest


def refused(one_step: OneStep, call: Call, operands: bytes) -> Refused:
    answer = one_step.answer(call.with_operands(operands))
    assert isinstance(answer, Refused), answer
    return answer


def parts(operands: bytes) -> tuple[list[bytes], bytes, bytes]:
    """The first tree's opening: its ranges, all that belongs to it behind them, and the other trees'."""
    ranges = int.from_bytes(operands[:2], "big")
    heads = [operands[2 + 8 * i : 10 + 8 * i] for i in range(ranges)]
    leaves = sum(int.from_bytes(head[6:], "big") for head in heads)
    start = 2 + 8 * ranges
    end = start + LEAF_BYTES * leaves
    return heads, operands[start:end], operands[end:]


def test_the_cell_under_attack_is_answered(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, forest = cell
    assert one_step.answer(call) == recompute_cell(call.record, call.cell, forest.read)
    heads, _, _ = parts(call.operands)
    assert len(heads) == 3


def test_a_changed_byte_is_refused(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, _ = cell
    rng = random.Random(0)
    places = {*range(40), *(rng.randrange(len(call.operands)) for _ in range(examples(300)))}
    changed = []
    for place in places:
        operands = bytearray(call.operands)
        operands[place] ^= 1 << rng.randrange(8)
        changed.append(call.with_operands(bytes(operands)))
    for attack, answer in zip(changed, one_step.answers(changed), strict=True):
        assert isinstance(answer, Refused), attack.operands.hex()
        assert answer.error in ("OpeningMalformed", "OpeningMismatch")


def test_a_wrong_sibling_or_leaf_names_its_tree(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, forest = cell
    for place, region in ((len(call.operands) - 1, Region.WEIGHTS), (2 + 3 * 8, Region.TRACE)):
        operands = bytearray(call.operands)
        operands[place] ^= 1
        answer = refused(one_step, call, bytes(operands))
        assert answer.error == "OpeningMismatch"
        assert answer.arguments[:2] == (region, forest.roots[REGIONS.index(region)])
    for region in (0, 2):
        roots = list(call.roots)
        roots[region] = bytes(32)
        answer = one_step.answer(replace(call, roots=tuple(roots)))
        assert isinstance(answer, Refused) and answer.arguments[:2] == (region, bytes(32))


def test_a_missing_range_is_named(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, forest = cell
    trace, weights = (forest.sources[region] for region in (Region.TRACE, Region.WEIGHTS))
    full = {region: read_by(call, forest, region) for region in REGIONS}

    def with_reads(trace_reads: np.ndarray, weight_reads: np.ndarray) -> bytes:
        return open_ranges(trace, trace_reads) + b"\0\0" + open_ranges(weights, weight_reads)

    assert with_reads(full[Region.TRACE], full[Region.WEIGHTS]) == call.operands
    for region in (Region.TRACE, Region.WEIGHTS):
        reads = full[region]
        leaves = set((reads // LEAF_BYTES).tolist())
        for lacking in (leaves, *({leaf} for leaf in leaves)):  # all, or one
            less = {**full, region: reads[~np.isin(reads // LEAF_BYTES, list(lacking))]}
            answer = refused(one_step, call, with_reads(less[Region.TRACE], less[Region.WEIGHTS]))
            assert answer.error == "OperandMissing" and answer.arguments[0] == region
            assert answer.arguments[1] in reads and answer.arguments[1] // LEAF_BYTES in lacking


def read_by(call: Call, forest: Forest, region: Region) -> np.ndarray:
    found: set[int] = set()

    def read(tree: int, start: int, length: int) -> bytes:
        if tree == region:
            found.add(start)
        return forest.read(tree, start, length)

    recompute_cell(call.record, call.cell, read)
    return np.array(sorted(found), np.int64)


def test_ranges_out_of_order_are_refused(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, forest = cell
    heads, leaves, rest = parts(call.operands)
    first = int.from_bytes(heads[0][:6], "big")
    size = int.from_bytes(heads[0][6:], "big")

    def head(at: int, count: int) -> bytes:
        return at.to_bytes(6, "big") + count.to_bytes(2, "big")

    outside = 1 << forest.sources[Region.TRACE].depth
    for changed in (
        [heads[1], heads[0], heads[2]],
        [heads[0], heads[0], heads[2]],
        [heads[0], head(first + size, 1), heads[2]],
        [heads[0], head(first + size - 1, size), heads[2]],
        [heads[0], heads[1], head(outside - 1, size)],
        [heads[0], heads[1], head(outside, size)],
        [heads[0], heads[1], head((1 << 48) - 1, size)],
        [heads[0], heads[1], head(int.from_bytes(heads[2][:6], "big"), 0)],
        [heads[0], heads[1], head(int.from_bytes(heads[2][:6], "big"), 65535)],
    ):
        count = len(changed).to_bytes(2, "big")
        assert refused(one_step, call, count + b"".join(changed) + leaves + rest) == MALFORMED


def test_every_other_length_is_refused(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, _ = cell
    size = len(call.operands)
    lengths = {0, 1, 2, 3, 9, 10, size - 1, size - 31, size - 32, size - 33, *range(100, size, 97)}
    shorter = [call.with_operands(call.operands[:length]) for length in sorted(lengths)]
    assert all(isinstance(answer, Refused) for answer in one_step.answers(shorter))
    for more in (b"\0", b"\0\0", bytes(4), bytes(32), call.operands):
        assert refused(one_step, call, call.operands + more) == MALFORMED


def test_records_and_cells_that_are_none(one_step: OneStep, cell: tuple[Call, Forest]) -> None:
    call, _ = cell
    cells = 9 * 9 * 9
    for index in (cells, cells + 1, 1 << 64, (1 << 256) - 1):
        assert one_step.answer(replace(call, cell=index)) == MALFORMED
    for record in (b"", call.record[:95], call.record[:-1], call.record + b"\0", call.record[:-160]):
        assert one_step.answer(replace(call, record=record)) == MALFORMED
    for kind in (0, 8, 255):
        record = bytes([1, kind]) + call.record[2:]
        assert one_step.answer(replace(call, record=record)) == MALFORMED
    for depths in ((49, 0, 0), (1 << 255, 0, 0)):
        assert one_step.answer(replace(call, depths=depths)) == MALFORMED


def test_trees_of_one_leaf(one_step: OneStep) -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (5,), -100, 100, 1.0, "real")
    y = builder.add("add", [x, builder.constant([1, 2, 3, 4, 5])])
    circuit = builder.build([Port("y", y, 1.0, "real")], {})
    trace = Trace.of(circuit, [np.array([[10, 20, 30, 40, 50]])])
    forest = Forest(trace.leaves, trace.input_leaves, circuit.identity.weights_leaves)
    assert forest.depths == (0, 0, 0)
    record = circuit.identity.records[0]
    assert [one_step.answer(Call.of(record, i, forest)) for i in range(5)] == [11, 22, 33, 44, 55]
    call = Call.of(record, 2, forest)
    opened = b"\0\1" + bytes(6) + b"\0\1"
    leaf = forest.sources[Region.INPUT].leaf(0, 1)
    weights = opened + forest.sources[Region.WEIGHTS].leaf(0, 1)
    assert call.operands == b"\0\0" + opened + leaf + weights
    missing = Refused("OperandMissing", (1, 2))
    assert refused(one_step, call, b"\0\0" * 2 + weights) == missing
    for head in (bytes(5) + b"\1\0\1", bytes(6) + b"\0\2"):
        assert refused(one_step, call, b"\0\0\0\1" + head + leaf + leaf + weights) == MALFORMED
    answer = refused(one_step, call, b"\0\0" + opened + leaf[:-1] + b"\1" + weights)
    assert (answer.error, answer.arguments[0]) == ("OpeningMismatch", 1)
    # a sibling is one too many
    assert refused(one_step, call, b"\0\0" + opened + leaf + bytes(32) + weights) == MALFORMED


def test_an_order_takes_no_other_place(one_step: OneStep) -> None:
    """The place is not taken on trust: any but the right one is refused, also where there is none."""
    rng = random.Random(0)
    numbers = np.random.default_rng(0)
    forest = Forest(*(numbers.integers(0, 4, (16, LEAF_BYTES), dtype=np.uint8) for _ in range(3)))
    tried = 0
    while tried < 12:
        record = random_record(rng, 16)
        if record.kind is not Kind.ORDER:
            continue
        count = int(np.prod(record.views[0].reduction_dims))
        if not 3 < count < 200:
            continue
        tried += 1
        check_places(one_step, record, rng.randrange(record.cells), forest, count)


def check_places(one_step: OneStep, record: Record, index: int, forest: Forest, count: int) -> None:
    data = record.encode()
    value = recompute_cell(data, index, forest.read)
    right = NO_PLACE if value is None else value
    operands = operands_of(record, index, forest.sources)
    assert operands[-4:] == right.to_bytes(4, "big")
    call = Call(data, index, forest.roots, forest.depths, operands)
    places = [*range(count), count, count + 1, NO_PLACE - 1, NO_PLACE]
    calls = [call.with_operands(operands[:-4] + place.to_bytes(4, "big")) for place in places]
    answers: list[Answer] = list(one_step.answers(calls))
    for place, answer in zip(places, answers, strict=True):
        assert answer == (value if place == right else MALFORMED), (place, right)
    assert one_step.answer(call.with_operands(operands[:-4])) != value or value is None
    assert isinstance(one_step.answer(call.with_operands(operands[:-4])), Refused)
    assert isinstance(one_step.answer(call.with_operands(operands + bytes(4))), Refused)
