"""Worlds in which challenges are known in advance, to try what a prover could do there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.trials import Trial, holds, known_tau
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.transcript import Transcript


class Recorder(Transcript):
    """A transcript that keeps its challenges."""

    last: Recorder

    def __init__(self) -> None:
        super().__init__()
        self.made: list[int] = []
        self.lengths: list[int] = []
        self.absorbed = 0
        Recorder.last = self

    def absorb(self, words: bytes) -> None:
        super().absorb(words)
        self.absorbed += len(words)

    def challenge(self) -> int:
        self.made.append(super().challenge())
        self.lengths.append(self.absorbed)
        return self.made[-1]


def challenges_of(trial: Trial, proof: bytes, instance: Instance | None = None) -> Recorder:
    """The challenges that a verifier draws."""
    with patch("verifier.sumcheck.argument.Transcript", Recorder), known_tau():
        holds(proof, trial.plan, instance or trial.instance, trial.parameters)
    return Recorder.last


@contextmanager
def foretold(challenges: Sequence[int]) -> Iterator[None]:
    """A world in which the challenges are these, whatever is said.

    Programs draw their challenges themselves: no judge lives in this world.
    """

    class Oracle(Transcript):
        def __init__(self) -> None:
            super().__init__()
            self.left = iter(challenges)

        def challenge(self) -> int:
            return next(self.left)

    alone = patch("tests.prover.sumcheck.trials.JUDGES", [])
    with patch("verifier.sumcheck.argument.Transcript", Oracle), known_tau(), alone:
        yield


def refused_but_where_foretold(
    trial: Trial, challenges: Sequence[int], proof: bytes, instance: Instance
) -> None:
    """Check that the forgery holds in the world of those challenges, and not in ours."""
    with foretold(challenges):
        assert holds(proof, trial.plan, instance, trial.parameters)
    assert not trial.checked(proof, instance)


def forged_in(challenges: Sequence[int], forger: Forger) -> bytes:
    """What a forger says in the world of those challenges."""
    with foretold(challenges):
        return forger.prove()


NUMBERS = [pow(5, 50 + i, SCALAR_FIELD) for i in range(400)]
"""Challenges of such a world."""
