"""Sums of eq over slots, stretches and windows, against sums written out."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from verifier.bn254 import SCALAR_FIELD as R
from verifier.sumcheck.multilinear import (
    bits_of,
    eq_before,
    eq_index,
    eq_slots,
    eq_vector,
    shifted_overlap,
    slot_counts,
    window_sum,
)

seeds = st.integers(0, 2**32)


def drawn_point(rng: random.Random, n: int) -> tuple[int, ...]:
    return tuple(rng.randrange(R) for _ in range(n))


@given(seeds, st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_places_of_slots(seed: int, sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    variables = bits_of(sum(1 << bits for bits in sizes))
    point = drawn_point(random.Random(seed), variables)
    offset, expected = 0, []
    for bits in sizes:
        expected.append(eq_index(point[: variables - bits], offset >> bits))
        offset += 1 << bits
    assert eq_slots(point, slot_counts(variables, sizes)) == expected


@given(seeds, st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_overlap_of_stretches(seed: int, i: int, j: int, count: int) -> None:
    rng = random.Random(seed)
    a, b = (drawn_point(rng, bits_of(start + count + 1)) for start in (i, j))
    pairs = zip(eq_vector(a)[i : i + count], eq_vector(b)[j : j + count], strict=True)
    assert shifted_overlap(a, i, b, j, count) == sum(x * y for x, y in pairs) % R


@given(seeds, st.integers(1, 40))
def test_one_index_before_another(seed: int, count: int) -> None:
    rng = random.Random(seed)
    a, b = (drawn_point(rng, bits_of(count)) for _ in range(2))
    first, second = eq_vector(a, count), eq_vector(b, count)
    expected = sum(first[i] * second[j] for j in range(count) for i in range(j))
    assert eq_before(a, b, count) == expected % R


@given(seeds, *[st.integers(1, 7)] * 3, st.integers(1, 3), st.integers(1, 3), st.integers(-2, 9))
def test_sums_over_windows(
    seed: int, count: int, kernel: int, size: int, stride: int, dilation: int, before: int
) -> None:
    rng = random.Random(seed)
    outer, inner, cells = ([rng.randrange(R) for _ in range(n)] for n in (count, kernel, size))
    expected = sum(
        outer[p] * inner[q] * cells[at]
        for p in range(count)
        for q in range(kernel)
        if 0 <= (at := p * stride + q * dilation - before) < size
    )
    assert window_sum(outer, inner, cells, stride, dilation, before) == expected % R
