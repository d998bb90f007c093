"""Whom a proof is for: addresses as text, and the proof's own word on it."""

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import FormatError, InputError
from tests.verifier.test_proof_and_key import rewrite
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE, read_address, recipient_word, show_address, shown_recipient
from verifier.verify import verify

ALICE = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")


@given(st.binary(min_size=20, max_size=20).filter(any))
def test_an_address_and_its_text(address: bytes) -> None:
    text = show_address(address)
    assert text == to_checksum_address(address) == shown_recipient(address)
    assert read_address(text) == read_address(text.lower()) == address
    assert recipient_word(address) == bytes(12) + address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not an address"),
        (show_address(ALICE)[2:], "is not an address"),
        (show_address(ALICE)[:-1], "is not an address"),
        (show_address(ALICE) + "0", "is not an address"),
        (show_address(ALICE) + "\n", "is not an address"),
        ("vitalik.eth", "is not an address"),
        (show_address(ALICE).replace("F", "f", 1), "wrong checksum"),
        ("0x" + "00" * 20, "nobody's"),
    ],
)
def test_a_recipient_that_is_none(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_address(text)


def test_a_proof_keeps_its_recipient(proof: Proof) -> None:
    assert proof.recipient == proof.statement.recipient == ANYONE and shown_recipient(ANYONE) is None
    for_alice = replace(proof, recipient=ALICE)
    assert Proof.decode(for_alice.encode()) == for_alice != proof
    assert for_alice.statement.recipient == ALICE


@pytest.mark.parametrize("value", ["", "0x", show_address(ALICE), "0x" + "00" * 19, "0x" + "0g" * 20])
def test_one_encoding_of_a_recipient(proof: Proof, value: str) -> None:
    with pytest.raises(FormatError, match="recipient is not 0x and 40 lower-case"):
        Proof.decode(rewrite(proof.encode(), recipient=value))


@pytest.mark.parametrize("value", [b"", bytes(32), "0x" + "00" * 20, None])
def test_a_recipient_of_another_length_or_type(proof: Proof, value: object) -> None:
    with pytest.raises(FormatError, match="recipient is not 20 bytes"):
        replace(proof, recipient=value)  # type: ignore[arg-type]


def test_whoever_asks_for_a_recipient_gets_no_other(proof: Proof, key: VerifyingKey) -> None:
    """Whatever else is wrong with the proof."""
    for_alice = replace(proof, recipient=ALICE)
    other = "0x" + "12" * 20
    assert verify(for_alice, key, other).reason == f"the proof is for {show_address(ALICE)}, not for {other}"
    assert verify(proof, key, other).reason == f"the proof is for anyone, not for {other}"
    assert verify(for_alice, key).recipient == show_address(ALICE)
    with pytest.raises(InputError, match="is not an address"):
        verify(proof, key, "Alice")
