"""BN254 (alt_bn128): encodings of points, and checks that they are what they claim.

::

    G1: y^2 = x^3 + 3            over F_p
    G2: y^2 = x^3 + 3 / (9 + u)  over F_p^2 = F_p[u] / (u^2 + 1)

G1 has prime order r, so every point on the curve is in the group. The order of G2's curve is a multiple of r:
a point on it may lie outside the group, and is refused.

Points are affine tuples of integers. Encodings are those of the EVM's precompiles (EIP-196, EIP-197):
32-byte big-endian words, for an element a + b*u of F_p^2 first b, then a. The point at infinity is never
valid where a point is decoded.
"""

from functools import lru_cache

from py_ecc.fields import optimized_bn128_FQ2 as FQ2
from py_ecc.optimized_bn128.optimized_curve import is_inf, multiply

from circuits.errors import FormatError

G1Point = tuple[int, int]
Fp2 = tuple[int, int]
"""a + b*u as (a, b)."""
G2Point = tuple[Fp2, Fp2]

BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""p, the order of the field of coordinates."""
SCALAR_FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""r, the order of both groups, and of the field of scalars."""
G1_GENERATOR: G1Point = (1, 2)
G2_GENERATOR: G2Point = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)
G1_BYTES, G2_BYTES = 64, 128

_TWIST_B = (
    19485874751759354771024239261021720505790618469301721065564631296452457478373,
    266929791119991161246907387137283842545076965332900288569378510910307636690,
)
"""3 / (9 + u)."""


def on_g1(point: G1Point) -> bool:
    """Tell whether both coordinates are canonical and the point is on the curve, hence in G1."""
    x, y = point
    return 0 <= x < BASE_FIELD and 0 <= y < BASE_FIELD and (y * y - x * x * x - 3) % BASE_FIELD == 0


@lru_cache(maxsize=16)
def on_g2(point: G2Point) -> bool:
    """Tell whether all coordinates are canonical and the point is on the twist and of order r.

    What was told is kept: most keys have the [tau]_2 of one string.
    """
    x, y = point
    if not all(0 <= c < BASE_FIELD for c in (*x, *y)):
        return False
    cubic = _fp2_mul(_fp2_mul(x, x), x)
    square = _fp2_mul(y, y)
    if any((square[i] - cubic[i] - _TWIST_B[i]) % BASE_FIELD for i in (0, 1)):
        return False
    return bool(is_inf(multiply(_projective_g2(point), SCALAR_FIELD)))


def encode_g1(point: G1Point) -> bytes:
    """Return the 64 bytes of a point of G1."""
    return b"".join(c.to_bytes(32, "big") for c in point)


def encode_g2(point: G2Point) -> bytes:
    """Return the 128 bytes of a point of G2."""
    return b"".join(c.to_bytes(32, "big") for a, b in point for c in (b, a))


def decode_g1(data: bytes) -> G1Point:
    """Return the point of G1 that 64 bytes encode.

    Raises
    ------
    FormatError
        If the length is wrong, a coordinate is not canonical, or the point is at infinity or off the curve.
    """
    if len(data) != G1_BYTES:
        raise FormatError(f"a point of G1 has {G1_BYTES} bytes, not {len(data)}")
    point = (int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"))
    if not on_g1(point):
        raise FormatError("a point is not on the curve G1, or its coordinates are not canonical")
    return point


def decode_g2(data: bytes) -> G2Point:
    """Return the point of G2 that 128 bytes encode.

    Raises
    ------
    FormatError
        If the length is wrong, a coordinate is not canonical, or the point is at infinity, off the curve or
        outside the group.
    """
    if len(data) != G2_BYTES:
        raise FormatError(f"a point of G2 has {G2_BYTES} bytes, not {len(data)}")
    x1, x0, y1, y0 = (int.from_bytes(data[i : i + 32], "big") for i in range(0, G2_BYTES, 32))
    point = ((x0, x1), (y0, y1))
    if not on_g2(point):
        raise FormatError("a point is not in the group G2, or its coordinates are not canonical")
    return point


def negate_g1(point: G1Point) -> G1Point:
    """Return -P. (No point of G1 but infinity has y = 0, since the order of the group is odd.)"""
    return point[0], BASE_FIELD - point[1]


def _fp2_mul(a: Fp2, b: Fp2) -> Fp2:
    return (a[0] * b[0] - a[1] * b[1]) % BASE_FIELD, (a[0] * b[1] + a[1] * b[0]) % BASE_FIELD


def _projective_g2(point: G2Point) -> tuple[FQ2, FQ2, FQ2]:
    return FQ2(point[0]), FQ2(point[1]), FQ2.one()
