"""The pairing: py_ecc's, value by value, and bilinear."""

from __future__ import annotations

import random

import pytest
from py_ecc import optimized_bn128 as curve

from verifier.bn254 import (
    BASE_FIELD,
    G1_GENERATOR,
    G2_GENERATOR,
    SCALAR_FIELD,
    G1Point,
    G2Point,
    negate_g1,
)
from verifier.development_srs import TAU, development_head
from verifier.pairing import pairing_product, pairing_product_is_one

R = SCALAR_FIELD
SCALARS = [1, 2, R - 1, R // 2, *(random.Random(k).randrange(R) for k in range(4))]


def g1(scalar: int) -> G1Point:
    """Return scalar * [1]_1 by py_ecc."""
    x, y = curve.normalize(curve.multiply(curve.G1, scalar % R))
    return int(x), int(y)


def g2(scalar: int) -> G2Point:
    """Return scalar * [1]_2 by py_ecc."""
    (x, x_u), (y, y_u) = (c.coeffs for c in curve.normalize(curve.multiply(curve.G2, scalar % R)))
    return (int(x), int(x_u)), (int(y), int(y_u))


def theirs(left: int, right: int) -> curve.FQ12:
    """py_ecc's e(left * [1]_1, right * [1]_2)."""
    return curve.pairing(curve.multiply(curve.G2, right), curve.multiply(curve.G1, left))


@pytest.mark.parametrize("left", SCALARS)
@pytest.mark.parametrize("right", [1, TAU, SCALARS[-1]])
def test_it_has_py_eccs_values(left: int, right: int) -> None:
    assert pairing_product([(g1(left), g2(right))]) == theirs(left, right)


def test_a_product_is_that_of_py_eccs_values() -> None:
    for count in range(4):
        source = random.Random(count)
        scalars = [(source.randrange(1, R), source.randrange(1, R)) for _ in range(count)]
        expected = curve.FQ12.one()
        for left, right in scalars:
            expected = expected * theirs(left, right)
        assert pairing_product([(g1(left), g2(right)) for left, right in scalars]) == expected


def test_it_is_bilinear() -> None:
    two, three, five = g1(2), g1(3), g1(5)
    assert pairing_product_is_one(
        [(two, G2_GENERATOR), (three, G2_GENERATOR), (negate_g1(five), G2_GENERATOR)]
    )
    assert pairing_product_is_one([(g1(6), G2_GENERATOR), (negate_g1(two), g2(3))])
    assert not pairing_product_is_one([(two, G2_GENERATOR), (negate_g1(three), G2_GENERATOR)])
    assert not pairing_product_is_one([(g1(6), G2_GENERATOR), (two, g2(3))])


def test_what_infinity_adds_is_one() -> None:
    assert pairing_product_is_one([])
    assert pairing_product_is_one([(None, G2_GENERATOR)])
    assert not pairing_product_is_one([(G1_GENERATOR, G2_GENERATOR), (None, G2_GENERATOR)])


def test_openings_that_differ_in_one_bit_fail() -> None:
    """The check of every proof, on what is nearly true: e(C, [1]_2) = e(V, [tau]_2)."""
    tau_g2 = development_head().tau_g2
    scalar = random.Random("opening").randrange(R)

    def holds(combined: int, witness: int) -> bool:
        return pairing_product_is_one([(g1(combined), G2_GENERATOR), (negate_g1(g1(witness)), tau_g2)])

    assert holds(scalar * TAU, scalar)
    for bit in range(0, 254, 23):
        assert not holds(scalar * TAU, scalar ^ 1 << bit)
        assert not holds(scalar * TAU ^ 1 << bit, scalar)
    assert not holds(-scalar * TAU, scalar)


def test_the_parameter_is_the_curves() -> None:
    t = 4965661367192848881
    assert BASE_FIELD == 36 * t**4 + 36 * t**3 + 24 * t**2 + 6 * t + 1
    assert R == 36 * t**4 + 36 * t**3 + 18 * t**2 + 6 * t + 1
    p = BASE_FIELD
    by_p, by_one = -36 * t**3 - 18 * t**2 - 12 * t + 1, -36 * t**3 - 30 * t**2 - 18 * t - 2
    assert (p**4 - p**2 + 1) // R == p**3 + (6 * t**2 + 1) * p**2 + by_p * p + by_one
