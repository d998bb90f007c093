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

from collections.abc import Callable, Sequence

from verifier.bn254 import G1_GENERATOR, SCALAR_FIELD
from verifier.msm import Sum
from verifier.scalars import powers
from verifier.sumcheck.dialogue import Dialogue
from verifier.sumcheck.multilinear import Point, inner_product

_HALF = pow(2, -1, SCALAR_FIELD)


def verify_opening(
    dialogue: Dialogue, scalars: Sequence[int], commitments: Sequence[Sum], point: Point, value: int
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
    folded = dialogue.points(variables - 1)
    rho = dialogue.challenge()
    rho_inverse = dialogue.inverse(rho)
    [at_square] = dialogue.scalars(1)
    at_rho = dialogue.scalars(variables)
    at_minus_rho = dialogue.scalars(variables)
    squares = [at_square]
    for x, plus, minus in zip(reversed(point), at_rho, at_minus_rho, strict=True):
        even, odd = (plus + minus) * _HALF, (plus - minus) * (rho_inverse * _HALF)
        squares.append((even + x * (odd - even)) % SCALAR_FIELD)
    dialogue.require_zero(squares.pop() - value, "the committed values do not open to what the proof claims")
    q = dialogue.challenge()
    weights = powers(1, q, variables)
    [quotient] = dialogue.points(1)
    zeta = dialogue.challenge()
    [witness] = dialogue.points(1)
    square = rho * rho % SCALAR_FIELD
    values = [inner_product(weights, each) for each in (at_rho, at_minus_rho, squares)]
    remainder = interpolate((rho, -rho % SCALAR_FIELD, square), values, zeta, dialogue.inverse)
    vanishing = (zeta * zeta - square) * (zeta - square) % SCALAR_FIELD
    dialogue.require_opening(
        [*scalars, *weights[1:], -remainder, -vanishing, zeta],
        [*commitments, *folded, G1_GENERATOR, quotient, witness],
        witness,
    )


def interpolate(points: Sequence[int], values: Sequence[int], at: int, inverse: Callable[[int], int]) -> int:
    """The value at `at` of the polynomial of least degree through three points (Lagrange).

    `inverse` is called once, with zero if two of the points are equal.
    """
    a, b, c = points
    # One inversion for the three denominators: each is a product of two differences.
    first, second, third = a - b, a - c, b - c
    over_all = inverse(first * second % SCALAR_FIELD * third % SCALAR_FIELD)
    to_a, to_b, to_c = at - a, at - b, at - c
    total = values[0] * third % SCALAR_FIELD * to_b % SCALAR_FIELD * to_c
    total -= values[1] * second % SCALAR_FIELD * to_a % SCALAR_FIELD * to_c
    total += values[2] * first % SCALAR_FIELD * to_a % SCALAR_FIELD * to_b
    return total % SCALAR_FIELD * over_all % SCALAR_FIELD
