"""Checking a proof against a verifying key.

All that does not depend on the proof system is checked here, first: that proof and key speak of the same
backend, circuit, key and SRS, and that every public value is, as a signed integer, within its declared
bounds. The rest is the backend's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from circuits.errors import BoundError, CheckFailed, FormatError, InputError
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import read_address, show_address, shown_recipient
from verifier.statement import check_statement, named_input

BACKENDS = {"sumcheck": "verifier.sumcheck.verify", "ezkl": "verifier.ezkl"}
"""The module of each backend; it has `verify_proof(proof, key)`, which raises CheckFailed."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Parameters
    ----------
    valid
        Whether the proof holds.
    circuit_id
        The circuit of the key.
    outputs
        The outputs that the proof claims; to be believed only if `valid`.
    insecure_srs
        Whether the SRS is one whose tau somebody may know. Such a proof convinces nobody else, even if valid.
    reason
        Why the proof is invalid; empty if it is valid.
    recipient
        The address for which alone the proof holds; None if it is for anyone.
    input_commitment
        What names the input that a valid proof of one sample is about, 32 bytes; None for others.
    """

    valid: bool
    circuit_id: bytes
    outputs: tuple[int, ...]
    insecure_srs: bool
    reason: str
    recipient: str | None
    input_commitment: bytes | None


def verify(proof: Proof, key: VerifyingKey, recipient: str | None = None) -> Verdict:
    """Check a proof against a key that the caller trusts.

    Parameters
    ----------
    proof
        The proof, with its public inputs and outputs.
    key
        The verifying key of the circuit.
    recipient
        The Ethereum address that the proof must have been made for. By default any proof will do, and the
        verdict says whom it is for.

    Returns
    -------
    Verdict
        Valid, or the reason why not.

    Raises
    ------
    InputError
        If this program has no verifier for the key's backend, or the recipient is no address.
    """
    wanted = None if recipient is None else read_address(recipient)
    verify_backend = _backend(key.backend)
    reason = ""
    try:
        _check_names(proof, key)
        if wanted is not None and proof.recipient != wanted:
            raise CheckFailed(
                f"the proof is for {shown_recipient(proof.recipient) or 'anyone'}, "
                f"not for {show_address(wanted)}"
            )
        check_statement(proof.statement, key.circuit)
        verify_backend(proof, key)
    except (CheckFailed, BoundError, FormatError) as error:
        reason = str(error)
    return Verdict(
        not reason,
        key.circuit_id,
        proof.outputs,
        key.insecure_srs,
        reason,
        shown_recipient(proof.recipient),
        None if reason else named_input(proof.statement, key.circuit),
    )


def _check_names(proof: Proof, key: VerifyingKey) -> None:
    if proof.backend != key.backend:
        raise CheckFailed(f"the proof is of backend {proof.backend!r}, the key of {key.backend!r}")
    if proof.circuit_id != key.circuit_id:
        raise CheckFailed(
            f"the proof is for circuit 0x{proof.circuit_id.hex()}, the key for 0x{key.circuit_id.hex()}"
        )
    if proof.key_digest != key.digest:
        raise CheckFailed(
            f"the proof is for the key 0x{proof.key_digest.hex()}, and this key is 0x{key.digest.hex()}: "
            "it was made with another SRS or by another setup"
        )
    if proof.insecure_srs != key.insecure_srs:
        raise CheckFailed("the proof and the key disagree on whether the SRS is insecure")


def _backend(name: str) -> Callable[[Proof, VerifyingKey], None]:
    module = BACKENDS.get(name)
    if module is None:
        raise InputError(
            f"there is no verifier for the backend {name!r} here; known are: {', '.join(BACKENDS)}"
        )
    verifier: Callable[[Proof, VerifyingKey], None] = import_module(module).verify_proof
    return verifier
