"""What each backend's keys and proofs are on a chain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from circuits.errors import ChainError, InputError
from contracts import ezkl_tier, sumcheck_tier
from contracts.artifact import Artifact
from contracts.inference import InferenceVerifier
from contracts.registry import TierKey
from contracts.solc import compile_solidity
from contracts.sumcheck_tier import SumcheckTier
from prover.progress import Progress
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.sumcheck.program import compile_program

HALO2_CONTRACT = "Halo2Verifier"


@dataclass(frozen=True)
class TierDeployment:
    """What was deployed for a key: what a registration fixes of it, the gas it took, and the cost in wei."""

    tier: TierKey
    gas: int
    cost: int


class ChainTier(Protocol):
    """A backend's proofs on a chain."""

    system: bytes
    """The proof system, 4 bytes."""

    def code_hash(self, key: VerifyingKey) -> bytes:
        """The code hash that the verifier of a key has on every chain, 32 bytes."""
        ...

    def deploy(self, verifier: InferenceVerifier, key: VerifyingKey, progress: Progress) -> TierDeployment:
        """Deploy the verifier of a key on the chain of an inference verifier.

        Raises
        ------
        ChainError
            As `Chain.transact`, or if the inference verifier has no such tier.
        """
        ...

    def payload(self, verifier: InferenceVerifier, key: VerifyingKey, proof: Proof) -> bytes:
        """A proof as the contract takes it.

        Raises
        ------
        InputError
            If it is one that no contract takes.
        """
        ...


class EzklOnChain:
    """The contract that ezkl generates for a key, compiled from the source in the key, which takes Node."""

    system = ezkl_tier.PROOF_SYSTEM

    def code_hash(self, key: VerifyingKey) -> bytes:
        """See `ChainTier.code_hash`."""
        return ezkl_tier.halo2_code_hash(_generated(key))

    def deploy(self, verifier: InferenceVerifier, key: VerifyingKey, progress: Progress) -> TierDeployment:
        """See `ChainTier.deploy`."""
        progress("deploying the model's verifier")
        deployed = verifier.chain.deploy(_generated(key))
        tier = TierKey.for_verifier(verifier.chain, self.system, deployed.address, key.digest)
        if tier.code_hash != self.code_hash(key):
            raise ChainError(
                f"the code at {deployed.address} is not the code that was deployed: is the endpoint honest?"
            )
        return TierDeployment(tier, deployed.gas, deployed.cost)

    def payload(self, verifier: InferenceVerifier, key: VerifyingKey, proof: Proof) -> bytes:
        """See `ChainTier.payload`."""
        return ezkl_tier.encode_proof(proof.inputs, proof.sections["proof"])


class SumcheckOnChain:
    """The program that follows from a key, for the one contract that checks the proofs of all models."""

    system = sumcheck_tier.PROOF_SYSTEM

    def code_hash(self, key: VerifyingKey) -> bytes:
        """See `ChainTier.code_hash`."""
        return sumcheck_tier.program_code_hash(_program(key))

    def deploy(self, verifier: InferenceVerifier, key: VerifyingKey, progress: Progress) -> TierDeployment:
        """See `ChainTier.deploy`."""
        progress("compiling the model's program")
        program = _program(key)
        tier = self._tier(verifier)
        stored = tier.store(program, progress)
        return TierDeployment(tier.key_of(program, key.digest), stored.gas, stored.cost)

    def payload(self, verifier: InferenceVerifier, key: VerifyingKey, proof: Proof) -> bytes:
        """See `ChainTier.payload`."""
        accounts = self._tier(verifier).accounts_of(_program(key))
        if proof.committed is not None:
            inputs = proof.committed.encode()
        else:
            inputs = sumcheck_tier.pack_inputs(key.circuit, proof.inputs)
        return sumcheck_tier.encode_proof(accounts[1:], inputs, proof.sections["argument"])

    def _tier(self, verifier: InferenceVerifier) -> SumcheckTier:
        address = verifier.tier(self.system)
        if address is None:
            raise ChainError(f"the verifier at {verifier.address} has no tier for sumcheck proofs")
        return SumcheckTier(verifier.chain, address)


CHAIN_TIERS: dict[str, ChainTier] = {"sumcheck": SumcheckOnChain(), "ezkl": EzklOnChain()}
"""What there is on chains, by backend."""


def chain_tier(key: VerifyingKey) -> ChainTier:
    """What a key's backend has on chains.

    Raises
    ------
    InputError
        If it has nothing there.
    """
    if key.backend not in CHAIN_TIERS:
        raise InputError(f"no contract checks proofs of the backend {key.backend!r}")
    return CHAIN_TIERS[key.backend]


def _generated(key: VerifyingKey) -> Artifact:
    return _compiled(key.sections["solidity"])


@lru_cache(maxsize=8)
def _compiled(source: bytes) -> Artifact:
    return compile_solidity(source.decode("utf-8"), HALO2_CONTRACT)


def _program(key: VerifyingKey) -> bytes:
    return _program_of(key.encode())


@lru_cache(maxsize=8)
def _program_of(key: bytes) -> bytes:
    return compile_program(VerifyingKey.decode(key))
