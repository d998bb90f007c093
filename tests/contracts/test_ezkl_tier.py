"""The ezkl tier with verifiers that ezkl generated, on a chain."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from circuits.errors import ChainError, CheckFailed, InputError
from contracts.build import compile_solidity
from contracts.chain import Chain
from contracts.deployment import Deployment
from contracts.ezkl_tier import PROOF_SYSTEM, encode_proof, halo2_code_hash
from contracts.inference import InferenceVerifier, encode_outputs
from contracts.registry import Registration, TierKey, new_salt
from tests.contracts.headers import Header, Port, input_commitment
from tests.contracts.tiny_ezkl import TinyModel, make_tiny_model

P = 21888242871839275222246405745257275088548364400416034343698204186575808495617
INPUTS = [5, -7, 11]
HEADER = Header([Port((1, 3), -100, 100)], [Port((1, 2), -1500, 1500)])


@dataclass
class Registered:
    """A tiny model, its verifier's code hash, and its id in the registry."""

    tiny: TinyModel
    code_hash: bytes
    model_id: int


@dataclass
class Proven:
    """A model with a good proof, laid out for the contract."""

    model: Registered
    verifier: InferenceVerifier
    commitment: bytes
    outputs: list[int]
    proof: bytes

    def verify(self, **changes: object) -> None:
        parts = {"model_id": self.model.model_id, "input_commitment": self.commitment}
        arguments: dict[str, object] = {**parts, "outputs": self.outputs, "proof": self.proof, **changes}
        self.verifier.verify(**arguments)  # type: ignore[arg-type]


def register(chain: Chain, deployment: Deployment, folder: Path, weights: list[list[int]]) -> Registered:
    tiny = make_tiny_model(folder, weights)
    artifact = compile_solidity(tiny.solidity, "Halo2Verifier")
    halo2 = chain.deploy(artifact)
    key_hash = keccak((folder / "vk").read_bytes())
    key = TierKey.for_verifier(chain, PROOF_SYSTEM, halo2.address, key_hash)
    plain = HEADER.registration()
    parts = (plain.header, plain.ops_root, keccak(repr(weights).encode()), plain.scales_hash)
    registration, salt = Registration(*parts, tiers=(key,)), new_salt()
    deployment.registry.commit(registration.circuit_id, salt)
    model_id = deployment.registry.register(registration, salt).model_id
    return Registered(tiny, halo2_code_hash(artifact), model_id)


@pytest.fixture(scope="module")
def proven(chain: Chain, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Proven:
    folder = tmp_path_factory.mktemp("ezkl") / "model"
    model = register(chain, deployment, folder, [[1, -2, 3], [4, 5, -6]])
    halo2_proof, outputs = model.tiny.prove(INPUTS)
    assert outputs == [52, -81]
    commitment = input_commitment(HEADER.inputs, INPUTS)
    return Proven(model, deployment.verifier, commitment, outputs, encode_proof(INPUTS, halo2_proof))


def test_accepts_a_proof(proven: Proven) -> None:
    verified = proven.verifier.verify(proven.model.model_id, proven.commitment, proven.outputs, proven.proof)
    assert verified.model_id == proven.model.model_id
    assert 200_000 < verified.gas < 900_000


def test_records_an_inference(proven: Proven) -> None:
    arguments = (proven.model.model_id, proven.commitment, proven.outputs, proven.proof)
    receipt = proven.verifier.record(*arguments)
    (event,) = proven.verifier._contract.events.InferenceVerified().process_receipt(receipt)
    assert event["args"]["modelId"] == proven.model.model_id
    assert event["args"]["inputCommitment"] == proven.commitment
    assert event["args"]["output"] == encode_outputs(proven.outputs)
    with pytest.raises(CheckFailed, match="InvalidProof"):
        proven.verifier.record(*arguments[:2], [52, -80], proven.proof)


def test_code_hash_is_known_before_deployment(deployment: Deployment, proven: Proven) -> None:
    model = deployment.registry.model(proven.model.model_id)
    key_hash = keccak((proven.model.tiny.folder / "vk").read_bytes())
    model.require(model.circuit_id, PROOF_SYSTEM, key_hash, proven.model.code_hash)


@pytest.mark.parametrize("outputs", [[51, -81], [52, -82], [-81, 52], [0, 0], [52, 81]])
def test_refuses_other_outputs(proven: Proven, outputs: list[int]) -> None:
    with pytest.raises(CheckFailed, match="InvalidProof"):
        proven.verify(outputs=outputs)


@pytest.mark.parametrize("outputs", [[52 + P, -81], [52 - P, -81], [52, P - 81], [52 + 2 * P, -81 - P]])
def test_refuses_outputs_that_are_equal_in_the_field(proven: Proven, outputs: list[int]) -> None:
    assert [value % P for value in outputs] == [value % P for value in proven.outputs]
    with pytest.raises(CheckFailed, match="ValueOutOfBounds"):
        proven.verify(outputs=outputs)


@pytest.mark.parametrize("outputs", [[], [52], [52, -81, 0], [1501, -81], [52, -1501]])
def test_refuses_outputs_that_are_none(proven: Proven, outputs: list[int]) -> None:
    with pytest.raises(CheckFailed, match=r"WrongElementCount|ValueOutOfBounds"):
        proven.verify(outputs=outputs)


@pytest.mark.parametrize("inputs", [[5, -7, 12], [5, 7, 11], [-7, 5, 11], [0, 0, 0]])
def test_refuses_other_inputs(proven: Proven, inputs: list[int]) -> None:
    halo2_proof = proven.proof[4 + 32 * len(INPUTS) :]
    proof, commitment = encode_proof(inputs, halo2_proof), input_commitment(HEADER.inputs, inputs)
    with pytest.raises(CheckFailed, match="InputCommitmentMismatch"):
        proven.verify(proof=proof)
    with pytest.raises(CheckFailed, match="InputCommitmentMismatch"):
        proven.verify(input_commitment=commitment)
    with pytest.raises(CheckFailed, match="InvalidProof"):
        proven.verify(proof=proof, input_commitment=commitment)


@pytest.mark.parametrize("alias", [P, -P])
def test_refuses_inputs_that_are_equal_in_the_field(proven: Proven, alias: int) -> None:
    proof = encode_proof([INPUTS[0] + alias, *INPUTS[1:]], proven.proof[4 + 32 * len(INPUTS) :])
    with pytest.raises(CheckFailed, match="ValueOutOfBounds"):
        proven.verify(proof=proof)


def test_refuses_altered_proofs(proven: Proven) -> None:
    """Flip one random bit anywhere: in the proof system, the inputs or the Halo2 proof."""
    rng = random.Random(6)
    for _ in range(150):
        altered = bytearray(proven.proof)
        position = rng.randrange(len(altered)) if rng.random() < 0.8 else rng.randrange(100)
        altered[position] ^= 1 << rng.randrange(8)
        with pytest.raises((CheckFailed, ChainError)):
            proven.verify(proof=bytes(altered))


def test_refuses_proofs_of_other_lengths(proven: Proven) -> None:
    proof = proven.proof
    for altered in (b"", proof[:3], proof[:4], proof[:99], proof[:-1], proof[:-32], proof + b"\0"):
        with pytest.raises(CheckFailed, match=r"ProofTooShort|WordsMissing|InvalidProof"):
            proven.verify(proof=altered)


def test_refuses_a_proof_made_with_other_weights(
    chain: Chain, deployment: Deployment, proven: Proven, tmp_path: Path
) -> None:
    """A model that differs in one weight, and gives the same outputs on this input, has another key."""
    other = register(chain, deployment, tmp_path / "other", [[1, -2, 3], [15, 5, -11]])
    halo2_proof, outputs = other.tiny.prove(INPUTS)
    assert outputs == proven.outputs
    assert other.code_hash != proven.model.code_hash
    proof = encode_proof(INPUTS, halo2_proof)
    proven.verify(model_id=other.model_id, proof=proof)
    with pytest.raises(CheckFailed, match="InvalidProof"):
        proven.verify(proof=proof)
    with pytest.raises(CheckFailed, match="InvalidProof"):
        proven.verify(model_id=other.model_id)


def test_refuses_a_recipient(proven: Proven) -> None:
    """What a Halo2 proof proves for one address it would prove for every other."""
    recipient = "0x" + "12" * 20
    with pytest.raises(CheckFailed, match=rf"RecipientNotSupported\(recipient={recipient}\)"):
        proven.verify(recipient=recipient)


def test_wrong_place_to_ask_is_no_verdict(proven: Proven) -> None:
    with pytest.raises(ChainError, match="ModelNotFound"):
        proven.verify(model_id=proven.model.model_id ^ 1)
    with pytest.raises(ChainError, match="UnsupportedProofSystem"):
        proven.verify(proof=b"none" + proven.proof[4:])


def test_input_that_fits_no_word() -> None:
    with pytest.raises(InputError, match="does not fit 256 bits"):
        encode_proof([1 << 255], b"")
