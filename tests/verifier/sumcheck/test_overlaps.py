"""Sums of eq over the indices below a number, against the sums written out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.budget import examples
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import eq_mass, eq_overlap, eq_vector

elements = st.integers(0, SCALAR_FIELD - 1) | st.sampled_from([0, 1, SCALAR_FIELD - 1])


@st.composite
def prefixes(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Two points of as many variables, and a number of indices."""
    n = draw(st.integers(0, 6))
    a, b = (draw(st.lists(elements, min_size=n, max_size=n)) for _ in range(2))
    return a, b, draw(st.integers(1, 1 << n))


@given(prefixes())
@settings(max_examples=examples(200))
def test_the_overlap_of_two_points(drawn: tuple[list[int], list[int], int]) -> None:
    a, b, count = drawn
    expected = sum(x * y for x, y in zip(eq_vector(a, count), eq_vector(b, count), strict=True))
    assert eq_overlap(a, b, count) == expected % SCALAR_FIELD


@given(prefixes())
@settings(max_examples=examples(200))
def test_the_mass_at_a_point(drawn: tuple[list[int], list[int], int]) -> None:
    point, _, count = drawn
    assert eq_mass(point, count) == sum(eq_vector(point, count)) % SCALAR_FIELD
