"""The commands for a chain, on a real one: the whole way of a model, and every way to ask wrongly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Port
from circuits.errors import InputError
from contracts import ezkl_tier, sumcheck_tier
from contracts.artifact import load_artifact
from contracts.chain import Chain
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil
from contracts.inference import InferenceVerifier
from contracts.registry import TierKey, new_salt
from prover.backend import key_of
from tests.verinfer.conftest import Commands
from verifier.development_srs import development_head
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import StoredSrs
from verifier.sumcheck.program import compile_program
from verinfer.chain import check, find_model, registration, verify_on_chain
from verinfer.cli import cli
from verinfer.demo import forgeries

# The first of the ten accounts that every anvil funds; its key is public.
KEY = {"VERINFER_PRIVATE_KEY": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"}
ROOM = {"memory": 64 << 30, "seconds": 300}
NO_NODE = {"PATH": ""}
ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@dataclass(frozen=True)
class OnChain:
    """A folder with `mlp.circuit`, `.vk` and `.proof`, and the chain on which the model is registered."""

    folder: Path
    url: str
    contract: str
    registered: dict[str, Any]

    @property
    def where(self) -> tuple[str, str, str, str]:
        """The options that name chain and contract."""
        return "--rpc", self.url, "--contract", self.contract


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture(scope="module", params=["sumcheck", "ezkl"])
def mlp(
    request: pytest.FixtureRequest,
    commands: Commands,
    compiled: Path,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("proved")
    shutil.copy(compiled / "mlp.circuit", folder)
    shutil.copy(digits / "sample.json", folder / "mlp.json")
    estimate = commands.json("inspect", "mlp.circuit", folder=folder, **ROOM)["estimates"][request.param]
    commands.json("srs", "generate", "--k", estimate["srs"].removeprefix("2^"), folder=folder, **ROOM)
    made = commands.json("setup", "mlp.circuit", "--backend", request.param, folder=folder, **ROOM)
    assert made["insecure_srs"]
    assert commands.json("setup", "mlp.circuit", "--check", "mlp.vk", folder=folder, **ROOM)["valid"]
    proof = commands.json("prove", "mlp.circuit", "mlp.json", folder=folder, **ROOM)
    ran = commands.json("run", "mlp.circuit", "mlp.json", folder=folder)
    assert [ran["output_ints"][0][0][0]] == [proof["output_ints"]]
    return folder


@pytest.fixture(scope="module")
def chain(commands: Commands, mlp: Path, anvil: Anvil) -> OnChain:
    rpc = ("--rpc", anvil.url)
    deployed = commands.json("contract", "deploy", *rpc, folder=mlp, environment=KEY, **ROOM)
    contract = deployed["addresses"]["InferenceVerifier"]
    where = (*rpc, "--contract", contract)
    commands.json("contract", "commit", "mlp.circuit", *where, folder=mlp, environment=KEY, **ROOM)
    registered = commands.json(
        "contract", "register", "mlp.circuit", *where, folder=mlp, environment=KEY, **ROOM
    )
    return OnChain(mlp, anvil.url, contract, registered)


def test_a_proof_is_valid_here_and_on_the_chain(commands: Commands, chain: OnChain) -> None:
    found = commands.json("verify", "mlp.proof", "--key", "mlp.vk", *chain.where, folder=chain.folder, **ROOM)
    assert found["valid"] and found["model_id"] == chain.registered["model_id"]
    assert 300_000 < found["gas"] < 1_200_000


def test_the_model_is_found_by_its_circuit(commands: Commands, chain: OnChain) -> None:
    circuit_id = chain.registered["circuit_id"]
    found = commands.json("contract", "lookup", circuit_id, *chain.where, folder=chain.folder, **ROOM)
    [model] = [model for model in found["models"] if model["model_id"] == chain.registered["model_id"]]
    key = VerifyingKey.load(chain.folder / "mlp.vk")
    assert model["tiers"][0]["key_digest"] == "0x" + key.digest.hex()
    nobody = commands.json("contract", "lookup", "0x" + "11" * 32, *chain.where, folder=chain.folder, **ROOM)
    assert nobody["models"] == []


@pytest.mark.parametrize("what", ["a changed byte", "another answer"])
def test_a_forgery_exits_with_1(commands: Commands, chain: OnChain, what: str) -> None:
    forged = forgeries(Proof.load(chain.folder / "mlp.proof"))[what]
    forged.save(chain.folder / "forged.proof")
    response = commands.run(
        "verify", "forged.proof", "--key", "mlp.vk", "--json", folder=chain.folder, **ROOM
    )
    assert response.code == 1
    assert json.loads(response.stdout)["valid"] is False


def test_a_proof_for_another_key_exits_with_1(commands: Commands, chain: OnChain) -> None:
    proof = Proof.load(chain.folder / "mlp.proof")
    replace(proof, key_digest=bytes(32)).save(chain.folder / "other.proof")
    response = commands.run("verify", "other.proof", "--key", "mlp.vk", folder=chain.folder, **ROOM)
    assert response.code == 1 and "key" in response.stderr


def test_a_key_of_another_circuit_fails_the_check(commands: Commands, chain: OnChain, digits: Path) -> None:
    folder = chain.folder
    commands.json(
        "compile", digits / "mlp.onnx", "--calibration", digits / "calibration.npz", "--bits", "11",
        "-o", "other.circuit", folder=folder,
    )  # fmt: skip
    response = commands.run("setup", "other.circuit", "--check", "mlp.vk", folder=folder, **ROOM)
    assert response.code == 1 and "not the key" in response.stderr
    message = commands.refused(
        "contract",
        "register",
        "other.circuit",
        "--key",
        "mlp.vk",
        *chain.where,
        folder=folder,
        environment=KEY,
        **ROOM,
    )
    assert "the key is for circuit" in message


def test_nothing_is_registered_without_a_commitment(commands: Commands, chain: OnChain) -> None:
    args = ("contract", "register", "mlp.circuit", "--salt", "none.salt", *chain.where)
    message = commands.refused(*args, folder=chain.folder, environment=KEY, **ROOM)
    assert "commit" in message


def test_a_salt_is_never_overwritten(commands: Commands, chain: OnChain) -> None:
    args = ("contract", "commit", "mlp.circuit", *chain.where)
    assert "exists" in commands.refused(*args, folder=chain.folder, environment=KEY, **ROOM)


BAD = {
    "no chain": (("--rpc", "http://127.0.0.1:9", "--contract", "0x" + "11" * 20), "no chain answers"),
    "no URL": (("--rpc", "nonsense", "--contract", "0x" + "11" * 20), "not the http or https URL"),
    "no address": (("--contract", "0x12"), "is not an address"),
    "no code": (("--contract", "0x" + "11" * 20), "holds no code"),
    "no contract": ((), "--contract go together"),
    "a model that is none": (("--model", "0x1"), "ModelNotFound"),
    "a model id that is none": (("--model", "first"), "hexadecimal"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_question_exits_with_2(commands: Commands, chain: OnChain, case: str) -> None:
    options, message = BAD[case]
    rpc = () if "--rpc" in options else ("--rpc", chain.url)
    contract = ("--contract", chain.contract) if "model" in case else ()
    args = ("verify", "mlp.proof", "--key", "mlp.vk", *rpc, *contract, *options)
    assert message in commands.refused(*args, folder=chain.folder, **ROOM)


def test_another_chain_than_expected_is_refused(commands: Commands, chain: OnChain) -> None:
    args = ("contract", "deploy", "--rpc", chain.url, "--chain-id", "1")
    assert "has id 31337, not 1" in commands.refused(*args, folder=chain.folder, environment=KEY, **ROOM)


def test_no_transaction_without_a_private_key(commands: Commands, chain: OnChain) -> None:
    args = ("contract", "deploy", "--rpc", chain.url)
    assert "VERINFER_PRIVATE_KEY" in commands.refused(*args, folder=chain.folder, **ROOM)


# What only the sumcheck tier can be asked, on a smaller circuit.


@dataclass(frozen=True)
class Sumcheck:
    """A folder with `tiny.circuit`, `.vk`, `.json` and `.proof`, and contracts that know the model."""

    folder: Path
    chain: Chain
    deployment: Deployment
    where: tuple[str, str, str, str]

    def register(self, *tiers: TierKey) -> str:
        """Register the circuit with some verifiers, and give the model's id."""
        key = VerifyingKey.load(self.folder / "tiny.vk")
        made, salt = replace(registration(key, tiers[0]), tiers=tiers), new_salt()
        self.deployment.registry.commit(key.circuit_id, salt)
        return hex(self.deployment.registry.register(made, salt).model_id)


@pytest.fixture(scope="module")
def tiny(
    commands: Commands, anvil: Anvil, proved: Path, tmp_path_factory: pytest.TempPathFactory
) -> Sumcheck:
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copytree(proved, folder, dirs_exist_ok=True)
    np.save(folder / "two.npy", np.array([[0.1, 0.2, -0.3, 0.4]] * 2, np.float32))
    chain = anvil.connect()
    deployment = deploy_contracts(chain)
    where = ("--rpc", anvil.url, "--contract", deployment.verifier.address)
    environment = KEY | NO_NODE
    commands.json("contract", "commit", "tiny.circuit", *where, folder=folder, environment=KEY, **ROOM)
    done = commands.run(
        "contract", "register", "tiny.circuit", *where, folder=folder, environment=environment, **ROOM
    )
    assert done.code == 0 and "gas to deploy" in done.stdout and "ether" in done.stdout
    assert "storing part 1 of 1 of the model's program" in done.stderr
    return Sumcheck(folder, chain, deployment, where)


def test_sumcheck_needs_no_node(commands: Commands, tiny: Sumcheck) -> None:
    found = commands.json(
        "verify",
        "tiny.proof",
        "--key",
        "tiny.vk",
        *tiny.where,
        folder=tiny.folder,
        environment=NO_NODE,
        **ROOM,
    )
    assert found["valid"] and found["recipient"] is None and found["gas"] > 100_000
    call = tiny.deployment.verifier._contract.functions.checkInferenceFor(
        int(found["call"]["modelId"], 16), *list(found["call"].values())[1:]
    )
    tiny.chain.call(call)


def test_a_proof_for_a_recipient(commands: Commands, tiny: Sumcheck) -> None:
    folder = tiny.folder
    made = commands.json(
        "prove", "tiny.circuit", "tiny.json", "--recipient", ALICE, "-o", "alice.proof", folder=folder, **ROOM
    )
    assert made["recipient"] == ALICE
    check = ("verify", "alice.proof", "--key", "tiny.vk", *tiny.where)
    for options in ((), ("--recipient", ALICE)):
        found = commands.json(*check, *options, folder=folder, **ROOM)
        assert found["valid"] and found["recipient"] == ALICE and "gas" in found
    shown = commands.run(*check, folder=folder, **ROOM)
    assert shown.code == 0 and f"for {ALICE} only" in shown.stdout
    response = commands.run(*check, "--recipient", BOB, folder=folder, **ROOM)
    assert response.code == 1 and f"is for {ALICE}, not for {BOB}" in response.stderr
    response = commands.run(
        "verify", "tiny.proof", "--key", "tiny.vk", "--recipient", BOB, folder=folder, **ROOM
    )
    assert response.code == 1 and "is for anyone" in response.stderr
    for name, message in (("Alice", "not an address"), (ALICE.replace("f", "F", 1), "checksum")):
        assert message in commands.refused(*check, "--recipient", name, folder=folder, **ROOM)
        arguments = ("prove", "tiny.circuit", "tiny.json", "--recipient", name)
        assert message in commands.refused(*arguments, folder=folder, **ROOM)


def test_a_batch_is_not_for_a_chain(commands: Commands, tiny: Sumcheck) -> None:
    commands.json("prove", "tiny.circuit", "two.npy", "-o", "two.proof", folder=tiny.folder, **ROOM)
    arguments = ("verify", "two.proof", "--key", "tiny.vk", *tiny.where)
    assert "about 2 samples" in commands.refused(*arguments, folder=tiny.folder, **ROOM)


def test_a_model_registered_for_other_proofs(commands: Commands, tiny: Sumcheck) -> None:
    halo2 = tiny.chain.deploy(load_artifact("EzklTier")).address
    other = TierKey.for_verifier(tiny.chain, ezkl_tier.PROOF_SYSTEM, halo2, bytes(32))
    arguments = ("verify", "tiny.proof", "--key", "tiny.vk", *tiny.where, "--model", tiny.register(other))
    message = commands.refused(*arguments, folder=tiny.folder, **ROOM)
    assert "was registered for proofs of ezkl, not of sumcheck" in message


def test_a_model_registered_with_another_program(commands: Commands, tiny: Sumcheck) -> None:
    address = tiny.deployment.verifier.tier(sumcheck_tier.PROOF_SYSTEM)
    assert address is not None
    tier = sumcheck_tier.SumcheckTier(tiny.chain, address)
    key = VerifyingKey.load(tiny.folder / "tiny.vk")
    program = compile_program(key)[:-1] + b"\1"
    tier.store(program)
    model_id = tiny.register(tier.key_of(program, key.digest))
    response = commands.run(
        "verify",
        "tiny.proof",
        "--key",
        "tiny.vk",
        *tiny.where,
        "--model",
        model_id,
        folder=tiny.folder,
        **ROOM,
    )
    assert response.code == 1 and "was registered with another verifier's code" in response.stderr


def test_a_verifier_without_the_tier(commands: Commands, tiny: Sumcheck) -> None:
    verifier, _ = InferenceVerifier.deploy(tiny.chain, tiny.deployment.registry, [])
    arguments = ("verify", "tiny.proof", "--key", "tiny.vk", *tiny.where[:3], verifier.address)
    assert "no tier for sumcheck proofs" in commands.refused(*arguments, folder=tiny.folder, **ROOM)


def test_committed_inputs(commands: Commands, tiny: Sumcheck) -> None:
    folder = tiny.folder
    commands.json("setup", "tiny.circuit", "--commit-inputs", "-o", "committed.vk", folder=folder, **ROOM)
    made = ("tiny.circuit", "tiny.json", "--key", "committed.vk", "-o", "committed.proof")
    commands.json("prove", *made, folder=folder, **ROOM)
    salt = ("tiny.circuit", *tiny.where, "-o", "committed.salt")
    commands.json("contract", "commit", *salt, folder=folder, environment=KEY, **ROOM)
    registering = ("tiny.circuit", *tiny.where, "--key", "committed.vk", "--salt", "committed.salt")
    registered = commands.json("contract", "register", *registering, folder=folder, environment=KEY, **ROOM)
    verifying = ("committed.proof", "--key", "committed.vk", *tiny.where)
    found = commands.json("verify", *verifying, folder=folder, **ROOM)
    assert found["valid"] and found["model_id"] == registered["model_id"]
    named = commands.json("input", "commit", "committed.vk", "tiny.json", folder=folder, **ROOM)
    assert found["call"]["inputCommitment"] == found["input_commitment"] == named["input_commitment"]
    proof = Proof.load(folder / "committed.proof")
    assert proof.committed is not None
    model_id = int(registered["model_id"], 16)
    key = VerifyingKey.load(folder / "committed.vk")
    other = replace(proof, committed=replace(proof.committed, root=bytes(32)))
    model = tiny.deployment.verifier.registry.model(model_id)
    assert check(tiny.deployment.verifier, model, proof, key)["valid"]
    assert not check(tiny.deployment.verifier, model, other, key)["valid"]


def test_inputs_that_are_too_many_for_a_chain() -> None:
    key, proof = key_and_proof_of(70_000)
    with pytest.raises(InputError, match="70,016 bytes, and a contract takes at most 65,536"):
        verify_on_chain(proof, key, "http://127.0.0.1:9", "0x" + "11" * 20, None)


def test_gas_that_no_transaction_may_take(
    tiny: Sumcheck, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiny.folder)
    monkeypatch.setattr("verinfer.chain.verify_on_chain", lambda *arguments: {"gas": (1 << 24) + 1})
    cli.main(["verify", "tiny.proof", "--key", "tiny.vk", *tiny.where], standalone_mode=False)
    shown = capsys.readouterr()
    assert "for 16,777,217 gas" in shown.out and "no transaction of more than 16,777,216 gas" in shown.err


def test_no_contract_for_a_backend(tiny: Sumcheck) -> None:
    key = replace(VerifyingKey.load(tiny.folder / "tiny.vk"), backend="groth16")
    with pytest.raises(InputError, match="no contract checks proofs of the backend 'groth16'"):
        find_model(tiny.deployment.verifier, key, None)


def key_and_proof_of(inputs: int) -> tuple[VerifyingKey, Proof]:
    """Of a circuit that adds up so many bytes; the proof is none."""
    b = CircuitBuilder()
    x = b.input("x", (inputs,), 0, 1, 1.0, "int")
    circuit = b.build([Port("y", b.add("reduce_sum", [x], axes=[0]), 1.0, "int")], {})
    srs = StoredSrs(Path("absent"), 8, development_head(), None, "quick", "")
    key = key_of(circuit, "sumcheck", srs, {})
    return key, Proof("sumcheck", circuit.circuit_id, key.digest, True, (0,) * inputs, (0,))
