"""`verinfer input`, and the way of a committed input through setup, prove and verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak

from circuits.builder import CircuitBuilder
from circuits.circuit import Port
from circuits.file import save
from tests.verinfer.conftest import Commands

X, Z = np.arange(-6, 6).reshape(3, 4) / 8, [0, 9, 4]


@pytest.fixture(scope="module")
def folder(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A circuit with a real and a whole input, a key that commits to inputs and one that does not."""
    folder = tmp_path_factory.mktemp("committed")
    b = CircuitBuilder()
    x, z = b.input("x", (3, 4), -100, 100, 0.125, "real"), b.input("z", (3,), 0, 9, 1.0, "int")
    y = b.add("matmul", [x, b.constant(np.arange(-6, 6).reshape(4, 3))])
    y = b.add("rescale", [b.add("mul", [y, z])], mul=1, shift=4, lo=-90, hi=90)
    save(b.build([Port("y", y, 1.0, "int")], {}), folder / "m.circuit")
    np.savez(folder / "x.npz", x=X, z=np.array(Z))
    np.savez(folder / "other.npz", x=X, z=np.array([0, 9, 5]))
    np.savez(folder / "batch.npz", x=np.stack([X, X]), z=np.array([Z, Z]))
    (folder / "ints.json").write_text(json.dumps({"input_ints": [list(range(-6, 6)), Z]}))
    commands.run("srs", "generate", "--k", "8", folder=folder)
    commands.json("setup", "m.circuit", "-o", "public.vk", folder=folder)
    made = commands.json("setup", "m.circuit", "--commit-inputs", folder=folder)
    assert made["inputs"] == "committed"
    return folder


@pytest.fixture(scope="module")
def commitment(commands: Commands, folder: Path) -> dict[str, Any]:
    return commands.json("input", "commit", "m.circuit", "x.npz", "-o", "x.commitment", folder=folder)


def test_one_input_has_one_commitment(commands: Commands, folder: Path, commitment: dict[str, Any]) -> None:
    assert json.loads((folder / "x.commitment").read_text()) == commitment
    points = b"".join(bytes.fromhex(point[2:]) for point in commitment["points"])
    parts = [
        keccak(b"verinfer input commitment v1"),
        bytes.fromhex(commitment["input_root"][2:]),
        keccak(points),
    ]
    assert commitment["input_commitment"] == "0x" + keccak(b"".join(parts)).hex()
    for model, data in (("m.vk", "x.npz"), ("m.vk", "ints.json"), ("m.circuit", "ints.json")):
        assert commands.json("input", "commit", model, data, folder=folder) == commitment
    other = commands.json("input", "commit", "m.circuit", "other.npz", folder=folder)
    assert other["points"][0] == commitment["points"][0] and other["points"][1] != commitment["points"][1]


def test_a_key_that_takes_values_has_the_root(
    commands: Commands, folder: Path, commitment: dict[str, Any]
) -> None:
    for model in ("public.vk", "m.circuit --key public.vk"):
        made = commands.json("input", "commit", *model.split(), "x.npz", folder=folder)
        assert made["points"] is None
        assert made["input_commitment"] == made["input_root"] == commitment["input_root"]


def test_a_proof_names_the_commitment(commands: Commands, folder: Path, commitment: dict[str, Any]) -> None:
    proven = commands.json("prove", "m.circuit", "x.npz", folder=folder)
    checked = commands.json("verify", "x.proof", "--key", "m.vk", folder=folder)
    for said in (proven, checked):
        assert said["inputs"] == "committed"
        assert said["input_commitment"] == commitment["input_commitment"]
    public = commands.json(
        "prove", "m.circuit", "x.npz", "--key", "public.vk", "-o", "public.proof", folder=folder
    )
    assert public["inputs"] == "public" and public["input_commitment"] == commitment["input_root"]
    assert public["output_ints"] == proven["output_ints"]
    batch = commands.json(
        "prove", "m.circuit", "batch.npz", "--key", "public.vk", "-o", "batch.proof", folder=folder
    )
    assert batch["input_commitment"] is None
    text = commands.run("verify", "x.proof", "--key", "m.vk", folder=folder).stdout
    assert f"input {commitment['input_commitment']}, a commitment" in text
    for name, key in (
        ("x.proof", "m.vk"),
        ("public.proof", "public.vk"),
        (commitment["input_commitment"], "m.vk"),
    ):
        assert commands.json("input", "check", name, "x.npz", "--key", key, folder=folder)["valid"]


def check(commands: Commands, folder: Path, *args: str) -> tuple[int, dict[str, Any], str]:
    response = commands.run("input", "check", *args, "--json", folder=folder)
    return response.code, json.loads(response.stdout), response.stderr


def test_check(commands: Commands, folder: Path, commitment: dict[str, Any]) -> None:
    for name in ("x.commitment", commitment["input_commitment"]):
        for model in (["--key", "m.vk"], ["--key", "m.vk", "--circuit", "m.circuit"]):
            code, said, _ = check(commands, folder, name, "x.npz", *model)
            assert code == 0 and said["valid"] and said["input_commitment"] == commitment["input_commitment"]
        code, said, error = check(commands, folder, name, "other.npz", "--key", "m.vk")
        assert code == 1 and not said["valid"] and said["reason"] in error
    assert check(commands, folder, commitment["input_root"], "x.npz", "--circuit", "m.circuit")[0] == 0
    code, said, _ = check(commands, folder, "x.commitment", "x.npz", "--key", "public.vk")
    assert code == 1 and "for another key" in said["reason"]


def test_check_says_which_half_is_another_inputs(
    commands: Commands, folder: Path, commitment: dict[str, Any]
) -> None:
    other = commands.json("input", "commit", "m.circuit", "other.npz", folder=folder)
    for change, reason in (("input_root", "its root is that"), ("points", "its points are not")):
        mixed = {**commitment, change: other[change]}
        points = keccak(b"".join(bytes.fromhex(point[2:]) for point in mixed["points"]))
        tag, root = keccak(b"verinfer input commitment v1"), bytes.fromhex(mixed["input_root"][2:])
        mixed["input_commitment"] = "0x" + keccak(tag + root + points).hex()
        (folder / "mixed.json").write_text(json.dumps(mixed))
        code, said, _ = check(commands, folder, "mixed.json", "x.npz", "--key", "m.vk")
        assert code == 1 and reason in said["reason"]


def test_what_cannot_be_used(commands: Commands, folder: Path, commitment: dict[str, Any]) -> None:
    def refused(*args: str) -> str:
        return commands.refused("input", *args, folder=folder)

    assert "holds 2 samples" in refused("commit", "m.vk", "batch.npz")
    assert "name a circuit or a verifying key" in refused("check", "x.commitment", "x.npz")
    assert "leave --key out" in refused("commit", "m.vk", "x.npz", "--key", "m.vk")
    assert "cannot read" in refused("check", "nothing", "x.npz", "--key", "m.vk")
    (folder / "half.npz").write_bytes((folder / "x.npz").read_bytes())
    np.savez(folder / "half.npz", X, np.array([0.5, 9, 4]))
    assert "takes integers, but was given fractions" in refused("commit", "m.vk", "half.npz")
    np.savez(folder / "far.npz", X * 1000, np.array(Z))
    assert "outside its bound" in refused("commit", "m.vk", "far.npz")
    assert "of one sample, not 2" in commands.refused("prove", "m.circuit", "batch.npz", folder=folder)
    assert "leave --commit-inputs out" in commands.refused(
        "setup", "m.circuit", "--commit-inputs", "--backend", "ezkl", folder=folder
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 5000,
        '{"points": 1}',
        {"points": ["0x12"]},
        {"points": []},
        {"input_root": "0x12"},
        {"input_commitment": "0x" + "00" * 32},
        {"key_digest": 3},
        {"more": 1},
    ],
)
def test_a_damaged_commitment_is_refused(
    content: str | dict[str, Any], commands: Commands, folder: Path, commitment: dict[str, Any]
) -> None:
    text = content if isinstance(content, str) else json.dumps({**commitment, **content})
    (folder / "damaged").write_text(text)
    said = commands.refused("input", "check", "damaged", "x.npz", "--key", "m.vk", folder=folder)
    assert "input commitment" in said


def test_the_label_of_a_committed_image(commands: Commands, digits: Path, tmp_path: Path) -> None:
    """No pixel and no logit is said: the proof names the image, and answers with the digit."""
    calibration = digits / "calibration.npz"
    model = ("--calibration", calibration, "-o", "mlp.circuit", "--return", "argmax")
    commands.json("compile", digits / "mlp.onnx", *model, folder=tmp_path)
    commands.json("srs", "generate", "--k", "10", folder=tmp_path)
    commands.json("setup", "mlp.circuit", "--commit-inputs", folder=tmp_path)
    proven = commands.json(
        "prove", "mlp.circuit", digits / "sample.json", "-o", "digit.proof", folder=tmp_path
    )
    assert len(proven["output_ints"]) == 1 and proven["output_ints"][0] in range(10)
    said = commands.json("verify", "digit.proof", "--key", "mlp.vk", folder=tmp_path)
    assert said["valid"] and said["outputs"] == proven["output_ints"]
    check = ("digit.proof", digits / "sample.json", "--key", "mlp.vk")
    assert commands.json("input", "check", *check, folder=tmp_path)["valid"]
    refused = commands.refused("compile", digits / "mlp.onnx", "--return", "top-k", folder=tmp_path)
    assert "expected argmax, or top-k=K" in refused
