"""The prover's side of the sumcheck of a sum of products (`verifier.sumcheck.rounds`).

Terms of fewer variables than there are rounds are summed where the variables before their own are zero: until
their own rounds come, such a term is its whole sum times (1 - X) times what the variables bound before left.

A term's factors need not have its last variables, if the sum over those was already taken; when the others
are bound, `expand` gives the term that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prover.sumcheck.device import Device, Vector
from prover.sumcheck.transcript import Speaker
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import Point

_HALF = pow(2, -1, SCALAR_FIELD)


@dataclass
class Term:
    """coefficient * sum_x prod_f f(x), of two or three factors.

    Parameters
    ----------
    variables
        The number of variables.
    factors
        Vectors of 2^(variables - summed) elements each; or of as many rows, for the sum of the products of
        all columns.
    sum
        The whole sum, without the coefficient.
    summed
        The number of last variables over which the sum was already taken.
    expand
        Given the bound term and the point in the other variables, the term in the last ones.
    """

    variables: int
    factors: list[Vector]
    sum: int
    summed: int = 0
    expand: Callable[[Term, Point], Term] | None = None
    coefficient: int = 1
    polynomial: list[int] = field(default_factory=list)
    """The coefficients of this round's polynomial."""


def prove_rounds(
    speaker: Speaker, device: Device, terms: Sequence[Term], rounds: int, degree: int
) -> tuple[Point, list[Term]]:
    """Say all rounds of a sumcheck of the sum of the terms.

    Returns
    -------
    tuple
        The point, and the terms, whose factors are single elements now, or single rows.
    """
    active = list(terms)
    point: list[int] = []
    for k in range(rounds):
        remaining = rounds - k
        active = [_grown(term, remaining, point, rounds) for term in active]
        coefficients = [0] * (degree + 1)
        for term in active:
            if term.variables < remaining:
                term.polynomial = [term.sum, -term.sum]
            elif not term.polynomial or term.variables == remaining:
                term.polynomial = round_coefficients(device.product_round(term.factors), term.sum)
            for power, value in enumerate(term.polynomial):
                coefficients[power] += term.coefficient * value
        sent = [c % SCALAR_FIELD for i, c in enumerate(coefficients) if i != 1]
        speaker.say(sent)
        r = speaker.transcript.challenge()
        point.append(r)
        for term in active:
            _bind(device, term, remaining, r)
    return tuple(point), active


def _grown(term: Term, remaining: int, point: Sequence[int], rounds: int) -> Term:
    """The term, or the one that takes its place when its factors have no variable left."""
    if term.expand is None or remaining > term.summed:
        return term
    grown = term.expand(term, tuple(point[rounds - term.variables :]))
    grown.coefficient = term.coefficient
    return grown


def _bind(device: Device, term: Term, remaining: int, r: int) -> None:
    """Fix the round's variable, and compute the next round's polynomial in the same pass."""
    if term.variables < remaining:
        term.coefficient = term.coefficient * (1 - r) % SCALAR_FIELD
        return
    term.sum = sum(c * pow(r, i, SCALAR_FIELD) for i, c in enumerate(term.polynomial)) % SCALAR_FIELD
    if remaining - 1 > term.summed:
        term.factors, values = device.bind_round(term.factors, r)
        term.polynomial = round_coefficients(values, term.sum)
    else:
        term.factors = device.bind(term.factors, r)


def round_coefficients(values: Sequence[int], total: int) -> list[int]:
    """The coefficients of g from g(0), g(-1) where the degree is three, the highest one, and g(0) + g(1)."""
    constant, highest = values[0], values[-1]
    at_one = total - constant
    if len(values) == 2:
        return [constant, (at_one - constant - highest) % SCALAR_FIELD, highest]
    at_minus_one = values[1]
    square = ((at_one + at_minus_one) * _HALF - constant) % SCALAR_FIELD
    linear = (at_one - constant - square - highest) % SCALAR_FIELD
    return [constant, linear, square, highest]
