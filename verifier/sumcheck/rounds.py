"""The sumcheck protocol (Lund, Fortnow, Karloff, Nisan 1992): reducing a sum over a cube to one evaluation.

To show  sum_{x in {0,1}^n} G(x) = T,  each round fixes one variable: the prover sends the polynomial

    g(X) = sum over the variables still free of G(..., X, ...),

the verifier checks g(0) + g(1) = T, draws r, and goes on with T = g(r). In the end T = G(r_1, ..., r_n).
The prover sends g's coefficients but the linear one, which the check determines::

    c_1 = T - 2 c_0 - c_2 - ... - c_d.

Each round a false T survives with probability at most d / r.

For a sum of eq(z, x) G(x) the factor eq is taken out of the rounds (Gruen 2024): a round's polynomial is
eq(z_k, X) * t(X) times what eq was at the variables bound before, and the prover sends t's c_1 and c_2 only,
c_0 following from (1 - z_k) t(0) + z_k t(1) = T. So the last claim is on G alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.bn254 import SCALAR_FIELD


def next_claim(total: int, sent: Sequence[int], challenge: int) -> int:
    """g(challenge), for g with g(0) + g(1) = total and the coefficients c_0, c_2, c_3, ... as sent."""
    constant, *higher = sent
    linear = total - 2 * constant - sum(higher)
    value = 0
    for coefficient in reversed(higher):
        value = (value * challenge + coefficient) % SCALAR_FIELD
    return ((value * challenge + linear) * challenge + constant) % SCALAR_FIELD


def next_claim_at(total: int, sent: Sequence[int], z: int, challenge: int) -> int:
    """t(challenge), for t of degree two with (1 - z) t(0) + z t(1) = total; t's c_1 and c_2 as sent."""
    linear, square = sent
    constant = total - z * (linear + square)
    return ((square * challenge + linear) * challenge + constant) % SCALAR_FIELD
