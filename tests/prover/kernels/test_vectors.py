"""Arithmetic on vectors of field elements, against Python's integers."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover import _kernels
from tests.budget import examples
from tests.prover.kernels.values import (
    CORNERS,
    ORDER,
    element,
    integer,
    integers,
    on_every_path,
    scalar,
    some_elements,
    vector,
)

LENGTHS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 64, 1001, 4096, 6007]

signed = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.sampled_from([-(2**63), 2**63 - 1, 2**52, -(2**32)]),
)


def elements(count: int, seed: int) -> list[int]:
    return some_elements(random.Random(seed), count)


def check_elementwise(a: list[int], b: list[int]) -> None:
    x, y, pairs = vector(a), vector(b), list(zip(a, b, strict=True))
    assert integers(on_every_path(partial(_kernels.add, x, y))) == [(s + t) % ORDER for s, t in pairs]
    assert integers(on_every_path(partial(_kernels.sub, x, y))) == [(s - t) % ORDER for s, t in pairs]
    assert integers(on_every_path(partial(_kernels.mul, x, y))) == [s * t % ORDER for s, t in pairs]
    assert integer(on_every_path(partial(_kernels.dot, x, y))) == sum(s * t for s, t in pairs) % ORDER


def test_sums_and_products_of_all_pairs_of_corners() -> None:
    check_elementwise([a for a in CORNERS for _ in CORNERS], [b for _ in CORNERS for b in CORNERS])


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_elementwise(length: int) -> None:
    check_elementwise(elements(length, 1), elements(length, 2))


@settings(max_examples=examples(30))
@given(st.lists(element(), max_size=20), element())
def test_a_vector_times_a_scalar(a: list[int], factor: int) -> None:
    x, s = vector(a), scalar(factor)
    expected = [factor * t % ORDER for t in a]
    assert integers(on_every_path(lambda: _kernels.scale(x, s))) == expected

    def added() -> np.ndarray:
        y = x.copy()
        _kernels.axpy(s, x, y)
        return y

    assert integers(on_every_path(added)) == [(t + u) % ORDER for t, u in zip(a, expected, strict=True)]


def test_a_long_inner_product_of_the_largest_elements() -> None:
    for held in (ORDER - 1, 2**253, 2**208 - 1):
        x = np.tile(np.frombuffer(held.to_bytes(32, "little"), "<u8"), (20_011, 1))
        expected = 20_011 * pow(integers(x[:1])[0], 2) % ORDER
        assert integer(on_every_path(partial(_kernels.dot, x, x))) == expected


@settings(max_examples=examples(30))
@given(st.lists(signed, max_size=20), st.sampled_from(["i1", "i2", "i4", "i8"]))
def test_integers_of_every_width(values: list[int], dtype: str) -> None:
    x = np.array(values, "i8").astype(dtype)
    assert integers(on_every_path(lambda: _kernels.from_ints(x))) == [int(v) % ORDER for v in x]


def test_integers_are_taken_row_by_row() -> None:
    x = np.arange(-500, 500).reshape(10, 100)
    assert integers(_kernels.from_ints(x)) == [int(v) % ORDER for v in x.ravel()]
    assert _kernels.from_ints(np.array(3, "i1")).shape == (1, 4)


@pytest.mark.parametrize("length", LENGTHS)
def test_bytes_there_and_back(length: int) -> None:
    a = elements(length, 3)
    data = b"".join(x.to_bytes(32, "little") for x in a)
    x = on_every_path(partial(_kernels.from_bytes, data))
    assert integers(x) == a
    assert on_every_path(partial(_kernels.to_bytes, x)) == data


@pytest.mark.parametrize("beyond", [ORDER, ORDER + 1, 2**255, 2**256 - 1])
@pytest.mark.parametrize("position", [0, 7, 9, 5000])
def test_bytes_beyond_the_order_are_refused(beyond: int, position: int) -> None:
    data = bytearray(32 * 5001)
    data[32 * position : 32 * position + 32] = beyond.to_bytes(32, "little")
    with pytest.raises(ValueError, match="order"):
        _kernels.from_bytes(bytes(data))
    with pytest.raises(ValueError, match="order"):
        _kernels.scale(vector([1]), beyond.to_bytes(32, "little"))


def test_lengths_that_do_not_fit_are_refused() -> None:
    x, y = vector([1, 2, 3]), vector([1, 2])
    for kernel in (_kernels.add, _kernels.sub, _kernels.mul, _kernels.dot, partial(_kernels.axpy, scalar(1))):
        with pytest.raises(ValueError, match="3 and 2"):
            kernel(x, y)
    with pytest.raises(ValueError, match="33"):
        _kernels.from_bytes(bytes(33))
    with pytest.raises(ValueError, match="31"):
        _kernels.powers(bytes(31), 1)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3), np.uint64), np.zeros((2, 4), np.int64), np.zeros((4, 4), np.uint64)[:, ::-1]]
)
def test_arrays_that_are_no_vectors_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError):
        _kernels.add(array, array)
    with pytest.raises(TypeError):
        _kernels.axpy(scalar(1), vector([0, 0]), array)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(3, np.uint8), np.zeros(6, np.int64)[::2]])
def test_arrays_that_are_no_integers_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError):
        _kernels.from_ints(array)


def test_a_vector_that_must_not_be_written_is_not() -> None:
    y = vector([1, 2])
    y.flags.writeable = False
    with pytest.raises(TypeError):
        _kernels.axpy(scalar(1), vector([1, 1]), y)


@pytest.mark.parametrize("length", [*LENGTHS, 8192])
def test_inverses(length: int) -> None:
    a = [x or 1 for x in elements(length, 4)]
    got = integers(on_every_path(partial(_kernels.inverse, vector(a))))
    assert all(x * y % ORDER == 1 for x, y in zip(a, got, strict=True))


@pytest.mark.parametrize("length", [1, 8, 9, 5000])
def test_zero_has_no_inverse(length: int) -> None:
    for position in {0, length // 2, length - 1}:
        a = [5] * length
        a[position] = 0
        x = vector(a)
        for name in _kernels.instruction_sets():
            _kernels.set_instruction_set(name)
            with pytest.raises(ValueError, match="zero"):
                _kernels.inverse(x)
        _kernels.set_instruction_set(None)


@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize("base", [0, 1, 3, ORDER - 1, 2**200 + 7])
def test_powers(base: int, count: int) -> None:
    expected = [1]
    while len(expected) < count:
        expected.append(expected[-1] * base % ORDER)
    assert integers(on_every_path(partial(_kernels.powers, scalar(base), count))) == expected[:count]


def eq_reference(point: list[int], factor: int) -> list[int]:
    values = [factor % ORDER]
    for z in point:
        values = [v * t % ORDER for v in values for t in (1 - z, z)]
    return values


@settings(max_examples=examples(40))
@given(st.lists(element(), max_size=7), element())
def test_eq_has_the_first_coordinate_at_the_most_significant_bit(point: list[int], factor: int) -> None:
    got = on_every_path(lambda: _kernels.eq([scalar(z) for z in point], scalar(factor)))
    assert integers(got) == eq_reference(point, factor)


def test_a_large_eq() -> None:
    point = elements(13, 5)
    got = on_every_path(lambda: _kernels.eq([scalar(z) for z in point], scalar(7)))
    assert integers(got) == eq_reference(point, 7)
    with pytest.raises(ValueError, match="41 coordinates"):
        _kernels.eq([scalar(0)] * 41, scalar(1))


@pytest.mark.parametrize(
    ("slow", "fast"),
    [(0, 3), (3, 0), (1, 1), (5, 1), (7, 3), (3, 8), (300, 31), (31, 32), (3, 1001), (1001, 9)],
)
def test_outer_products(slow: int, fast: int) -> None:
    a, b = elements(slow, 6), elements(fast, 7)
    got = on_every_path(lambda: _kernels.kron(vector(a), vector(b)))
    assert integers(got) == [x * y % ORDER for x in a for y in b]


@pytest.mark.parametrize("count", LENGTHS)
def test_gathered_rows(count: int) -> None:
    table = elements(37, 8)
    rows = np.random.default_rng(count).integers(0, 37, count, dtype=np.uint32)
    got = on_every_path(partial(_kernels.gather, vector(table), rows))
    assert integers(got) == [table[row] for row in rows]


@pytest.mark.parametrize("row", [3, 2**32 - 1])
def test_rows_beyond_the_table_are_refused(row: int) -> None:
    for position in (0, 4999):
        rows = np.zeros(5000, np.uint32)
        rows[position] = row
        with pytest.raises(IndexError, match="beyond"):
            _kernels.gather(vector([1, 2, 3]), rows)


def test_settings_that_do_not_exist_are_refused() -> None:
    assert _kernels.instruction_sets()[-1] == "portable"
    with pytest.raises(ValueError, match="sse9"):
        _kernels.set_instruction_set("sse9")
    with pytest.raises(ValueError, match="at least 1"):
        _kernels.set_threads(0)
