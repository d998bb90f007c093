"""The encoding of messages: one for each, and nothing read twice or left."""

from __future__ import annotations

import pytest

from circuits.errors import CheckFailed, FormatError
from verifier.bn254 import BASE_FIELD, G2_GENERATOR, SCALAR_FIELD, encode_g1
from verifier.sumcheck.messages import Messages, decode_points
from verifier.sumcheck.transcript import Transcript

POINT = encode_g1((1, 2))


def word(n: int) -> bytes:
    return n.to_bytes(32, "big")


def test_reads_in_order_and_absorbs_each_message_whole() -> None:
    ours, theirs = Transcript(), Transcript()
    messages = Messages(word(5) + word(6) + POINT + bytes(64), ours, G2_GENERATOR)
    assert messages.scalars(2) == [5, 6]
    assert messages.points(0) == []
    assert messages.points(2) == [(1, 2), None]
    messages.end()
    theirs.absorb(word(5) + word(6))
    theirs.absorb(POINT + bytes(64))
    assert ours.challenge() == theirs.challenge()


@pytest.mark.parametrize("scalar", [SCALAR_FIELD, SCALAR_FIELD + 5, 2**256 - 1])
def test_scalars_are_canonical(scalar: int) -> None:
    with pytest.raises(CheckFailed, match="canonical"):
        Messages(word(scalar), Transcript(), G2_GENERATOR).scalars(1)


@pytest.mark.parametrize(
    "point",
    [
        (1, 3),
        (0, 1),
        (1, 0),
        (1 + BASE_FIELD, 2),
        (1, 2 + BASE_FIELD),
        (BASE_FIELD, BASE_FIELD),
        (2**256 - 1, 2),
    ],
)
def test_points_are_on_the_curve_and_canonical(point: tuple[int, int]) -> None:
    with pytest.raises(FormatError):
        Messages(word(point[0]) + word(point[1]), Transcript(), G2_GENERATOR).points(1)
    with pytest.raises(FormatError):
        decode_points(POINT + word(point[0]) + word(point[1]))


def test_the_negative_of_a_point_is_another_point() -> None:
    assert decode_points(word(1) + word(BASE_FIELD - 2)) == [(1, BASE_FIELD - 2)]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63])
def test_a_short_proof(length: int) -> None:
    with pytest.raises(CheckFailed, match="too short"):
        Messages(POINT[:length], Transcript(), G2_GENERATOR).points(1)
    with pytest.raises(CheckFailed, match="too short"):
        Messages(POINT[:length], Transcript(), G2_GENERATOR).scalars(2)


def test_a_long_proof() -> None:
    messages = Messages(word(1) + b"\0", Transcript(), G2_GENERATOR)
    messages.scalars(1)
    with pytest.raises(CheckFailed, match="1 bytes too many"):
        messages.end()
