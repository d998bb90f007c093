"""Provers who know a challenge of the opening: see `test_challenge_attacks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from tests.prover.circuits_to_prove import rescale
from tests.prover.sumcheck.foretelling import NUMBERS, foretold, forged_in, refused_but_where_foretold
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.test_relation_attacks import trial_of
from tests.prover.sumcheck.trials import from_words, holds, words
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.hyperkzg import interpolate

HALF = pow(2, -1, SCALAR_FIELD)


class Opening:
    """A false output of a circuit whose outputs are committed, all steps passed but the opening.

    What the combination of chunks is claimed to open to is then false by some number.
    """

    def __init__(self) -> None:
        self.trial = trial_of(rescale((0, 100), 1, 3, None, None), [40] * 20)
        first, *others = self.trial.instance.outputs[0]
        self.instance = Instance(self.trial.context, self.trial.instance.inputs, [[first + 1, *others]])
        self.forger = Forger(self.trial, instance=self.instance)
        self.bits = self.trial.plan.options.chunk_bits
        self.proof = words(forged_in(NUMBERS, self.forger))
        self.point, self.value, self.drawn = self._claimed()
        self.rho, self.q, self.zeta = NUMBERS[self.drawn : self.drawn + 3]
        x = self.point[0]
        self.plus = (1 - x) * HALF + x * pow(2 * self.rho, -1, SCALAR_FIELD)
        self.minus = (1 - x) * HALF - x * pow(2 * self.rho, -1, SCALAR_FIELD)

    def _claimed(self) -> tuple[Sequence[int], int, int]:
        """The point and the value of the opening, and how many challenges were drawn before it."""
        seen: list[Any] = []

        def look(messages: Any, scalars: Any, commitments: Any, point: Any, value: int) -> None:
            seen.extend([point, value, len(NUMBERS) - len(list(messages._transcript.left))])

        with foretold(NUMBERS), patch("verifier.sumcheck.argument.verify_opening", look):
            holds(from_words(self.proof), self.trial.plan, self.instance, self.trial.parameters)
        return seen[0], seen[1], seen[2]

    def opened_by(self, open_: Any) -> bytes:
        """The proof with another opening: `open_(speaker, device, vector, point)`."""
        with patch("prover.sumcheck.merge._open", open_):
            return forged_in(NUMBERS, self.forger)

    def last_value(self, at_minus_rho: int) -> int:
        """What P_{l-1}(rho) must be for the claimed value to be right."""
        return (self.value - self.minus * at_minus_rho) * pow(self.plus, -1, SCALAR_FIELD) % SCALAR_FIELD

    def folded(self, device: Any, vector: Any) -> list[Any]:
        """P_0, ..., P_{l-1}."""
        made = [vector]
        for x in list(reversed(self.point))[:-1]:
            made.append(device.fold_pairs(made[-1], x))
        return made


def test_rho_known_before_the_folds() -> None:
    """P_{l-1} is a parabola with the right value at rho^2, and at rho and -rho what the false value needs."""
    opening = Opening()
    rho = opening.rho

    def open_(speaker: Any, device: Any, vector: Any, point: Any) -> None:
        *folds, last = opening.folded(device, vector)
        at_minus = device.evaluate(last, -rho % SCALAR_FIELD)
        at_square = device.evaluate(last, rho * rho % SCALAR_FIELD)
        points = (rho, -rho % SCALAR_FIELD, rho * rho % SCALAR_FIELD)
        parabola = _coefficients(points, (opening.last_value(at_minus), at_minus, at_square))
        _say_opening(speaker, device, [*folds, device.vector(parabola)])

    proof = opening.opened_by(open_)
    refused_but_where_foretold(opening.trial, NUMBERS, proof, opening.instance)


def test_q_known_before_the_values() -> None:
    """Errors in the values of P_0 and P_{l-1} that cancel in their sum with powers of q."""
    opening = Opening()
    bits, q, proof = opening.bits, opening.q, opening.proof
    square = len(proof) - 4 - 2 * bits - 1
    rho_values, minus_values = square + 1, square + 1 + bits
    error = opening.last_value(proof[minus_values + bits - 1]) - proof[rho_values + bits - 1]
    x = opening.point[-1]
    first = -error * pow(q, bits - 1, SCALAR_FIELD)
    folded = first * ((1 - x) * HALF + x * pow(2 * opening.rho, -1, SCALAR_FIELD))
    # then the value of P_1(rho^2) moves by `folded`, and that of P_0(rho^2) makes up for it
    for place, moved in ((rho_values + bits - 1, error), (rho_values, first), (square, -q * folded)):
        proof[place] = (proof[place] + moved) % SCALAR_FIELD
    # the quotient is made of the polynomials alone, and stays
    refused_but_where_foretold(opening.trial, NUMBERS, from_words(proof), opening.instance)


def test_zeta_known_before_the_quotient() -> None:
    """Any values pass with a constant quotient W = (B(zeta) - R(zeta)) / Z(zeta)."""
    opening = Opening()
    zeta, rho = opening.zeta, opening.rho

    def open_(speaker: Any, device: Any, vector: Any, point: Any) -> None:
        folds = opening.folded(device, vector)
        roots = (rho, -rho % SCALAR_FIELD, rho * rho % SCALAR_FIELD)
        values = [[device.evaluate(fold, root) for fold in folds] for root in roots]
        values[0][-1] = opening.last_value(values[1][-1])
        # the verifier makes P_i(rho^2) of the values of P_{i-1}: all are right, as only the last value is not
        claims = [_combined(each, opening.q) for each in values]
        b = device.combine(folds, [pow(opening.q, i, SCALAR_FIELD) for i in range(len(folds))])
        vanishing = (zeta - roots[0]) * (zeta - roots[1]) * (zeta - roots[2]) % SCALAR_FIELD
        lacking = device.evaluate(b, zeta) - interpolate(roots, claims, zeta, _inverse)
        quotient = lacking * pow(vanishing, -1, SCALAR_FIELD) % SCALAR_FIELD
        speaker.say_bytes(b"".join(device.commit(fold) for fold in folds[1:]))
        for said in ([values[2][0]], values[0], values[1]):
            speaker.say(said)
        speaker.say_bytes(device.commit(device.vector([quotient])))
        speaker.say_bytes(device.commit(device.divide_linear(b, zeta)))

    proof = opening.opened_by(open_)
    refused_but_where_foretold(opening.trial, NUMBERS, proof, opening.instance)


def _say_opening(speaker: Any, device: Any, folds: list[Any]) -> None:
    """What `prover.sumcheck.merge` says of an opening, for any polynomials."""
    transcript = speaker.transcript
    speaker.say_bytes(b"".join(device.commit(fold) for fold in folds[1:]))
    rho = transcript.challenge()
    roots = (rho, -rho % SCALAR_FIELD, rho * rho % SCALAR_FIELD)
    speaker.say([device.evaluate(folds[0], roots[2])])
    for root in roots[:2]:
        speaker.say([device.evaluate(fold, root) for fold in folds])
    q = transcript.challenge()
    combined = device.combine(folds, [pow(q, i, SCALAR_FIELD) for i in range(len(folds))])
    quotient = combined
    for root in roots:
        quotient = device.divide_linear(quotient, root)
    speaker.say_bytes(device.commit(quotient))
    zeta = transcript.challenge()
    vanishing = (zeta - roots[0]) * (zeta - roots[1]) * (zeta - roots[2])
    rest = device.combine([combined, quotient], [1, -vanishing % SCALAR_FIELD])
    speaker.say_bytes(device.commit(device.divide_linear(rest, zeta)))


def _combined(values: Sequence[int], q: int) -> int:
    return sum(pow(q, i, SCALAR_FIELD) * value for i, value in enumerate(values)) % SCALAR_FIELD


def _inverse(value: int) -> int:
    return pow(value, -1, SCALAR_FIELD)


def _coefficients(points: Sequence[int], values: Sequence[int]) -> list[int]:
    """Of the parabola through three points."""
    at = [interpolate(points, values, x, _inverse) for x in (0, 1, 2)]
    square = (at[2] - 2 * at[1] + at[0]) * HALF % SCALAR_FIELD
    return [at[0], (at[1] - at[0] - square) % SCALAR_FIELD, square]
