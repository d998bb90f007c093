"""The prover's messages: a sequence of 32-byte words, each read once, in order, and absorbed at once.

Scalars are canonical big-endian words. A point of G1 is two words, x and y; two zero words are the point at
infinity, the commitment to zero.
"""

from __future__ import annotations

from circuits.errors import CheckFailed
from verifier.bn254 import G1_BYTES, SCALAR_FIELD, G1Point, decode_g1
from verifier.sumcheck.transcript import WORD_BYTES, Transcript

INFINITY = bytes(G1_BYTES)


class Messages:
    """Reads a proof, and has the transcript absorb what it reads."""

    def __init__(self, proof: bytes, transcript: Transcript) -> None:
        self._proof, self._at = proof, 0
        self._transcript = transcript

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

    def scalar(self) -> int:
        """The next scalar. Raises CheckFailed as `scalars` does."""
        return self.scalars(1)[0]

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
