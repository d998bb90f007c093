"""A structured reference string in memory: the powers of tau in G1 in two bases, and the first two in G2.

Of size n = 2^k, with H = {1, w, ..., w^(n-1)} the domain of order n and L_j its Lagrange polynomials::

    monomial   [tau^i]_1       i = 0, ..., n - 1
    lagrange   [L_j(tau)]_1    j = 0, ..., n - 1
    g2         [1]_2, [tau]_2

Points are kept in the bytes that both file formats use: little-endian words of 32 bytes in Montgomery form
(a coordinate c is stored as c * 2^256 mod p), for an element a + b*u of F_p^2 first a, then b. The order of
the Lagrange points depends on the generator w of H; here it is halo2's, w = 7^((r - 1) / n).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from circuits.errors import FormatError
from verifier.bn254 import (
    BASE_FIELD,
    G1_GENERATOR,
    G2_GENERATOR,
    SCALAR_FIELD,
    G1Point,
    G2Point,
    on_g1,
    on_g2,
)
from verifier.srs_head import SrsHead

RAW_G1_BYTES, RAW_G2_BYTES = 64, 128
MAX_K = 22
"""The largest string that is read, 2^22 points (512 MiB)."""

_TO_MONTGOMERY = (1 << 256) % BASE_FIELD
_FROM_MONTGOMERY = pow(1 << 256, -1, BASE_FIELD)
_GENERATOR = 7

Progress = Callable[[str, int, int], None]
"""Called with a step's name, the work done and the whole work."""


@dataclass(frozen=True)
class PowersOfTau:
    """An SRS of 2^k points in each basis. Of the right lengths, but not checked.

    Parameters
    ----------
    k
        The base-2 logarithm of the number of points.
    monomial, lagrange
        2^k raw points of 64 bytes each.
    g2, tau_g2
        Raw points of 128 bytes.

    Raises
    ------
    FormatError
        If a length is not that of `k`.
    """

    k: int
    monomial: bytes
    lagrange: bytes
    g2: bytes
    tau_g2: bytes

    def __post_init__(self) -> None:
        """Check the lengths."""
        if not 1 <= self.k <= MAX_K:
            raise FormatError(f"an SRS has between 2^1 and 2^{MAX_K} points, not 2^{self.k}")
        points = RAW_G1_BYTES << self.k
        if (len(self.monomial), len(self.lagrange)) != (points, points):
            raise FormatError(f"an SRS of 2^{self.k} points does not have that many points")
        if (len(self.g2), len(self.tau_g2)) != (RAW_G2_BYTES, RAW_G2_BYTES):
            raise FormatError("the points of G2 in an SRS do not have 128 bytes each")

    def head(self) -> SrsHead:
        """Return the string's head.

        Raises
        ------
        FormatError
            If a point of the head is invalid, or the string does not begin with the standard generators.
        """
        if self.monomial[:RAW_G1_BYTES] != encode_g1_points([G1_GENERATOR]) or (
            self.g2 != encode_g2_point(G2_GENERATOR)
        ):
            raise FormatError("the SRS does not begin with the standard generators of BN254")
        [tau_g1] = decode_g1_points(self.monomial[RAW_G1_BYTES : 2 * RAW_G1_BYTES], first=1)
        return SrsHead(tau_g1, _decode_g2(self.tau_g2))


def domain_generator(k: int, base: int = _GENERATOR) -> int:
    """Return the generator base^((r - 1) / 2^k) of the domain of order 2^k; by default halo2's."""
    return pow(base, (SCALAR_FIELD - 1) >> k, SCALAR_FIELD)


def decode_g1_points(raw: bytes, first: int = 0) -> list[G1Point]:
    """Return the points of G1 that `raw` holds.

    Parameters
    ----------
    raw
        Points of 64 bytes, back to back.
    first
        The number that a message gives to the first of them.

    Raises
    ------
    FormatError
        If a coordinate is not canonical, or a point is at infinity or off the curve.
    """
    points = []
    for i in range(0, len(raw), RAW_G1_BYTES):
        x, y = int.from_bytes(raw[i : i + 32], "little"), int.from_bytes(raw[i + 32 : i + 64], "little")
        point = (x * _FROM_MONTGOMERY % BASE_FIELD, y * _FROM_MONTGOMERY % BASE_FIELD)
        if x >= BASE_FIELD or y >= BASE_FIELD or not on_g1(point):
            number = first + i // RAW_G1_BYTES
            raise FormatError(
                f"point {number} of the SRS is not on the curve G1, or its coordinates are not canonical"
            )
        points.append(point)
    return points


def encode_g1_points(points: Iterable[G1Point]) -> bytes:
    """Return points of G1 as 64 raw bytes each."""
    return b"".join(_encode_coordinate(c) for point in points for c in point)


def encode_g2_point(point: G2Point) -> bytes:
    """Return a point of G2 as 128 raw bytes."""
    return b"".join(_encode_coordinate(c) for element in point for c in element)


def _encode_coordinate(c: int) -> bytes:
    return (c * _TO_MONTGOMERY % BASE_FIELD).to_bytes(32, "little")


def _decode_g2(raw: bytes) -> G2Point:
    words = [int.from_bytes(raw[i : i + 32], "little") for i in range(0, RAW_G2_BYTES, 32)]
    x0, x1, y0, y1 = (word * _FROM_MONTGOMERY % BASE_FIELD for word in words)
    point = ((x0, x1), (y0, y1))
    if max(words) >= BASE_FIELD or not on_g2(point):
        raise FormatError("a point of the SRS is not in the group G2, or its coordinates are not canonical")
    return point
