"""The transcript: its golden values are in docs/protocol.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.transcript import Transcript

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


def test_golden_values() -> None:
    lines = re.findall(
        r"^    (at first|absorb 1, r - 1|absorb 0|challenge) {2,}(\w+)$", PAGE.read_text(), re.M
    )
    assert len(lines) == 5
    transcript = Transcript()
    for action, expected in lines:
        if action == "challenge":
            assert transcript.challenge() == int(expected)
            continue
        if action != "at first":
            transcript.absorb_scalars([1, SCALAR_FIELD - 1] if action == "absorb 1, r - 1" else [0])
        assert transcript._state.hex() == expected


@pytest.mark.parametrize("words", [b"", bytes(31), bytes(33)])
def test_only_whole_words_are_absorbed(words: bytes) -> None:
    with pytest.raises(ValueError, match="whole words"):
        Transcript().absorb(words)


def test_every_word_its_place_and_the_grouping_matter() -> None:
    one, two = (n.to_bytes(32, "big") for n in (1, 2))
    said = [[one, two], [two, one], [one + two], [one], [two], []]
    challenges = set()
    for parts in said:
        transcript = Transcript()
        for part in parts:
            transcript.absorb(part)
        challenges.update(transcript.challenges(2))
    assert len(challenges) == 2 * len(said)
    assert all(0 <= challenge < SCALAR_FIELD for challenge in challenges)
