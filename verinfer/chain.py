"""The way between proof files and contracts: which model of a registry a proof belongs to, and what to
send."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from circuits.errors import ChainError, CheckFailed, InputError
from contracts.artifact import Artifact
from contracts.chain import Chain, Deployed
from contracts.ezkl_tier import PROOF_SYSTEM, encode_proof, halo2_code_hash
from contracts.inference import InferenceVerifier
from contracts.registry import Model, Registration, TierKey
from contracts.solc import compile_solidity
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.statement import input_commitment

HALO2_CONTRACT = "Halo2Verifier"


def generated_verifier(key: VerifyingKey) -> Artifact:
    """The contract that checks proofs of an ezkl key, compiled from the source in the key.

    Raises
    ------
    InputError
        If the key is of another backend, or the Solidity compiler is not installed.
    """
    if "solidity" not in key.sections:
        raise InputError(
            f"a key of the {key.backend} backend has no contract of its own: for a chain make one with "
            "`verinfer setup --backend ezkl`"
        )
    return _compiled(key.sections["solidity"])


@lru_cache(maxsize=8)
def _compiled(source: bytes) -> Artifact:
    return compile_solidity(source.decode("utf-8"), HALO2_CONTRACT)


def deploy_verifier(chain: Chain, key: VerifyingKey) -> tuple[TierKey, Deployed]:
    """Deploy a key's verifier, and say what a registration fixes of it."""
    artifact = generated_verifier(key)
    deployed = chain.deploy(artifact)
    tier = TierKey.for_verifier(chain, PROOF_SYSTEM, deployed.address, key.digest)
    if tier.code_hash != halo2_code_hash(artifact):
        raise ChainError(
            f"the code at {deployed.address} is not the code that was deployed: is the endpoint honest?"
        )
    return tier, deployed


def registration(
    key: VerifyingKey, tier: TierKey, uri: str = "", content_hash: bytes = bytes(32)
) -> Registration:
    """What to register for a key."""
    return Registration(
        key.header, key.ops_root, key.weights_root, key.scales_hash, (tier,), uri, content_hash
    )


def find_model(verifier: InferenceVerifier, key: VerifyingKey, model_id: int | None) -> Model:
    """The registered model that a key belongs to, its verifier compared with the one the key gives.

    Raises
    ------
    CheckFailed
        If the model was registered with another circuit, key or verifier.
    ChainError
        If there is no such model.
    """
    code_hash = halo2_code_hash(generated_verifier(key))
    registry = verifier.registry
    if model_id is not None:
        model = registry.model(model_id)
        model.require(key.circuit_id, PROOF_SYSTEM, key.digest, code_hash)
        return model
    refusal: CheckFailed | ChainError | None = None
    for model in registry.models_of(key.circuit_id):
        try:
            model.require(key.circuit_id, PROOF_SYSTEM, key.digest, code_hash)
        except (CheckFailed, ChainError) as error:
            refusal = error
        else:
            return model
    raise refusal or ChainError(
        f"circuit 0x{key.circuit_id.hex()} is not registered at {registry.address}: "
        "verinfer contract register"
    )


def verify_on_chain(
    proof: Proof,
    key: VerifyingKey,
    rpc_url: str,
    address: str,
    model_id: int | None,
    chain_id: int | None = None,
) -> dict[str, Any]:
    """Have the contract at an address check a proof in a free call.

    Returns
    -------
    dict
        `valid`, `reason`, and if valid `gas` (for a transaction that records it) and `model_id`.

    Raises
    ------
    ChainError
        If the question cannot be put.
    """
    verifier = InferenceVerifier(Chain.connect(rpc_url, chain_id=chain_id), address)
    return check(verifier, find_model(verifier, key, model_id), proof, key)


def check(verifier: InferenceVerifier, model: Model, proof: Proof, key: VerifyingKey) -> dict[str, Any]:
    """Have a contract check a proof of a registered model; see `verify_on_chain`."""
    commitment = input_commitment(proof.inputs, key.circuit)
    payload = encode_proof(proof.inputs, proof.sections["proof"])
    try:
        verified = verifier.verify(model.model_id, commitment, proof.outputs, payload)
    except CheckFailed as error:
        return {"valid": False, "reason": str(error)}
    return {"valid": True, "reason": "", "gas": verified.gas, "model_id": hex(model.model_id)}
