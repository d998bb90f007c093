"""Sumcheck proofs for a recipient on a chain, and the example contract that pays for one."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_hash.auto import keccak
from web3.contract.contract import ContractFunction

from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.errors import CheckFailed
from contracts.artifact import Artifact
from contracts.build import FOLDER
from contracts.chain import Chain, ContractRefused
from contracts.deployment import Deployment
from contracts.devchain import Anvil
from contracts.inference import encode_outputs
from contracts.registry import new_salt
from contracts.solc import compile_sources
from prover.backends import backend
from prover.progress import silent
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE, show_address
from verifier.srs import SrsStore
from verifier.statement import input_commitment
from verinfer.chain import registration
from verinfer.chain_tiers import chain_tier

SOURCE = "src/examples/DigitPrize.sol"
PRIZE = 10**18


@dataclass
class Player:
    """An account, and a proof for it of what the model reads in the sample."""

    chain: Chain
    address: str
    proof: Proof


@dataclass
class Model:
    """The digits model on the chain, and who has proofs of it."""

    deployment: Deployment
    key: VerifyingKey
    model_id: int
    digit: int
    alice: Player
    bob: Player
    for_anyone: Proof

    def statement(self, proof: Proof) -> tuple[bytes, bytes, bytes]:
        """What a contract is told: commitment, outputs and proof."""
        payload = chain_tier(self.key).payload(self.deployment.verifier, self.key, proof)
        return input_commitment(proof.inputs, self.key.circuit), encode_outputs(proof.outputs), payload

    def verify(self, proof: Proof, recipient: bytes) -> None:
        """Ask the verifier whether a proof holds for a recipient."""
        commitment, _, payload = self.statement(proof)
        self.deployment.verifier.verify(
            self.model_id, commitment, proof.outputs, payload, show_address(recipient)
        )


@pytest.fixture(scope="module")
def model(
    anvil: Anvil, deployment: Deployment, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Model:
    circuit = compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit
    store, sumcheck = SrsStore(tmp_path_factory.mktemp("srs")), backend("sumcheck")
    key = sumcheck.setup(circuit, store.generate, silent).key
    prover, inputs = (
        sumcheck.load(circuit, key, store.find, silent),
        load_inputs(circuit, digits / "sample.json"),
    )

    def player(account: int) -> Player:
        chain = anvil.connect(account)
        assert chain.signer is not None
        address = chain.signer.address
        return Player(chain, address, prover.prove(inputs, silent, bytes.fromhex(address[2:])).proof)

    for_anyone = prover.prove(inputs, silent).proof
    deployed, salt = chain_tier(key).deploy(deployment.verifier, key, silent), new_salt()
    deployment.registry.commit(key.circuit_id, salt)
    model_id = deployment.registry.register(registration(key, deployed.tier), salt).model_id
    digit = for_anyone.outputs.index(max(for_anyone.outputs))
    return Model(deployment, key, model_id, digit, player(1), player(2), for_anyone)


def test_a_proof_holds_for_its_recipient_only(model: Model) -> None:
    alice, bob = model.alice.proof, model.bob.proof
    for proof in (alice, bob, model.for_anyone):
        for recipient in (alice.recipient, bob.recipient, ANYONE):
            if recipient == proof.recipient:
                model.verify(proof, recipient)
                continue
            with pytest.raises(CheckFailed, match="the contract refuses the proof"):
                model.verify(proof, recipient)


def test_a_record_names_the_recipient(model: Model) -> None:
    verifier = model.deployment.verifier
    commitment, output, payload = model.statement(model.alice.proof)
    outputs = model.alice.proof.outputs
    receipt = verifier.record(model.model_id, commitment, outputs, payload, model.alice.address)
    [event] = verifier._contract.events.InferenceVerifiedFor().process_receipt(receipt)
    assert event["args"]["recipient"] == model.alice.address and event["args"]["output"] == output
    assert event["args"]["caller"] == verifier.chain.signer.address  # type: ignore[union-attr]
    with pytest.raises(CheckFailed):
        verifier.record(model.model_id, commitment, outputs, payload)


def test_the_prize(model: Model, chain: Chain) -> None:
    source = (FOLDER / SOURCE).read_text()
    artifact: Artifact = compile_sources({SOURCE: source}, base_path=FOLDER)[SOURCE]["DigitPrize"]
    verifier = model.deployment.verifier.address
    prize = chain.web3.eth.contract(
        address=chain.deploy(artifact, verifier, model.model_id).address, abi=artifact.abi
    )
    funder = chain.signer.address  # type: ignore[union-attr]
    deadline = chain.web3.eth.get_block("latest")["timestamp"] + 3600

    def offer(player: Player, digit: int) -> None:
        call = prize.functions.offer(player.address, digit, deadline)
        digest = call.transact({"from": funder, "value": PRIZE})
        assert chain.web3.eth.wait_for_transaction_receipt(digest)["status"] == 1

    def claim(proof: Proof) -> ContractFunction:
        return prize.functions.claim(funder, *model.statement(proof))

    def refuses(player: Player, proof: Proof, error: str) -> None:
        with pytest.raises(ContractRefused) as refusal:
            player.chain.transact(claim(proof))
        found = refusal.value.revert
        assert error == found.name or keccak(error.encode())[:4] == found.arguments.get("data", b"")[:4], (
            found
        )

    offer(model.alice, model.digit)
    offer(model.bob, (model.digit + 1) % 10)
    for proof in (model.alice.proof, model.for_anyone):  # that Bob saw
        refuses(model.bob, proof, "NotZero")
    refuses(model.bob, model.bob.proof, "WrongDigit(uint256,uint256)")
    before = chain.web3.eth.get_balance(prize.address)
    receipt = model.alice.chain.transact(claim(model.alice.proof))
    assert receipt["gasUsed"] < 800_000
    assert before - chain.web3.eth.get_balance(prize.address) == PRIZE
    [event] = prize.events.PrizePaid().process_receipt(receipt)
    assert event["args"]["player"] == model.alice.address and event["args"]["amount"] == PRIZE
    refuses(model.alice, model.alice.proof, "NothingOffered(address,address)")
    offer(model.alice, model.digit)
    refuses(model.alice, model.alice.proof, "DrawingUsedBefore(bytes32)")
