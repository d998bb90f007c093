"""The opening, against polynomials in plain Python, and as a cheat would have it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import CheckFailed
from prover.sumcheck.merge import _open
from prover.sumcheck.transcript import Speaker
from tests.budget import examples
from tests.prover.sumcheck.trials import TrapdoorDevice, from_words, known_tau, words
from verifier.bn254 import SCALAR_FIELD as R
from verifier.development_srs import development_head
from verifier.msm import Sum
from verifier.sumcheck.hyperkzg import interpolate, verify_opening
from verifier.sumcheck.messages import Messages, decode_points
from verifier.sumcheck.multilinear import eq_vector
from verifier.sumcheck.transcript import Transcript

READER = Messages(b"", Transcript(), development_head().tau_g2)


def commitment(values: list[int]) -> Sum:
    device = TrapdoorDevice()
    return decode_points(device.commit(device.vector(values)))[0]


def opening(values: list[int], point: tuple[int, ...]) -> bytes:
    speaker = Speaker(Transcript())
    device = TrapdoorDevice()
    _open(speaker, device, device.vector(values), point)
    return speaker.proof


def opens(
    proof: bytes, scalars: list[int], commitments: list[Sum], point: tuple[int, ...], value: int
) -> bool:
    messages = Messages(proof, Transcript(), development_head().tau_g2)
    with known_tau():
        try:
            verify_opening(messages, scalars, commitments, point, value)
            messages.end()
        except CheckFailed:
            return False
    return True


def drawn(seed: int, n: int) -> tuple[list[int], tuple[int, ...], int]:
    """A vector, a point and the value there."""
    rng = random.Random(seed)
    values = [rng.choice([0, rng.randrange(R)]) for _ in range(1 << n)]
    point = tuple(rng.randrange(R) for _ in range(n))
    return values, point, sum(a * b for a, b in zip(eq_vector(point), values, strict=True)) % R


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=examples(6))
def test_a_true_value_opens_and_no_other(seed: int, n: int) -> None:
    values, point, value = drawn(seed, n)
    proof, own = opening(values, point), [commitment(values)]
    assert len(proof) == 32 * (2 * (n - 1) + 1 + 2 * n + 4)
    assert opens(proof, [1], own, point, value)
    assert not opens(proof, [1], own, point, value + 1)
    assert not opens(proof, [2], own, point, value) or not any(values)
    other = (point[0], *point[1:-1], point[-1] + 1) if n > 1 else (point[0] + 1,)
    assert not opens(proof, [1], own, other, value) or not any(values)


def test_combinations_open() -> None:
    parts = [drawn(seed, 3)[0] for seed in range(3)]
    point, scalars = drawn(9, 3)[1], [5, R - 7, 11]
    combined = [
        sum(s * v for s, v in zip(scalars, each, strict=True)) % R for each in zip(*parts, strict=True)
    ]
    value = sum(a * b for a, b in zip(eq_vector(point), combined, strict=True)) % R
    assert opens(opening(combined, point), scalars, [commitment(part) for part in parts], point, value)
    swapped = [commitment(part) for part in (parts[1], parts[0], parts[2])]
    assert not opens(opening(combined, point), scalars, swapped, point, value)


def test_every_word_counts() -> None:
    values, point, value = drawn(4, 3)
    proof, own = opening(values, point), [commitment(values)]
    original = words(proof)
    # 2 folds, P_0(rho^2), 3 + 3 values; points cannot be changed by a word and stay on the curve
    for i in range(4, 11):
        changed = original.copy()
        changed[i] = (changed[i] + 1) % R
        assert not opens(from_words(changed), [1], own, point, value)
    for first, second in ((0, 2), (11, 13)):
        changed = original.copy()
        changed[first : first + 2], changed[second : second + 2] = (
            changed[second : second + 2],
            changed[first : first + 2],
        )
        assert not opens(from_words(changed), [1], own, point, value)


def test_coefficients_beyond_the_vector_change_nothing_that_is_read() -> None:
    """A commitment to more than 2^l coefficients opens only if what lies beyond folds to nothing."""
    values, point, value = drawn(6, 2)
    longer = [*values, 3, 0, 0, 0]
    proof, own = opening(values, point), [commitment(longer)]
    assert not opens(proof, [1], own, point, value)
    speaker, device = Speaker(Transcript()), TrapdoorDevice()
    _open(speaker, device, device.vector(longer), point)
    assert not opens(speaker.proof, [1], own, point, value)


@pytest.mark.parametrize("points", [(5, 5, 7), (5, R - 5, 5), (0, 0, 0)])
def test_equal_points_of_interpolation_are_refused(points: tuple[int, ...]) -> None:
    with pytest.raises(CheckFailed, match="equal"):
        interpolate(points, (1, 2, 3), 9, READER.inverse)


@given(st.lists(st.integers(0, R - 1), min_size=6, max_size=6))
def test_interpolation(drawn: list[int]) -> None:
    c, points = drawn[:3], [7, R - 7, 49]
    polynomial: Callable[[int], int] = lambda x: (c[0] + c[1] * x + c[2] * x * x) % R  # noqa: E731
    values = [polynomial(x) for x in points]
    assert interpolate(points, values, drawn[3], READER.inverse) == polynomial(drawn[3])
