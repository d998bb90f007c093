"""Checking proofs of the sumcheck backend.

Sections of a proof: `argument`, the prover's messages. One proof is for a batch of one or more samples.
"""

from __future__ import annotations

from circuits.errors import FormatError
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import recipient_word
from verifier.statement import by_port, samples_of
from verifier.sumcheck.argument import Instance, verify
from verifier.sumcheck.key import decode_key

PROOF_SECTIONS = frozenset({"argument"})


def verify_proof(proof: Proof, key: VerifyingKey) -> None:
    """Check a proof whose names and public values `verifier.verify` has checked.

    Raises
    ------
    CheckFailed
        If it is invalid.
    FormatError
        If the sections of the proof or the key are not those of this backend.
    """
    SumcheckVerifier(key).check(proof)


class SumcheckVerifier:
    """A key, decoded once, for checking one proof after another."""

    def __init__(self, key: VerifyingKey) -> None:
        """Take a key.

        Raises
        ------
        FormatError
            If its sections are not those of a key of this backend.
        """
        self._key = key
        self._parts = decode_key(key)
        self._plan = self._parts.plan(1)

    def check(self, proof: Proof) -> None:
        """See `verify_proof`."""
        if set(proof.sections) != PROOF_SECTIONS:
            raise FormatError("this proof is invalid: its sections are not those of the sumcheck backend")
        batch = samples_of(proof.statement, self._key.circuit)
        if batch != self._plan.batch:
            self._plan = self._parts.plan(batch)
        argument, claimed = proof.sections["argument"], instance(proof, self._key)
        verify(argument, self._plan, claimed, self._parts.parameters, self._key.srs)


def instance(proof: Proof, key: VerifyingKey) -> Instance:
    """What a proof claims, as the argument takes it."""
    return Instance(
        context(key, proof.recipient),
        by_port(proof.inputs, key.circuit.inputs) if proof.committed is None else [],
        by_port(proof.outputs, key.circuit.outputs),
        proof.committed,
    )


def context(key: VerifyingKey, recipient: bytes) -> bytes:
    """What the transcript absorbs first: the SRS, the circuit, the key and the recipient, 32 bytes each."""
    return key.srs_id + key.circuit_id + key.digest + recipient_word(recipient)
