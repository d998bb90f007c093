"""The prover's side of the sumcheck of a sum of products (`verifier.sumcheck.rounds`).

Terms of fewer variables than there are rounds are summed where the variables before their own are zero: until
their own rounds come, such a term is its whole sum times (1 - X) times what the variables bound before left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prover.sumcheck.device import Device, Vector
from prover.sumcheck.transcript import Speaker
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import Point

_HALF = pow(2, -1, SCALAR_FIELD)


@dataclass
class Term:
    """coefficient * sum_x prod_f f(x), of two or three factors of 2^variables elements."""

    variables: int
    factors: list[Vector]
    sum: int
    """The whole sum, without the coefficient."""
    coefficient: int = 1


def prove_rounds(speaker: Speaker, device: Device, terms: Sequence[Term], rounds: int, degree: int) -> Point:
    """Say all rounds of a sumcheck of the sum of the terms. Their factors end as single elements."""
    point = []
    for k in range(rounds):
        remaining = rounds - k
        parts = [_round(device, term, remaining) for term in terms]
        coefficients = [0] * (degree + 1)
        for term, part in zip(terms, parts, strict=True):
            for power, value in enumerate(part):
                coefficients[power] += term.coefficient * value
        sent = [c % SCALAR_FIELD for i, c in enumerate(coefficients) if i != 1]
        speaker.say(sent)
        r = speaker.transcript.challenge()
        point.append(r)
        for term, part in zip(terms, parts, strict=True):
            if term.variables < remaining:
                term.coefficient = term.coefficient * (1 - r) % SCALAR_FIELD
            else:
                term.sum = sum(c * pow(r, i, SCALAR_FIELD) for i, c in enumerate(part)) % SCALAR_FIELD
                term.factors = device.bind(term.factors, r)
    return tuple(point)


def _round(device: Device, term: Term, remaining: int) -> list[int]:
    """The coefficients of a term's part of the next round's polynomial."""
    if term.variables < remaining:
        return [term.sum, -term.sum]
    return round_coefficients(device.product_round(term.factors), term.sum)


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
