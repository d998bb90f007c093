"""Making receipts: what the service says of an answer, signed. `service.receipt_check` says what one is, and
checks it.

The key is an Ed25519 key in a PEM file (PKCS #8), readable by its owner alone. To rotate: make a new file,
give the service that one, and add its public key to the keyrings of those who check; the old public key stays
there for as long as its receipts are to hold.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic_core import to_json
from securesystemslib.signer import CryptoSigner

from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.tensor import IntArray
from circuits.trace import input_commitments
from contracts.packing import output_hashes
from service.receipt_check import Receipt, Sample

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:verinfer:receipt:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_KEY_BYTES = 4096


class ReceiptSigner:
    """Signs receipts with one key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes_raw()
        """32 bytes."""
        self.key_id: str = CryptoSigner(private_key).public_key.keyid
        """What a receipt says of who signed it; see `service.receipt_check.key_id`."""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ReceiptSigner:
        """The signer with the key in a file.

        Raises
        ------
        InputError
            If the file cannot be read, holds no such key, or others than its owner may read it.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(MAX_KEY_BYTES + 1)
        except OSError as error:
            raise InputError(f"cannot read the receipt key {path}: {error.strerror or error}") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(f"others may read the receipt key {path}: chmod 600 {path}")
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError(f"{path} holds no private key in PEM without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(f"{path} holds a key of another kind than Ed25519")
        return cls(key)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> ReceiptSigner:
        """A signer with a new key, which is in the file before this returns.

        Raises
        ------
        InputError
            If there is such a file already, or it cannot be written.
        """
        signer = CryptoSigner.generate_ed25519()
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o600)
                file.write(signer.private_bytes)
                file.flush()
                os.fsync(handle)
        except FileExistsError:
            raise InputError(f"{path} exists already: a key is never overwritten") from None
        except OSError as error:
            raise InputError(f"cannot write the receipt key {path}: {error.strerror or error}") from None
        return cls.load(path)

    def sign(self, receipt: Receipt) -> str:
        """The receipt as it is handed out: an envelope in canonical JSON."""
        payload = to_json(statement(receipt))
        # The envelope is put together here: the library takes as long for it as the signature takes.
        message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
        encoded, signature = (
            base64.b64encode(part).decode() for part in (payload, self._private_key.sign(message))
        )
        return (
            f'{{"payload":"{encoded}","payloadType":"{PAYLOAD_TYPE}",'
            f'"signatures":[{{"keyid":"{self.key_id}","sig":"{signature}"}}]}}'
        )


def statement(receipt: Receipt) -> dict[str, Any]:
    """The in-toto statement that is signed. Its keys are in order: JSON of it is canonical as it is."""
    samples = [
        {
            "input_commitment": sample.input_commitment.hex(),
            "output_commitment": sample.output_commitment.hex(),
        }
        for sample in receipt.samples
    ]
    return {
        "_type": STATEMENT_TYPE,
        "predicate": {
            "circuit_id": receipt.circuit_id.hex(),
            "job": receipt.job,
            "model": {"name": receipt.model, "version": receipt.version},
            "samples": samples,
            "tier": receipt.tier,
            "time": receipt.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        },
        "predicateType": PREDICATE_TYPE,
        "subject": [
            {"digest": {"keccak256": sample["output_commitment"]}, "name": f"output/{i}"}
            for i, sample in enumerate(samples)
        ],
    }


def samples_of(circuit: Circuit, inputs: Sequence[IntArray], outputs: Sequence[IntArray]) -> list[Sample]:
    """What receipts say of the samples of a batch.

    Parameters
    ----------
    inputs, outputs
        The integers for each port, shaped (batch, *port's shape).

    Raises
    ------
    InputError, BoundError
        If they do not fit the circuit.
    """
    pairs = zip(input_commitments(circuit, inputs), output_hashes(circuit, outputs), strict=True)
    return [Sample(*pair) for pair in pairs]
