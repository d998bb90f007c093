"""Points: what is on the curve, in the group and canonically written, and sums of many against py_ecc."""

import random

import pytest
from py_ecc import bn128
from py_ecc.optimized_bn128 import G1, multiply, normalize

from circuits.errors import FormatError
from verifier.bn254 import (
    BASE_FIELD,
    G1_GENERATOR,
    G2_GENERATOR,
    SCALAR_FIELD,
    Fp2,
    G2Point,
    decode_g1,
    decode_g2,
    encode_g1,
    encode_g2,
    on_g2,
)
from verifier.msm import MultiplesTable, Sum, add_pairs, multi_scalar_multiply

P, R = BASE_FIELD, SCALAR_FIELD


def times(scalar: int) -> Sum:
    """Return scalar * [1]_1 by py_ecc."""
    if scalar % R == 0:
        return None
    x, y = normalize(multiply(G1, scalar % R))
    return int(x), int(y)


def point_outside_the_group() -> G2Point:
    """Return a point on the twist that is not of order r."""
    for x0 in range(1, 100):
        x = bn128.FQ2([x0, 1])
        y = square_root(x * x * x + bn128.b2)
        if y is not None:
            return (x0, 1), y
    raise AssertionError


def square_root(value: bn128.FQ2) -> Fp2 | None:
    """Return a square root of a + b*u, by that of its norm; p = 3 mod 4."""
    a, b = (int(c) for c in value.coeffs)
    norm_root = pow(a * a + b * b, (P + 1) // 4, P)
    for sign in (1, -1):
        half = (a + sign * norm_root) * pow(2, -1, P) % P
        real = pow(half, (P + 1) // 4, P)
        if real:
            root = (real, b * pow(2 * real, -1, P) % P)
            if bn128.FQ2(list(root)) ** 2 == value:
                return root
    return None


def test_the_constants_are_py_eccs() -> None:
    assert bn128.field_modulus == P
    assert bn128.curve_order == R
    assert tuple(int(c) for c in bn128.G1) == G1_GENERATOR
    assert tuple(tuple(int(c) for c in e.coeffs) for e in bn128.G2) == G2_GENERATOR


def test_encodings_round_trip_and_are_the_evms() -> None:
    assert encode_g1(G1_GENERATOR) == bytes(31) + b"\x01" + bytes(31) + b"\x02"
    assert decode_g1(encode_g1(G1_GENERATOR)) == G1_GENERATOR
    assert encode_g2(G2_GENERATOR)[:32] == G2_GENERATOR[0][1].to_bytes(32, "big")
    assert decode_g2(encode_g2(G2_GENERATOR)) == G2_GENERATOR


@pytest.mark.parametrize("point", [(1, 3), (0, 0), (P + 1, 2), (1, P + 2), (2, 1), (P, 0)])
def test_wrong_points_of_g1_are_refused(point: tuple[int, int]) -> None:
    with pytest.raises(FormatError, match="G1"):
        decode_g1(b"".join(c.to_bytes(32, "big") for c in point))


def test_wrong_points_of_g2_are_refused() -> None:
    (x0, x1), (y0, y1) = G2_GENERATOR
    for words in (
        (x1, x0, y1, y0 + 1),
        (x0, x1, y0, y1),
        (0, 0, 0, 0),
        (x1 + P, x0, y1, y0),
        (x1, x0, y1, y0 + P),
    ):
        with pytest.raises(FormatError, match="G2"):
            decode_g2(b"".join(word.to_bytes(32, "big") for word in words))


def test_a_point_outside_the_group_is_refused() -> None:
    point = point_outside_the_group()
    assert bn128.is_on_curve(tuple(bn128.FQ2(list(c)) for c in point), bn128.b2)
    assert not on_g2(point)
    with pytest.raises(FormatError, match="G2"):
        decode_g2(encode_g2(point))


@pytest.mark.parametrize("length", [0, 63, 65, 127, 129])
def test_wrong_lengths_are_refused(length: int) -> None:
    with pytest.raises(FormatError, match="bytes, not"):
        decode_g1(bytes(length))
    with pytest.raises(FormatError, match="bytes, not"):
        decode_g2(bytes(length))


def test_sums_of_pairs_in_every_constellation() -> None:
    scalars = [0, 1, 2, R - 1, R - 2, 5]
    pairs = [(a, b) for a in scalars for b in scalars]
    sums = add_pairs([times(a) for a, _ in pairs], [times(b) for _, b in pairs])
    assert sums == [times(a + b) for a, b in pairs]
    assert add_pairs([], []) == []


@pytest.mark.parametrize("count", [0, 1, 2, 5, 33, 300])
@pytest.mark.parametrize("bits", [128, 254])
def test_sums_of_products(count: int, bits: int) -> None:
    source = random.Random(count)
    table = MultiplesTable(G1_GENERATOR, 6)
    logarithms = [source.randrange(1, R) for _ in range(count)]
    top = min(R, 1 << bits)
    scalars = [source.choice([0, 1, top - 1, top // 2, source.randrange(top)]) for _ in range(count)]
    expected = times(sum(a * b for a, b in zip(logarithms, scalars, strict=True)))
    assert multi_scalar_multiply(scalars, table.multiples(logarithms), bits) == expected


def test_sums_of_products_of_equal_opposite_and_absent_points() -> None:
    points: list[Sum] = [times(7)] * 40 + [times(R - 7)] * 40 + [None] * 5
    assert multi_scalar_multiply([3] * 85, points) is None
    assert multi_scalar_multiply([3] * 40 + [2] * 45, points) == times(7 * 40)


@pytest.mark.parametrize("window", [2, 3, 8])
def test_multiples(window: int) -> None:
    scalars = [1, 2, 3, R - 1, R // 2, (1 << 253) + 1, *range(250, 260)]
    assert MultiplesTable(G1_GENERATOR, window).multiples(scalars) == [times(k) for k in scalars]
    with pytest.raises(ValueError, match="multiple of the group's order"):
        MultiplesTable(G1_GENERATOR, window).multiples([1, R])
