"""The commands for a chain, on a real one: the whole way of a model, and every way to ask wrongly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from contracts.devchain import Anvil
from tests.verinfer.conftest import Commands
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verinfer.demo import forgeries

# The first of the ten accounts that every anvil funds; its key is public.
KEY = {"VERINFER_PRIVATE_KEY": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"}
ROOM = {"memory": 64 << 30, "seconds": 300}


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


@pytest.fixture(scope="module")
def proved(
    commands: Commands, compiled: Path, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("proved")
    shutil.copy(compiled / "mlp.circuit", folder)
    shutil.copy(digits / "sample.json", folder / "mlp.json")
    estimate = commands.json("inspect", "mlp.circuit", folder=folder, **ROOM)["estimates"]["ezkl"]
    commands.json("srs", "generate", "--k", estimate["srs"].removeprefix("2^"), folder=folder, **ROOM)
    made = commands.json("setup", "mlp.circuit", "--backend", "ezkl", folder=folder, **ROOM)
    assert made["insecure_srs"]
    assert commands.json("setup", "mlp.circuit", "--check", "mlp.vk", folder=folder, **ROOM)["valid"]
    proof = commands.json("prove", "mlp.circuit", "mlp.json", folder=folder, **ROOM)
    ran = commands.json("run", "mlp.circuit", "mlp.json", folder=folder)
    assert [ran["output_ints"][0][0][0]] == [proof["output_ints"]]
    return folder


@pytest.fixture(scope="module")
def chain(commands: Commands, proved: Path, anvil: Anvil) -> OnChain:
    rpc = ("--rpc", anvil.url)
    deployed = commands.json("contract", "deploy", *rpc, folder=proved, environment=KEY, **ROOM)
    contract = deployed["addresses"]["InferenceVerifier"]
    where = (*rpc, "--contract", contract)
    commands.json("contract", "commit", "mlp.circuit", *where, folder=proved, environment=KEY, **ROOM)
    registered = commands.json(
        "contract", "register", "mlp.circuit", *where, folder=proved, environment=KEY, **ROOM
    )
    return OnChain(proved, anvil.url, contract, registered)


def test_a_proof_is_valid_here_and_on_the_chain(commands: Commands, chain: OnChain) -> None:
    found = commands.json("verify", "mlp.proof", "--key", "mlp.vk", *chain.where, folder=chain.folder, **ROOM)
    assert found["valid"] and found["model_id"] == chain.registered["model_id"]
    assert 300_000 < found["gas"] < 1_200_000


def test_the_model_is_found_by_its_circuit(commands: Commands, chain: OnChain) -> None:
    circuit_id = chain.registered["circuit_id"]
    (model,) = commands.json("contract", "lookup", circuit_id, *chain.where, folder=chain.folder, **ROOM)[
        "models"
    ]
    assert model["model_id"] == chain.registered["model_id"]
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
