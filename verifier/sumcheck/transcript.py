"""The Fiat-Shamir transcript: one chain of keccak256, cheap for the EVM.

::

    state <- keccak256(state || words)      absorbs one or more 32-byte words
    state <- keccak256(state)               squeezes the challenge  int(state) mod r

A squeeze hashes 32 bytes and an absorption at least 64, so neither can stand for the other, and how many
words each absorption has follows from the verifying key alone. As 2^256 / r is 5.3, no challenge is more
likely than 1.14 / r.
"""

from __future__ import annotations

from collections.abc import Iterable

from eth_hash.auto import keccak

from verifier.bn254 import SCALAR_FIELD

WORD_BYTES = 32
_TAG = keccak(b"verinfer sumcheck argument v1")


class Transcript:
    """All that the prover has said so far, and the source of challenges."""

    def __init__(self) -> None:
        self._state = _TAG

    def absorb(self, words: bytes) -> None:
        """Take in one or more words.

        Parameters
        ----------
        words
            A positive multiple of 32 bytes.
        """
        if not words or len(words) % WORD_BYTES:
            raise ValueError(f"a transcript takes whole words, not {len(words)} bytes")
        self._state = keccak(self._state + words)

    def absorb_scalars(self, scalars: Iterable[int]) -> None:
        """Take in elements of the scalar field in canonical form."""
        self.absorb(b"".join(scalar.to_bytes(WORD_BYTES, "big") for scalar in scalars))

    def challenge(self) -> int:
        """An element of the scalar field that depends on everything absorbed before."""
        self._state = keccak(self._state)
        return int.from_bytes(self._state, "big") % SCALAR_FIELD

    def challenges(self, count: int) -> tuple[int, ...]:
        """`count` challenges, one after another."""
        return tuple(self.challenge() for _ in range(count))
