"""The way between proof files and contracts: which model of a registry a proof belongs to, and what to
send."""

from __future__ import annotations

from typing import Any

from circuits.errors import ChainError, CheckFailed, InputError
from contracts.chain import Chain
from contracts.inference import MAX_INPUT_BYTES, InferenceVerifier, encode_outputs
from contracts.registry import Model, Registration, TierKey
from prover.progress import Progress, silent
from verifier.circuit_header import LEAF_BYTES
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import show_address
from verifier.statement import named_input, samples_of
from verinfer.chain_tiers import CHAIN_TIERS, chain_tier


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
    tier = chain_tier(key)
    code_hash = tier.code_hash(key)
    registry = verifier.registry
    if model_id is not None:
        model = registry.model(model_id)
        _require_tier(model, key)
        model.require(key.circuit_id, tier.system, key.digest, code_hash)
        return model
    refusal: CheckFailed | ChainError | None = None
    for model in registry.models_of(key.circuit_id):
        try:
            _require_tier(model, key)
            model.require(key.circuit_id, tier.system, key.digest, code_hash)
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
    progress: Progress = silent,
) -> dict[str, Any]:
    """Have the contract at an address check a proof in a free call.

    Returns
    -------
    dict
        `valid`, `reason`, and if valid `gas` (for a transaction that records it), `model_id`, and `call`, the
        arguments of `checkInferenceFor` by name.

    Raises
    ------
    InputError
        If no contract takes proofs of so many samples or inputs.
    ChainError
        If the question cannot be put.
    """
    _require_size(proof, key)
    verifier = InferenceVerifier(Chain.connect(rpc_url, chain_id=chain_id), address)
    progress("making the model's verifier from the key")
    model = find_model(verifier, key, model_id)
    progress("asking the contract")
    return check(verifier, model, proof, key)


def check(verifier: InferenceVerifier, model: Model, proof: Proof, key: VerifyingKey) -> dict[str, Any]:
    """Have a contract check a proof of one sample of a registered model; see `verify_on_chain`."""
    commitment = named_input(proof.statement, key.circuit)
    assert commitment is not None, "a proof of several samples"
    payload = chain_tier(key).payload(verifier, key, proof)
    recipient = show_address(proof.recipient)
    try:
        verified = verifier.verify(model.model_id, commitment, proof.outputs, payload, recipient)
    except CheckFailed as error:
        return {"valid": False, "reason": str(error)}
    call = {
        "modelId": hex(model.model_id),
        "inputCommitment": "0x" + commitment.hex(),
        "output": "0x" + encode_outputs(proof.outputs).hex(),
        "proof": "0x" + payload.hex(),
        "recipient": recipient,
    }
    return {"valid": True, "reason": "", "gas": verified.gas, "model_id": call["modelId"], "call": call}


def _require_tier(model: Model, key: VerifyingKey) -> None:
    """Raise ChainError if a model was registered for other proof systems than that of a key."""
    names = {tier.system: name for name, tier in CHAIN_TIERS.items()}
    registered = [names.get(tier.system, "0x" + tier.system.hex()) for tier in model.registration.tiers]
    if key.backend not in registered:
        raise ChainError(
            f"model {model.model_id:#x} was registered for proofs of {' and '.join(registered) or 'no one'}, "
            f"not of {key.backend}: register the circuit with this key too"
        )


def _require_size(proof: Proof, key: VerifyingKey) -> None:
    """Raise InputError if no contract takes proofs of so many samples or inputs."""
    samples = samples_of(proof.statement, key.circuit)
    if samples != 1:
        raise InputError(
            f"the proof is about {samples} samples, and a contract checks proofs of one: "
            "prove them one by one to check them on a chain"
        )
    packed = LEAF_BYTES * sum(port.leaves for port in key.circuit.inputs)
    if proof.committed is None and packed > MAX_INPUT_BYTES:
        raise InputError(
            f"the inputs take {packed:,} bytes, and a contract takes at most {MAX_INPUT_BYTES:,}: "
            "make a sumcheck key with --commit-inputs, whose proofs name a commitment to them"
        )
