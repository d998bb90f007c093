"""Sums along an axis of small integers, or field elements, times field elements."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover import _kernels
from tests.budget import examples
from tests.prover.kernels.values import ORDER, integers, on_every_path, some_elements, vector

Shape = tuple[int, int, int]


def reference(x: np.ndarray, weights: list[int]) -> list[int]:
    """sum_a x[o, a, i] * weights[m, a] as [o, m, i]."""
    matrix = np.array(weights, object).reshape(-1, x.shape[1])
    sums = matrix @ x.astype(object)  # NumPy's own products of Python integers, for each o
    return [int(value) % ORDER for value in sums.ravel()]


def some_integers(rng: random.Random, shape: Shape, dtype: str) -> np.ndarray:
    """Integers of a few widths, in stretches: none, single bytes, all that fit."""
    limits = np.iinfo(dtype)
    seed = np.random.default_rng(rng.randrange(2**32))
    x = seed.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    flat = x.reshape(-1)
    for start in range(0, flat.size, 97):
        part = flat[start : start + 97]
        part >>= rng.choice([0, 0, limits.bits // 2, limits.bits - 1, limits.bits - 7])
        part *= rng.choice([0, 1, 1, 1])
    if flat.size:
        flat[rng.randrange(flat.size)] = limits.min
        flat[rng.randrange(flat.size)] = limits.max
    return x


def check(rng: random.Random, shape: Shape, rows: int, dtype: str) -> None:
    x, weights = some_integers(rng, shape, dtype), some_elements(rng, rows * shape[1])
    expected, w = reference(x, weights), vector(weights)
    assert integers(on_every_path(partial(_kernels.contract, x, w))) == expected
    v = vector([int(value) % ORDER for value in x.ravel()])
    assert integers(on_every_path(partial(_kernels.contract_vector, v, shape, w))) == expected


@settings(max_examples=examples(60))
@given(
    st.tuples(st.integers(0, 20), st.integers(1, 40), st.integers(0, 20)),
    st.integers(0, 6),
    st.sampled_from(["i1", "i2", "i4", "i8"]),
    st.randoms(use_true_random=False),
)
def test_any_shape_and_width(shape: Shape, rows: int, dtype: str, rng: random.Random) -> None:
    check(rng, shape, rows, dtype)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        *(((65, 1, 1), 1), ((3, 64, 1), 1), ((130, 257, 1), 2), ((1, 1025, 1), 1), ((17, 63, 1), 5)),
        *(((1, 3, 65), 1), ((1, 513, 64), 1), ((2, 256, 63), 2), ((1, 31, 200), 5), ((5, 2, 49), 3)),
        *(((1, 5000, 1), 1), ((1, 5000, 3), 1)),  # few outputs: threads share the sums
    ],
)
def test_the_ends_of_panels_and_blocks(shape: Shape, rows: int, dtype: str) -> None:
    check(random.Random(1), shape, rows, dtype)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
@pytest.mark.parametrize("length", [65536, 70_001])
def test_the_largest_sums(length: int, dtype: str) -> None:
    """All integers the extremes of their type, all weights' bytes as large as can be."""
    held = 0x2FFFFFFF << 224 | 2**224 - 1
    w = np.tile(np.frombuffer(held.to_bytes(32, "little"), "<u8"), (length, 1))
    weight = integers(w[:1])[0]
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max):
        for shape in ((1, length, 1), (1, length, 2), (2, length, 1)):
            x = np.full(shape, value, dtype)
            got = integers(on_every_path(partial(_kernels.contract, x, w)))
            assert got == [int(value) * length * weight % ORDER] * max(shape[0], shape[2])


def test_threads_share_long_sums() -> None:
    check(random.Random(2), (1, 30_000, 1), 1, "i2")


@pytest.mark.parametrize(
    ("x", "weights"),
    [(np.zeros((1, 3, 2), "i1"), 4), (np.zeros((1, 0, 2), "i1"), 0), (np.zeros((3, 2), "i1"), 3)],
)
def test_shapes_that_do_not_fit_are_refused(x: np.ndarray, weights: int) -> None:
    with pytest.raises(ValueError, match=r"do not fit|\[outer, axis, inner\]"):
        _kernels.contract(x, vector([0] * weights))


def test_vectors_that_do_not_fit_are_refused() -> None:
    for shape in ((1, 3, 2), (2**63, 2, 2**62), (2**63, 1, 8)):
        with pytest.raises(ValueError, match=r"do not fit|no array"):
            _kernels.contract_vector(vector([0] * 4), shape, vector([0] * 2))
    with pytest.raises(TypeError):
        _kernels.contract(np.zeros((1, 2, 3)), vector([0] * 2))  # type: ignore[arg-type]
