"""Rounds of the sumcheck for products, against the sums written out."""

from __future__ import annotations

import math
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
    Vector,
    element,
    integer,
    integers,
    on_every_path,
    scalar,
    some_elements,
    vector,
)

Factors = list[list[int]]


def bound(factor: list[int], r: int) -> list[int]:
    """The most significant variable set to r."""
    half = len(factor) // 2
    return [(low + r * (high - low)) % ORDER for low, high in zip(factor[:half], factor[half:], strict=True)]


def round_values(factors: Factors) -> list[int]:
    def at(r: int) -> int:
        return sum(math.prod(values) for values in zip(*(bound(f, r) for f in factors), strict=True)) % ORDER

    half = len(factors[0]) // 2
    slopes = [[high - low for low, high in zip(f[:half], f[half:], strict=True)] for f in factors]
    leading = sum(math.prod(values) for values in zip(*slopes, strict=True)) % ORDER
    return [at(0), leading] if len(factors) == 2 else [at(0), at(-1), leading]


def vectors(factors: Factors) -> list[Vector]:
    return [vector(f) for f in factors]


def bind_round(factors: Factors, r: int) -> tuple[list[Vector], list[bytes]]:
    return _kernels.product_bind_round(vectors(factors), scalar(r))


@st.composite
def products(draw: st.DrawFn, least: int = 1) -> Factors:
    rng = random.Random(draw(st.integers(0, 2**32)))
    size = 2 ** draw(st.integers(least, 7)) * draw(st.sampled_from([1, 1, 3, 5]))
    return [some_elements(rng, size) for _ in range(draw(st.integers(2, 3)))]


@settings(max_examples=examples(50), deadline=None)
@given(products(least=0))
def test_sum(factors: Factors) -> None:
    total = on_every_path(lambda: _kernels.product_sum(vectors(factors)))
    assert integer(total) == sum(math.prod(values) for values in zip(*factors, strict=True)) % ORDER


@settings(max_examples=examples(50), deadline=None)
@given(products())
def test_round(factors: Factors) -> None:
    sums = on_every_path(lambda: _kernels.product_round(vectors(factors)))
    assert [integer(x) for x in sums] == round_values(factors)


@settings(max_examples=examples(50), deadline=None)
@given(products(), element())
def test_bind(factors: Factors, r: int) -> None:
    results = on_every_path(lambda: _kernels.product_bind(vectors(factors), scalar(r)))
    assert [integers(x) for x in results] == [bound(f, r) for f in factors]


@settings(max_examples=examples(50), deadline=None)
@given(products(least=2), element())
def test_bind_round(factors: Factors, r: int) -> None:
    results, sums = on_every_path(partial(bind_round, factors, r))
    expected = [bound(f, r) for f in factors]
    assert [integers(x) for x in results] == expected
    assert [integer(x) for x in sums] == round_values(expected)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("count", [2, 3])
def test_extreme_vectors(count: int, corner: int) -> None:
    """Every element alike, or alternating with the other extreme: sums as large as they get."""
    for other in (corner, ORDER - 1 - corner, 0):
        factors = [[corner, other] * 32 + [other, corner] * 32] * count
        results, sums = on_every_path(partial(bind_round, factors, other))
        expected = [bound(f, other) for f in factors]
        assert [integers(x) for x in results] == expected
        assert [integer(x) for x in sums] == round_values(expected)


@pytest.mark.parametrize("count", [2, 3])
def test_whole_sumcheck(count: int) -> None:
    """Long enough for several blocks and threads; each round continues the last."""
    rng = random.Random(count)
    variables = 13
    factors = vectors([some_elements(rng, 2**variables) for _ in range(count)])
    claim = sum(math.prod(values) for values in zip(*map(integers, factors), strict=True)) % ORDER
    sums = _kernels.product_round(factors)
    for left in range(variables, 0, -1):
        at_0, *rest = map(integer, sums)
        at_1, r = (claim - at_0) % ORDER, rng.randrange(ORDER)
        if count == 2:
            (leading,) = rest
            claim = at_0 + (at_1 - at_0 - leading) * r + leading * r * r
        else:
            at_minus_1, leading = rest
            square = (at_1 + at_minus_1) * pow(2, -1, ORDER) - at_0
            claim = at_0 + (at_1 - at_0 - square - leading) * r + square * r**2 + leading * r**3
        claim %= ORDER
        if left > 1:
            factors, sums = _kernels.product_bind_round(factors, scalar(r))
        else:
            factors = _kernels.product_bind(factors, scalar(r))
    assert claim == math.prod(integers(f)[0] for f in factors) % ORDER


def test_large_vectors_on_every_path() -> None:
    rng = np.random.default_rng(0)
    # Below 2^253, so reduced.
    start = [rng.integers(0, 2**61, (2**14, 4), dtype=np.uint64) for _ in range(3)]

    def run() -> list[object]:
        factors = [x.copy() for x in start]
        first = _kernels.product_round(factors)
        return [first, *_kernels.product_bind_round(factors, scalar(3**150))]

    on_every_path(run)


def test_results_are_views_of_the_arguments() -> None:
    factors = vectors([[1, 2, 3, 4], [5, 6, 7, 8]])
    bound_once, _ = _kernels.product_bind_round(factors, scalar(9))
    bound_twice = _kernels.product_bind(bound_once, scalar(9))
    for result, length in ((bound_once, 2), (bound_twice, 1)):
        assert all(x.shape == (length, 4) for x in result)
        assert all(np.shares_memory(x, f) for x, f in zip(result, factors, strict=True))


@settings(max_examples=examples(20), deadline=None)
@given(products(least=2), element())
def test_a_square_is_folded_once(factors: Factors, r: int) -> None:
    def run() -> tuple[list[Vector], list[bytes]]:
        f, g = vectors(factors)[:2]
        return _kernels.product_bind_round([f, g, f], scalar(r))

    results, sums = on_every_path(run)
    f, g = (bound(factor, r) for factor in factors[:2])
    assert [integers(x) for x in results] == [f, g, f]
    assert [integer(x) for x in sums] == round_values([f, g, f])


def test_what_is_refused() -> None:
    a, b = vector([1, 2, 3, 4]), vector([5, 6, 7, 8])
    r = scalar(1)
    for factors, why in (
        ([a], "2 or 3 factors"),
        ([a, b, a, b], "2 or 3 factors"),
        ([a, b[:2]], "differ in length"),
        ([a[:3], b[:3]], "a multiple of 2"),
        ([a[:1], b[:1]], "a multiple of 2"),
        ([a[:0], b[:0]], "a multiple of 2"),
    ):
        with pytest.raises(ValueError, match=why):
            _kernels.product_round(factors)
        with pytest.raises(ValueError, match=why):
            _kernels.product_bind(factors, r)
    with pytest.raises(ValueError, match="a multiple of 4"):
        _kernels.product_bind_round([a[:2], b[:2]], r)
    with pytest.raises(ValueError, match="overlap"):
        _kernels.product_bind([a[:2], a[1:3]], r)
    for bad in (b"", r + b"\0", ORDER.to_bytes(32, "little"), b"\xff" * 32):
        with pytest.raises(ValueError, match="scalar"):
            _kernels.product_bind([a, b], bad)
    read_only = a.copy()
    read_only.flags.writeable = False
    _kernels.product_round([read_only, b])
    for wrong in (read_only, a.astype(np.int64), a[:, ::-1], a.reshape(-1)):
        with pytest.raises(TypeError, match="contiguous uint64"):
            _kernels.product_bind([wrong, b], r)
