"""The prover's side of the messages: what it says is collected, and absorbed as a verifier will absorb it."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.sumcheck.transcript import WORD_BYTES, Transcript


class Speaker:
    """Collects a proof."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self._words: list[bytes] = []

    @property
    def proof(self) -> bytes:
        """All that was said."""
        return b"".join(self._words)

    def say(self, scalars: Sequence[int]) -> None:
        """Say scalars, together."""
        self.say_bytes(b"".join(scalar.to_bytes(WORD_BYTES, "big") for scalar in scalars))

    def say_bytes(self, words: bytes) -> None:
        """Say whole words, together: the encodings of points."""
        if words:
            self._words.append(words)
            self.transcript.absorb(words)
