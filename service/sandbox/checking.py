"""What is done in the sandbox to check a proof: reading it, and verifying it against a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from circuits.errors import InputError
from service.sandbox.files import PROOF
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.verify import verify

SHOWN = 1000
"""How many outputs a verdict lists."""


def read_proof(arguments: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Say what a proof names: the circuit, the backend, and the key."""
    proof = Proof.load(PROOF)
    return {
        "circuit_id": proof.circuit_id.hex(),
        "backend": proof.backend,
        "key_digest": proof.key_digest.hex(),
    }


def check_proof(arguments: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Check a proof.

    Parameters
    ----------
    arguments
        "keys": files with verifying keys. The proof is checked against the one that it names, or, where it
        names none of them, against the first.

    Returns
    -------
    dict
        The verdict; "key" is the place of the key in the list.
    """
    progress("reading")
    proof = Proof.load(PROOF)
    keys = [VerifyingKey.load(name) for name in arguments["keys"]]
    if not keys:
        raise InputError("there is no key to check the proof against")
    chosen = next((i for i, key in enumerate(keys) if key.digest == proof.key_digest), 0)
    progress("verifying")
    verdict = verify(proof, keys[chosen])
    return {
        "valid": verdict.valid,
        "reason": verdict.reason,
        "key": chosen,
        "backend": keys[chosen].backend,
        "circuit_id": verdict.circuit_id.hex(),
        "outputs": list(verdict.outputs[:SHOWN]),
        "output_count": len(verdict.outputs),
        "inputs": "public" if proof.committed is None else "committed",
        "input_commitment": None if verdict.input_commitment is None else verdict.input_commitment.hex(),
        "recipient": verdict.recipient,
        "insecure_srs": verdict.insecure_srs,
    }
