"""The pairing check of BN254, on the field arithmetic of py_ecc.

::

    F_p^2  = F_p[u] / (u^2 + 1)
    F_p^12 = F_p[w] / (w^12 - 18 w^6 + 82),    w^6 = 9 + u

The pairing is the optimal ate pairing of P in G1 and Q in G2, which `untwisted` is (x w^2, y w^3)::

    e(P, Q) = (f(P) * l(P) * m(P)) ^ ((p^12 - 1) / r)

f is Miller's function of [6t + 2] Q, which doubles and adds along the bits of 6t + 2, where t is the curve's
parameter. l and m are the lines through [6t + 2] Q and F(Q), and through their sum and -F(F(Q)), where F
takes coordinates to the power p. py_ecc's own pairing has the same values and takes five times as long: it
adds points of G2 as those of a curve over F_p^12, and works out the last power bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from py_ecc.fields import optimized_bn128_FQ2 as FQ2
from py_ecc.fields import optimized_bn128_FQ12 as FQ12

from verifier.bn254 import BASE_FIELD, G1Point, G2Point

_T = 4965661367192848881
"""p = 36 t^4 + 36 t^3 + 24 t^2 + 6 t + 1,  r = 36 t^4 + 36 t^3 + 18 t^2 + 6 t + 1."""
_W_6 = FQ2((9, 1))

_Affine = tuple[FQ2, FQ2]


def pairing_product_is_one(pairs: Iterable[tuple[G1Point | None, G2Point]]) -> bool:
    """Tell whether the product of e(P, Q) over the pairs is one, as the EVM's precompile does.

    Parameters
    ----------
    pairs
        Points of G1 (None for infinity) and of G2, already checked to be in their groups.

    Returns
    -------
    bool
        Whether the product is one.
    """
    return bool(pairing_product(pairs) == FQ12.one())


def pairing_product(pairs: Iterable[tuple[G1Point | None, G2Point]]) -> FQ12:
    """The product of e(P, Q) over pairs as `pairing_product_is_one` takes them."""
    finite = [(p, q) for p, q in pairs if p is not None]
    product = FQ12.one()
    for steps in zip(*(_steps(q) for _, q in finite), strict=True):
        if steps[0].squares:
            product = product * product
        for (p, _), step in zip(finite, steps, strict=True):
            product = product * step.at(p)
    return _last_power(product)


class _Step:
    """One of Miller's steps: the line of slope s w through the untwisted (x, y)."""

    def __init__(self, squares: bool, slope: FQ2, point: _Affine) -> None:
        self.squares = squares
        """Whether it doubles the point, and the function is squared before."""
        self._slope = slope
        self._rest = slope * point[0] - point[1]

    def at(self, p: G1Point) -> FQ12:
        """The line's value  y_P - s x_P w + (s x - y) w^3,  never zero: neither is y_P."""
        (s, s_u), (rest, rest_u) = (self._slope * -p[0]).coeffs, self._rest.coeffs
        # a + b u = (a - 9 b) + b w^6
        return FQ12((p[1], s - 9 * s_u, 0, rest - 9 * rest_u, 0, 0, 0, s_u, 0, rest_u, 0, 0))


@lru_cache(maxsize=16)
def _steps(q: G2Point) -> list[_Step]:
    """All steps for a point of G2. They are kept: checks are of [1]_2 and of the few [tau]_2 of keys."""
    return list(_walk(q))


def _walk(q: G2Point) -> Iterator[_Step]:
    """As the order of the point is r, no line is vertical."""
    start = (FQ2(q[0]), FQ2(q[1]))
    point = start
    for bit in f"{6 * _T + 2:b}"[1:]:
        x, y = point
        slope = x * x * 3 / (y * 2)
        yield _Step(True, slope, point)
        point = _third(slope, point, point)
        if bit == "1":
            slope = _slope(point, start)
            yield _Step(False, slope, point)
            point = _third(slope, point, start)
    once = _power(start)
    twice = _power(once)
    slope = _slope(point, once)
    yield _Step(False, slope, point)
    point = _third(slope, point, once)
    yield _Step(False, _slope(point, (twice[0], -twice[1])), point)


def _slope(one: _Affine, other: _Affine) -> FQ2:
    return (other[1] - one[1]) / (other[0] - one[0])


def _third(slope: FQ2, one: _Affine, other: _Affine) -> _Affine:
    """The sum of two points, on the line of this slope."""
    x = slope * slope - one[0] - other[0]
    return x, slope * (one[0] - x) - one[1]


def _power(point: _Affine) -> _Affine:
    """The point whose untwisted coordinates are the p-th powers."""
    (x, x_u), (y, y_u) = point[0].coeffs, point[1].coeffs
    for_x, for_y = _twists()
    return FQ2((x, -x_u)) * for_x, FQ2((y, -y_u)) * for_y


@cache
def _twists() -> _Affine:
    """w^(2p - 2) and w^(3p - 3)."""
    return _W_6 ** ((BASE_FIELD - 1) // 3), _W_6 ** ((BASE_FIELD - 1) // 2)


def _last_power(f: FQ12) -> FQ12:
    """f ^ ((p^12 - 1) / r), by

    ::

        (p^12 - 1) / r = (p^6 - 1) (p^2 + 1) (p^4 - p^2 + 1) / r
        (p^4 - p^2 + 1) / r = p^3 + (6 t^2 + 1) p^2 + (-36 t^3 - 18 t^2 - 12 t + 1) p
                              + (-36 t^3 - 30 t^2 - 18 t - 2)
    """
    f = _conjugate(f) / f
    f = _frobenius(f, 2) * f
    # from here on the inverse is the conjugate
    a = f**_T
    b = a**_T
    c = b**_T
    common = c**36 * b**18 * a**12
    by_p = _conjugate(common) * f
    by_one = _conjugate(common * b**12 * a**6 * f * f)
    return _frobenius(f, 3) * _frobenius(b**6 * f, 2) * _frobenius(by_p, 1) * by_one


def _conjugate(f: FQ12) -> FQ12:
    """f^(p^6), which is f at -w."""
    return FQ12([-c if i % 2 else c for i, c in enumerate(f.coeffs)])


def _frobenius(f: FQ12, times: int) -> FQ12:
    """f^(p^times): the p-th power is f at w^p."""
    for _ in range(times):
        total = FQ12.zero()
        for coefficient, power in zip(f.coeffs, _powers_of_w_p(), strict=True):
            total = total + power * int(coefficient)
        f = total
    return f


@cache
def _powers_of_w_p() -> list[FQ12]:
    """w^(i p) for i = 0 .. 11."""
    w_p = FQ12((0, 1, *[0] * 10)) ** BASE_FIELD
    powers = [FQ12.one()]
    while len(powers) < 12:
        powers.append(powers[-1] * w_p)
    return powers
