"""The prover's messages: a sequence of 32-byte words, each read once, in order, and absorbed at once.

Scalars are canonical big-endian words. A point of G1 is two words, x and y; two zero words are the point at
infinity, the commitment to zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.errors import CheckFailed
from verifier.bn254 import (
    G1_BYTES,
    G2_GENERATOR,
    SCALAR_FIELD,
    G1Point,
    G2Point,
    decode_g1,
    negate_g1,
)
from verifier.msm import Sum, multi_scalar_multiply
from verifier.pairing import pairing_product_is_one
from verifier.sumcheck.multilinear import Point
from verifier.sumcheck.rounds import next_claim, next_claim_at
from verifier.sumcheck.transcript import WORD_BYTES, Transcript

INFINITY = bytes(G1_BYTES)


class Messages:
    """Reads a proof, and has the transcript absorb what it reads. A `Dialogue` with the prover.

    Parameters
    ----------
    proof
        The prover's messages.
    transcript
        It has absorbed what both sides know.
    tau_g2
        [tau]_2 of the SRS of the commitments.
    """

    def __init__(self, proof: bytes, transcript: Transcript, tau_g2: G2Point) -> None:
        self._proof, self._at = proof, 0
        self._transcript, self._tau_g2 = transcript, tau_g2

    def scalars(self, count: int) -> list[int]:
        """The next `count` scalars.

        Raises
        ------
        CheckFailed
            If the proof ends before, or one of them is not canonical.
        """
        words = self._take(count * WORD_BYTES)
        scalars = [int.from_bytes(words[i : i + WORD_BYTES], "big") for i in range(0, len(words), WORD_BYTES)]
        if any(scalar >= SCALAR_FIELD for scalar in scalars):
            raise CheckFailed("a scalar of the proof is not canonical")
        return scalars

    def points(self, count: int) -> list[G1Point | None]:
        """The next `count` points of G1, None for infinity.

        Raises
        ------
        CheckFailed
            If the proof ends before.
        FormatError
            If one of them is not a point of the curve in canonical form.
        """
        words = self._take(count * G1_BYTES)
        return decode_points(words)

    def challenge(self) -> int:
        """The transcript's next challenge."""
        return self._transcript.challenge()

    def challenges(self, count: int) -> Point:
        """The transcript's next challenges."""
        return self._transcript.challenges(count)

    def rounds(self, total: int, count: int, degree: int) -> tuple[Point, int]:
        """See `Dialogue.rounds`. Raises CheckFailed as `scalars`."""
        point = []
        for _ in range(count):
            sent = self.scalars(degree)
            point.append(self.challenge())
            total = next_claim(total, sent, point[-1])
        return tuple(point), total

    def rounds_at(self, total: int, z: Point) -> tuple[Point, int]:
        """See `Dialogue.rounds_at`. Raises CheckFailed as `scalars`."""
        point = []
        for z_k in reversed(z):
            sent = self.scalars(2)
            point.append(self.challenge())
            total = next_claim_at(total, sent, z_k, point[-1])
        return tuple(reversed(point)), total

    def inverse(self, value: int) -> int:
        """1 / value. Raises CheckFailed if `value` is zero."""
        if value % SCALAR_FIELD == 0:
            raise CheckFailed("a challenge is zero, or two are equal")
        return pow(value, -1, SCALAR_FIELD)

    def require_zero(self, value: int, complaint: str) -> None:
        """Raise CheckFailed with the complaint unless the value is zero in the field."""
        if value % SCALAR_FIELD:
            raise CheckFailed(complaint)

    def require_opening(self, scalars: Sequence[int], points: Sequence[Sum], witness: Sum) -> None:
        """Raise CheckFailed unless  e(sum of scalars * points, [1]_2) = e(witness, [tau]_2)."""
        combined = multi_scalar_multiply([scalar % SCALAR_FIELD for scalar in scalars], points)
        negated = None if witness is None else negate_g1(witness)
        if not pairing_product_is_one([(combined, G2_GENERATOR), (negated, self._tau_g2)]):
            raise CheckFailed("the opening's pairing check fails")

    def end(self) -> None:
        """Raise CheckFailed unless the whole proof was read."""
        if self._at != len(self._proof):
            raise CheckFailed(f"the proof has {len(self._proof) - self._at} bytes too many")

    def _take(self, count: int) -> bytes:
        words = self._proof[self._at : self._at + count]
        if len(words) != count:
            raise CheckFailed("the proof is too short")
        self._at += count
        if words:
            self._transcript.absorb(words)
        return words


def decode_points(data: bytes) -> list[G1Point | None]:
    """The points of G1 that a multiple of 64 bytes encodes, None for infinity.

    Raises
    ------
    FormatError
        If one of them is not a point of the curve in canonical form.
    """
    words = [data[i : i + G1_BYTES] for i in range(0, len(data), G1_BYTES)]
    return [None if word == INFINITY else decode_g1(word) for word in words]
