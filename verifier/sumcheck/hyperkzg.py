"""Opening a committed polynomial at a multilinear point: HyperKZG (Gemini, Bootle et al. 2022; KZG 2010).

A vector g of 2^l values is committed as the univariate polynomial with g as coefficients,
C = sum_i g[i] [tau^i]_1. To show  g~(u) = v,  the prover folds

    P_0 = g,    P_{i+1}[j] = (1 - x_i) P_i[2j] + x_i P_i[2j + 1],    x_i = u_{l-i} (the last variable first),

so that P_l is the constant v, and commits to P_1, ..., P_{l-1}. As polynomials,

    P_{i+1}(X^2) = (1 - x_i) (P_i(X) + P_i(-X)) / 2 + x_i (P_i(X) - P_i(-X)) / (2X),

which is checked at one challenge rho from the values P_i(rho), P_i(-rho) and P_0(rho^2); the values
P_i(rho^2) for i > 0 follow. All values are opened at once: with B = sum_i q^i P_i, whose values at rho, -rho
and rho^2 are then known, and R the polynomial of degree two through them (Boneh et al. 2020),

    B - R = W * Z,  Z = (X - rho)(X + rho)(X - rho^2),    and at a challenge zeta
    B - R(zeta) - Z(zeta) W  has the root zeta:
    e(C_B - R(zeta) [1]_1 - Z(zeta) [W]_1 + zeta [V]_1, [1]_2) = e([V]_1, [tau]_2).
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.errors import CheckFailed
from verifier.bn254 import (
    G1_GENERATOR,
    G2_GENERATOR,
    SCALAR_FIELD,
    G1Point,
    negate_g1,
    pairing_product_is_one,
)
from verifier.msm import Sum, multi_scalar_multiply
from verifier.scalars import invert_all, powers
from verifier.srs_head import SrsHead
from verifier.sumcheck.messages import Messages
from verifier.sumcheck.multilinear import Point
from verifier.sumcheck.transcript import Transcript


def verify_opening(
    messages: Messages,
    transcript: Transcript,
    scalars: Sequence[int],
    commitments: Sequence[Sum],
    point: Point,
    value: int,
    srs: SrsHead,
) -> None:
    """Check that the combination of committed vectors has a value at a point.

    Parameters
    ----------
    scalars, commitments
        The combination: sum_j scalars[j] * commitments[j].
    point
        l coordinates, l > 0.
    value
        The claimed value of the combination's multilinear extension.

    Raises
    ------
    CheckFailed
        If it has another value.
    """
    variables = len(point)
    folded = messages.points(variables - 1)
    rho = transcript.challenge()
    if rho == 0:
        raise CheckFailed("a challenge is zero")
    at_square = messages.scalar()
    at_rho = messages.scalars(variables)
    at_minus_rho = messages.scalars(variables)
    squares = [at_square]
    half, over_2_rho = invert_all([2, 2 * rho % SCALAR_FIELD])
    for x, plus, minus in zip(reversed(point), at_rho, at_minus_rho, strict=True):
        even, odd = (plus + minus) * half, (plus - minus) * over_2_rho
        squares.append((even + x * (odd - even)) % SCALAR_FIELD)
    if squares.pop() != value % SCALAR_FIELD:
        raise CheckFailed("the committed values do not open to what the proof claims")
    q = transcript.challenge()
    weights = powers(1, q, variables)
    [quotient] = messages.points(1)
    zeta = transcript.challenge()
    [witness] = messages.points(1)
    roots = (rho, -rho % SCALAR_FIELD, rho * rho % SCALAR_FIELD)
    values = [
        sum(w * v for w, v in zip(weights, each, strict=True)) for each in (at_rho, at_minus_rho, squares)
    ]
    remainder = interpolate(roots, values, zeta)
    vanishing = 1
    for root in roots:
        vanishing = vanishing * (zeta - root) % SCALAR_FIELD
    combined = multi_scalar_multiply(
        [c % SCALAR_FIELD for c in (*scalars, *weights[1:], -remainder, -vanishing, zeta)],
        [*commitments, *folded, G1_GENERATOR, quotient, witness],
    )
    negated: G1Point | None = None if witness is None else negate_g1(witness)
    if not pairing_product_is_one([(combined, G2_GENERATOR), (negated, srs.tau_g2)]):
        raise CheckFailed("the opening's pairing check fails")


def interpolate(points: Sequence[int], values: Sequence[int], at: int) -> int:
    """The value at `at` of the polynomial of least degree through the points (Lagrange).

    Raises
    ------
    CheckFailed
        If two of the points are equal.
    """
    total = 0
    for i, (x, y) in enumerate(zip(points, values, strict=True)):
        numerator, denominator = y, 1
        for j, other in enumerate(points):
            if j != i:
                numerator = numerator * (at - other) % SCALAR_FIELD
                denominator = denominator * (x - other) % SCALAR_FIELD
        if denominator == 0:
            raise CheckFailed("two challenges are equal")
        total += numerator * pow(denominator, -1, SCALAR_FIELD)
    return total % SCALAR_FIELD
