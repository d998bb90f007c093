"""Polynomials in one variable, against their definitions in Python's integers."""

from __future__ import annotations

import random

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

# Up to two vectors; about the segments of a division; more than a thread's share.
LENGTHS = st.one_of(st.integers(1, 17), st.integers(60, 300), st.sampled_from([1023, 1025, 4096, 4103, 9001]))


def value(f: list[int], x: int) -> int:
    total = 0
    for coefficient in reversed(f):
        total = (total * x + coefficient) % ORDER
    return total


def quotient(f: list[int], root: int) -> list[int]:
    result = [0] * len(f)
    for i in range(len(f) - 1, 0, -1):
        result[i - 1] = (f[i] + root * result[i]) % ORDER
    return result[:-1]


def fold(f: list[int], x: int) -> list[int]:
    return [(even + x * (odd - even)) % ORDER for even, odd in zip(f[::2], f[1::2], strict=True)]


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), LENGTHS, element())
def test_fold_pairs(seed: int, length: int, x: int) -> None:
    f = some_elements(random.Random(seed), 2 * length)
    assert integers(on_every_path(lambda: _kernels.fold_pairs(vector(f), scalar(x)))) == fold(f, x)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), LENGTHS, element())
def test_evaluate(seed: int, length: int, x: int) -> None:
    f = some_elements(random.Random(seed), length)
    assert integer(on_every_path(lambda: _kernels.evaluate(vector(f), scalar(x)))) == value(f, x)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), LENGTHS, element())
def test_divide_linear(seed: int, length: int, root: int) -> None:
    f = some_elements(random.Random(seed), length)
    result = integers(on_every_path(lambda: _kernels.divide_linear(vector(f), scalar(root))))
    assert result == quotient(f, root)
    x = random.Random(seed + 1).randrange(ORDER)
    assert (value(result, x) * (x - root) + value(f, root) - value(f, x)) % ORDER == 0


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), st.lists(LENGTHS, max_size=6))
def test_combine(seed: int, lengths: list[int]) -> None:
    rng = random.Random(seed)
    vectors = [some_elements(rng, length) for length in lengths]
    scalars = some_elements(rng, len(lengths))
    result = on_every_path(
        lambda: _kernels.combine([vector(v) for v in vectors], [scalar(s) for s in scalars])
    )
    expected = [0] * max(lengths, default=0)
    for v, s in zip(vectors, scalars, strict=True):
        for i, x in enumerate(v):
            expected[i] = (expected[i] + s * x) % ORDER
    assert integers(result) == expected


@pytest.mark.parametrize("corner", CORNERS)
def test_extreme_vectors(corner: int) -> None:
    for x in (corner, ORDER - 1, 0, 1):
        f = [corner] * 1300
        assert integers(on_every_path(lambda f=f, x=x: _kernels.fold_pairs(vector(f), scalar(x)))) == f[::2]
        assert integer(on_every_path(lambda f=f, x=x: _kernels.evaluate(vector(f), scalar(x)))) == value(f, x)
        result = on_every_path(lambda f=f, x=x: _kernels.divide_linear(vector(f), scalar(x)))
        assert integers(result) == quotient(f, x)
    many = on_every_path(lambda: _kernels.combine([vector([corner] * 9)] * 300, [scalar(corner)] * 300))
    assert integers(many) == [300 * corner * corner % ORDER] * 9


def test_empty_vectors() -> None:
    empty = vector([])
    assert integer(_kernels.evaluate(empty, scalar(3))) == 0
    assert _kernels.fold_pairs(empty, scalar(3)).shape == (0, 4)
    assert _kernels.combine([empty], [scalar(3)]).shape == (0, 4)
    assert _kernels.divide_linear(vector([5]), scalar(3)).shape == (0, 4)


def test_what_is_refused() -> None:
    f = vector([1, 2, 3])
    with pytest.raises(ValueError, match="odd number"):
        _kernels.fold_pairs(f, scalar(1))
    with pytest.raises(ValueError, match="without coefficients"):
        _kernels.divide_linear(f[:0], scalar(1))
    with pytest.raises(ValueError, match="1 vectors, but 2 scalars"):
        _kernels.combine([f], [scalar(1)] * 2)
    for bad in (b"", ORDER.to_bytes(32, "little")):
        with pytest.raises(ValueError, match="scalar"):
            _kernels.evaluate(f, bad)
        with pytest.raises(ValueError, match="scalar"):
            _kernels.combine([f], [bad])
    for wrong in (f.astype(np.int64), f[::2], f.reshape(-1)):
        with pytest.raises(TypeError):
            _kernels.evaluate(wrong, scalar(1))
        with pytest.raises(TypeError):
            _kernels.combine([wrong], [scalar(1)])
