"""Receipts: signed, checked, tampered with, and checked again by another library."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from circuits.errors import CheckFailed, FormatError, InputError, VerinferError
from service.receipt_check import Keyring, Receipt, Sample, check_receipt, key_id
from service.receipts import ReceiptSigner, statement

SIGNER = ReceiptSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYRING = Keyring([SIGNER.public_key])
RECEIPT = Receipt(
    circuit_id=b"\x01" * 32,
    model="digits",
    version="3",
    tier="sumcheck",
    time=datetime(2026, 1, 31, 12, 0, 0, 5, UTC),
    job="019a0000-0000-7000-8000-000000000000",
    samples=(Sample(b"\x02" * 32, b"\x03" * 32), Sample(b"\x04" * 32, b"\x05" * 32)),
)
SIGNED = SIGNER.sign(RECEIPT)


def test_what_is_signed_is_read_back() -> None:
    assert check_receipt(SIGNED, KEYRING) == RECEIPT
    assert check_receipt(SIGNED.encode(), KEYRING) == RECEIPT
    jobless = replace(RECEIPT, job=None, tier="none")
    assert check_receipt(SIGNER.sign(jobless), KEYRING) == jobless


def test_every_bit_is_bound() -> None:
    data = SIGNED.encode()
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises((FormatError, CheckFailed)):
                check_receipt(bytes(changed), KEYRING)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values within a JSON value."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from leaves(value[key], (*path, key))


def changed_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    if new is DROPPED:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return copy


DROPPED = object()
OTHERS = (None, True, 0, "", "x", "\ud800", [], {}, ["x"], {"x": "y"}, DROPPED)


def shown(value: object) -> str:
    """The same name for a case in every process."""
    return "dropped" if value is DROPPED else ascii(value)


@pytest.mark.parametrize("new", OTHERS, ids=shown)
def test_every_field_is_bound(new: Any) -> None:
    """A changed statement under the old signature, and one that the service's own key has signed."""
    original = statement(RECEIPT)
    envelope = json.loads(SIGNED)
    for path in leaves(original):
        tampered = changed_at(original, path, new)
        if tampered == original:
            continue
        try:
            payload = canonical(tampered)
        except UnicodeEncodeError:
            payload = json.dumps(tampered).encode()
        kept = {**envelope, "payload": base64.b64encode(payload).decode()}
        with pytest.raises(CheckFailed):
            check_receipt(canonical(kept), KEYRING)
        if path in (("predicate", "job"), ("predicate", "model", "name"), ("predicate", "model", "version"), (
            "predicate", "tier",
        )) and (isinstance(new, str) or (new is None and path[-1] == "job")) and new != "\ud800":  # fmt: skip
            continue  # a text that such a field may have
        with pytest.raises(FormatError):
            check_receipt(signed_payload(payload), KEYRING)


@pytest.mark.parametrize("new", OTHERS, ids=shown)
def test_every_field_of_the_envelope_is_bound(new: Any) -> None:
    envelope = json.loads(SIGNED)
    for path in leaves(envelope):
        tampered = json.dumps(changed_at(envelope, path, new), sort_keys=True, separators=(",", ":"))
        with pytest.raises((FormatError, CheckFailed)):
            check_receipt(tampered, KEYRING)


def canonical(value: dict[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_any_text_is_signed_in_canonical_json() -> None:
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x11000), 0x10FFFF)))
    receipt = replace(RECEIPT, model=text, version=text[::-1])
    assert check_receipt(SIGNER.sign(receipt), KEYRING) == receipt
    assert to_json(statement(receipt)) == canonical(statement(receipt))


def signed_payload(payload: bytes, payload_type: str = "application/vnd.in-toto+json") -> bytes:
    """An envelope made without securesystemslib."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    kind = payload_type.encode()
    signature = key.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    return canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": SIGNER.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def test_cryptography_alone_agrees() -> None:
    """The signature is DSSE's: over the pre-authentication encoding, by plain Ed25519."""
    envelope = json.loads(SIGNED)
    payload, kind = base64.b64decode(envelope["payload"], validate=True), envelope["payloadType"].encode()
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    [signature] = envelope["signatures"]
    public = Ed25519PublicKey.from_public_bytes(SIGNER.public_key)
    public.verify(base64.b64decode(signature["sig"], validate=True), encoded)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature["sig"]), encoded + b" ")
    assert signed_payload(payload).decode() == SIGNED
    said = json.loads(payload)
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicate"]["model"] == {"name": "digits", "version": "3"}
    assert [subject["digest"] for subject in said["subject"]] == [
        {"keccak256": "03" * 32},
        {"keccak256": "05" * 32},
    ]


def test_a_statement_of_another_kind_is_refused() -> None:
    payload = canonical(statement(RECEIPT))
    with pytest.raises(FormatError, match="no in-toto statement"):
        check_receipt(signed_payload(payload, "application/json"), KEYRING)
    with pytest.raises(FormatError, match="canonical"):
        check_receipt(signed_payload(payload + b" "), KEYRING)
    subjects = {**statement(RECEIPT), "subject": statement(RECEIPT)["subject"][::-1]}
    with pytest.raises(FormatError, match="subjects"):
        check_receipt(signed_payload(canonical(subjects)), KEYRING)


def test_one_signature_neither_more_nor_fewer() -> None:
    envelope = json.loads(SIGNED)
    for signatures in ([], envelope["signatures"] * 2):
        with pytest.raises(FormatError, match="one signature"):
            check_receipt(canonical({**envelope, "signatures": signatures}), KEYRING)


def test_base64_has_one_form() -> None:
    envelope = json.loads(SIGNED)
    for payload in (envelope["payload"] + "\n", "*" + envelope["payload"], envelope["payload"] + "===="):
        with pytest.raises(FormatError):
            check_receipt(canonical({**envelope, "payload": payload}), KEYRING)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_else_is_refused(data: bytes | str) -> None:
    with pytest.raises(VerinferError):
        check_receipt(data, KEYRING)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(FormatError):
        check_receipt("[" * 200_000, KEYRING)


def test_a_new_key_takes_over(tmp_path: Path) -> None:
    new = ReceiptSigner.create(tmp_path / "new.pem")
    assert new.key_id != SIGNER.key_id == key_id(SIGNER.public_key)
    later = new.sign(RECEIPT)
    with pytest.raises(CheckFailed, match="not in the keyring"):
        check_receipt(later, KEYRING)
    both = Keyring([SIGNER.public_key, new.public_key])
    assert check_receipt(later, both) == check_receipt(SIGNED, both) == RECEIPT
    with pytest.raises(CheckFailed, match="not in the keyring"):
        check_receipt(SIGNED, Keyring([new.public_key]))
    renamed = json.loads(SIGNED)
    renamed["signatures"][0]["keyid"] = new.key_id
    with pytest.raises(CheckFailed, match="not one of the key"):
        check_receipt(canonical(renamed), both)


def test_the_key_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signer = ReceiptSigner.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ReceiptSigner.load(path).public_key == signer.public_key
    with pytest.raises(InputError, match="never overwritten"):
        ReceiptSigner.create(path)
    assert ReceiptSigner.load(path).public_key == signer.public_key
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        ReceiptSigner.load(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(InputError, match="cannot read"):
        ReceiptSigner.load(path)
    with pytest.raises(InputError, match="cannot write"):
        ReceiptSigner.create(tmp_path / "missing" / "key.pem")
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(InputError, match="no private key"):
        ReceiptSigner.load(path)
    with pytest.raises(FormatError, match="32 bytes"):
        Keyring([b"short"])
