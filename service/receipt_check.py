"""Checking a receipt: what the holder of an answer runs. Nothing here is used to make one.

A receipt is a DSSE envelope around an in-toto Statement v1, both as canonical JSON (sorted keys, no spaces):

    envelope   {"payload": base64, "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"keyid": ..., "sig": base64}]}
    statement  {"_type": ".../Statement/v1", "predicate": {...}, "predicateType": "urn:verinfer:receipt:v1",
                "subject": [{"digest": {"keccak256": ...}, "name": "output/0"}, ...]}

The subjects are the outputs of the samples in order, by their commitments. There is one encoding of a
receipt, and no part of it that the signature leaves open, so that whatever was changed is refused.

Specifications: github.com/in-toto/attestation (Statement v1), github.com/secure-systems-lab/dsse (v1.0).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from circuits.errors import CheckFailed, FormatError
from circuits.json_depth import too_deep

MAX_RECEIPT_BYTES = 1 << 22
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_PREDICATE = {"circuit_id", "job", "model", "samples", "tier", "time"}


@dataclass(frozen=True)
class Sample:
    """What names one sample's input and output.

    Attributes
    ----------
    input_commitment
        The Merkle root over the packed inputs, 32 bytes.
    output_commitment
        keccak256 of the packed outputs, as in a claim, 32 bytes.
    """

    input_commitment: bytes
    output_commitment: bytes


@dataclass(frozen=True)
class Receipt:
    """What a service says of an answer.

    Attributes
    ----------
    circuit_id
        What was computed, 32 bytes.
    model, version
        What the service calls it.
    tier
        How the answer is to be settled, or "none".
    time
        When it was given, UTC.
    job
        The job that settles it, if there is one.
    samples
        What was asked and answered, in order.
    """

    circuit_id: bytes
    model: str
    version: str
    tier: str
    time: datetime
    job: str | None
    samples: tuple[Sample, ...]


class Keyring:
    """The public keys of a service that one believes: its present one, and those before it.

    A key is known by its id, which follows from the key itself; a receipt says which one signed it.
    """

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        """Raise FormatError if a public key, Ed25519 in 32 bytes, is none."""
        self._keys: dict[str, SSlibKey] = {}
        for public_key in public_keys:
            if len(public_key) != 32:
                raise FormatError(f"a public key of Ed25519 has 32 bytes, not {len(public_key)}")
            key = SSlibKey(key_id(public_key), "ed25519", "ed25519", {"public": public_key.hex()})
            self._keys[key.keyid] = key

    def find(self, keyid: str) -> SSlibKey | None:
        """The key with an id, if it is here."""
        return self._keys.get(keyid)


def key_id(public_key: bytes) -> str:
    """The id of an Ed25519 key: SHA-256 of its securesystemslib metadata in canonical JSON, hexadecimal."""
    metadata = {"keytype": "ed25519", "keyval": {"public": public_key.hex()}, "scheme": "ed25519"}
    return hashlib.sha256(_canonical(metadata)).hexdigest()


def check_receipt(receipt: bytes | str, keyring: Keyring) -> Receipt:
    """What a receipt says, if a key of the keyring signed it.

    Raises
    ------
    FormatError
        If it is no receipt, or not in its one encoding.
    CheckFailed
        If none of the keys signed it.
    """
    data = receipt.encode(errors="replace") if isinstance(receipt, str) else receipt
    if len(data) > MAX_RECEIPT_BYTES:
        _refuse(f"it has {len(data)} bytes, over the limit of {MAX_RECEIPT_BYTES}")
    outer = _object(data, "the envelope")
    envelope, keyid = _envelope(outer)
    key = keyring.find(keyid)
    if key is None:
        raise CheckFailed(f"the receipt is signed by the key {keyid}, which is not in the keyring")
    try:
        envelope.verify([key], threshold=1)
    except VerificationError:
        raise CheckFailed(f"the receipt's signature is not one of the key {keyid}") from None
    return _receipt(_object(envelope.payload, "the statement"))


def _envelope(outer: Mapping[str, Any]) -> tuple[Envelope, str]:
    _fields(outer, {"payload", "payloadType", "signatures"}, "the envelope")
    if outer["payloadType"] != "application/vnd.in-toto+json":
        _refuse("its payload is no in-toto statement")
    signatures = outer["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        _refuse("it must have exactly one signature")
    _fields(signatures[0], {"keyid", "sig"}, "the signature")
    if not all(isinstance(text, str) for text in (outer["payload"], *signatures[0].values())):
        _refuse("payload, keyid and sig must be strings")
    try:
        envelope = Envelope.from_dict({**outer, "signatures": [dict(signatures[0])]})
    except ValueError:
        _refuse("its payload or signature is no base64")
    if envelope.to_dict() != outer:
        _refuse("its base64 is not canonical")
    return envelope, signatures[0]["keyid"]


def _receipt(statement: Mapping[str, Any]) -> Receipt:
    _fields(statement, {"_type", "predicate", "predicateType", "subject"}, "the statement")
    if statement["_type"] != "https://in-toto.io/Statement/v1":
        _refuse("its statement is not of in-toto's version 1")
    if statement["predicateType"] != "urn:verinfer:receipt:v1":
        _refuse(f"its predicate is of the type {statement['predicateType']!r:.80}")
    predicate = statement["predicate"]
    _fields(predicate, _PREDICATE, "the predicate")
    _fields(predicate["model"], {"name", "version"}, "the model")
    texts = (predicate["model"]["name"], predicate["model"]["version"], predicate["tier"])
    job = predicate["job"]
    if not all(isinstance(text, str) for text in texts) or not isinstance(job, str | None):
        _refuse("the model's name and version, the tier and the job must be strings")
    if not isinstance(predicate["samples"], list) or not predicate["samples"]:
        _refuse("it is about no sample")
    samples = tuple(_sample(item) for item in predicate["samples"])
    subjects = [
        {"digest": {"keccak256": sample.output_commitment.hex()}, "name": f"output/{i}"}
        for i, sample in enumerate(samples)
    ]
    if statement["subject"] != subjects:
        _refuse("its subjects are not its samples' outputs")
    return Receipt(
        _hash(predicate["circuit_id"], "circuit_id"), *texts, _time(predicate["time"]), job, samples
    )


def _sample(item: Any) -> Sample:
    _fields(item, {"input_commitment", "output_commitment"}, "a sample")
    return Sample(*(_hash(item[name], name) for name in ("input_commitment", "output_commitment")))


def _hash(text: Any, name: str) -> bytes:
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        _refuse(f"{name} is not 64 hexadecimal digits")
    return bytes.fromhex(text)


def _time(text: Any) -> datetime:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        _refuse("its time is not of the form 2026-01-31T12:00:00.000000Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        _refuse("its time does not exist")


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        text = data.decode()
        value = None if too_deep(text) else json.loads(text)
    except ValueError:
        _refuse(f"{what} is no JSON")
    if not isinstance(value, dict):
        _refuse(f"{what} is no JSON object")
    try:
        canonical = _canonical(value)
    except ValueError:  # half of a surrogate pair, or NaN
        canonical = b""
    if canonical != data:
        _refuse(f"{what} is not in canonical JSON")
    return value


def _canonical(value: Any) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _fields(value: Any, names: set[str], what: str) -> None:
    if not isinstance(value, dict) or set(value) != names:
        _refuse(f"{what} must have the fields {', '.join(sorted(names))} and no others")


def _refuse(reason: str) -> NoReturn:
    raise FormatError(f"this is no receipt: {reason}")
