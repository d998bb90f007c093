"""Files that are not what they should be, handed to every command that reads one: one line, exit code 2,
nothing left behind, and at most a moment of work."""

from __future__ import annotations

import json
import random
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.verinfer.conftest import Commands
from tests.verinfer.hostile_models import floats, ints, model, node

NOT_ONNX: dict[str, bytes] = {
    "empty": b"",
    "text": b"this is a model, honestly\n",
    "json": b'{"graph": []}',
    "zeros": bytes(1000),
    "noise": random.Random(0).randbytes(10_000),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "nothing but a name": b"\x12\x03abc",
}


@pytest.fixture
def workplace(proved: Path, tmp_path: Path) -> Path:
    """A folder of its own with the files of a small proof."""
    shutil.copytree(proved, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("what", NOT_ONNX)
def test_a_file_that_is_no_model_is_refused(what: str, commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(NOT_ONNX[what])
    message = commands.refused("compile", "m.onnx", folder=tmp_path)
    assert "m.onnx is not an ONNX model" in message, message


def test_a_model_that_is_missing_or_a_folder_is_refused(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "missing.onnx" in commands.refused("compile", "missing.onnx", folder=tmp_path)
    assert "folder" in commands.refused("compile", "folder", folder=tmp_path)
    for name in ("/", ".", "..", ""):
        commands.refused("compile", name, folder=tmp_path)


def test_a_truncated_model_is_refused_wherever_it_ends(
    commands: Commands, digits: Path, tmp_path: Path
) -> None:
    data = (digits / "mlp.onnx").read_bytes()
    for length in (1, 10, 100, len(data) // 2, len(data) - 1000, len(data) - 20):
        (tmp_path / "m.onnx").write_bytes(data[:length])
        assert "m.onnx" in commands.refused("compile", "m.onnx", folder=tmp_path)


CALIBRATION: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot read"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "no samples": (lambda path: np.save(path, np.zeros((0, 4))), "empty"),
    "another shape": (lambda path: np.save(path, np.zeros((5, 3))), r"[5, 3]"),
    "NaN": (lambda path: np.save(path, np.full((5, 4), np.nan)), "NaN"),
    "infinite": (lambda path: np.save(path, np.full((5, 4), np.inf)), "infinity"),
    "text": (lambda path: np.save(path, np.full((5, 4), "1")), "not numbers"),
}


@pytest.mark.parametrize("what", CALIBRATION)
def test_bad_calibration_data_are_refused(
    what: str, commands: Commands, proved: Path, tmp_path: Path
) -> None:
    write, says = CALIBRATION[what]
    shutil.copy(proved / "tiny.onnx", tmp_path)
    write(tmp_path / "data.npy")
    message = commands.refused("compile", "tiny.onnx", "--calibration", "data.npy", folder=tmp_path)
    assert says in message and ("data.npy" in message or "'x'" in message), message


INPUTS: dict[str, tuple[object, str]] = {
    "out of bound": ({"input_data": [[0, 0, 0, 1e6]]}, "outside its bound"),
    "NaN": ({"input_data": [[0, 0, 0, float("nan")]]}, "NaN"),
    "too few": ({"input_data": [[0, 0, 0]]}, "[3]"),
    "one too many": ({"input_data": [[0, 0, 0, 0], [0]]}, "2 arrays"),
    "integers out of bound": ({"input_ints": [[0, 0, 0, 10**9]]}, "outside its bound"),
    "fractions for integers": ({"input_ints": [[0, 0, 0, 0.5]]}, "integers only"),
    "another key": ({"inputs": [[0, 0, 0, 0]]}, "input_data"),
}


@pytest.mark.parametrize("what", INPUTS)
def test_bad_inputs_are_refused_before_any_work(what: str, commands: Commands, workplace: Path) -> None:
    value, says = INPUTS[what]
    (workplace / "bad.json").write_text(json.dumps(value))
    for args in (["run", "tiny.circuit", "bad.json"], ["prove", "tiny.circuit", "bad.json"]):
        message = commands.refused(*args, folder=workplace)
        assert says in message, message


def test_a_proof_of_two_samples(commands: Commands, workplace: Path) -> None:
    np.save(workplace / "two.npy", np.array([[0.1, 0.2, -0.3, 0.4], [0, 0, 0, 0.4]], np.float32))
    proved = commands.json("prove", "tiny.circuit", "two.npy", folder=workplace, memory=32 << 30)
    ran = commands.json("run", "tiny.circuit", "two.npy", folder=workplace)
    assert proved["samples"] == 2 and proved["outputs"] == ran["outputs"]
    assert proved["output_ints"] == np.ravel(ran["output_ints"]).tolist()
    checked = commands.json("verify", "two.proof", "--key", "tiny.vk", folder=workplace, memory=32 << 30)
    assert checked["valid"] and checked["outputs"] == proved["output_ints"]


def test_saturation_accepts_what_is_out_of_bound(commands: Commands, workplace: Path) -> None:
    (workplace / "far.json").write_text(json.dumps({"input_data": [[0, 0, 0, -1e6]]}))
    (workplace / "edge.json").write_text(json.dumps({"input_ints": [[0, 0, 0, -4094]]}))
    far = commands.json("run", "tiny.circuit", "far.json", "--saturate", folder=workplace)
    edge = commands.json("run", "tiny.circuit", "edge.json", folder=workplace)
    assert far["output_ints"] == edge["output_ints"]


READERS: dict[str, list[list[str]]] = {
    "tiny.circuit": [
        ["inspect", "tiny.circuit", "--svg", "out.svg"],
        ["run", "tiny.circuit", "tiny.json"],
        ["setup", "tiny.circuit", "-o", "out.vk"],
        ["prove", "tiny.circuit", "tiny.json", "-o", "out.proof"],
    ],
    "tiny.vk": [
        ["prove", "tiny.circuit", "tiny.json", "-o", "out.proof"],
        ["verify", "tiny.proof", "--key", "tiny.vk"],
    ],
    "tiny.proof": [["verify", "tiny.proof", "--key", "tiny.vk"]],
}


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused(name: str, commands: Commands, workplace: Path) -> None:
    """Cut off anywhere, with a byte changed anywhere, with a byte more."""
    path = workplace / name
    data = path.read_bytes()
    rng = random.Random(name)
    places = [0, 3, 8, 9, 15, len(data) - 33, len(data) - 1, *(rng.randrange(len(data)) for _ in range(12))]
    damaged = [data[:k] for k in places] + [data + b"\0", data + data, bytes(len(data))]
    damaged += [data[:k] + bytes([data[k] ^ (1 << rng.randrange(8))]) + data[k + 1 :] for k in places]
    for k, bad in enumerate(damaged):
        path.write_bytes(bad)
        message = commands.refused(*READERS[name][k % len(READERS[name])], folder=workplace)
        assert name in message, message


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_kind_is_refused(name: str, commands: Commands, workplace: Path) -> None:
    others = [
        other
        for other in ("tiny.onnx", "tiny.circuit", "tiny.vk", "tiny.proof", "tiny.json")
        if other != name
    ]
    path = workplace / name
    for k, other in enumerate(others):
        path.write_bytes((workplace / other).read_bytes() if other in READERS else b"{}" * 100)
        assert name in commands.refused(*READERS[name][k % len(READERS[name])], folder=workplace)
    path.unlink()
    assert name in commands.refused(*READERS[name][0], folder=workplace)
    path.mkdir()
    assert name in commands.refused(*READERS[name][0], folder=workplace)


def test_another_version_is_named(commands: Commands, workplace: Path) -> None:
    circuit = workplace / "tiny.circuit"
    circuit.write_bytes(circuit.read_bytes().replace(b'"version":"1"', b'"version":"9"'))
    assert "version '9'" in commands.refused("inspect", "tiny.circuit", folder=workplace)
    for name, at in (("tiny.vk", 8), ("tiny.proof", 8)):
        path = workplace / name
        data = path.read_bytes()
        path.write_bytes(data[:at] + struct.pack(">H", 9) + data[at + 2 :])
        assert "version 9" in commands.refused("verify", "tiny.proof", "--key", "tiny.vk", folder=workplace)
        path.write_bytes(data)


def test_a_circuit_that_is_a_bomb_is_refused_unread(commands: Commands, workplace: Path) -> None:
    """Deep JSON, a header that claims more than there is, shapes that claim terabytes."""
    path = workplace / "tiny.circuit"
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    deep = b'{"__metadata__":' + b"[" * 1_000_000
    bombs = [
        struct.pack("<Q", 1 << 62) + data[8:],
        struct.pack("<Q", len(deep)) + deep,
        data.replace(b'\\"shape\\":[1,4]', b'\\"shape\\":[1,4000000000000]'),
        data.replace(b'\\"shape\\":[1,4]', b'\\"shape\\":[' + b"1," * 100 + b"4]"),
        data.replace(b'\\"hi\\":4094', b'\\"hi\\":' + b"9" * 5000),
        data[:8] + data[8 : 8 + length].replace(b'\\"lo\\":-4094', b'\\"lo\\":NaN') + data[8 + length :],
    ]
    for k, bomb in enumerate(bombs):
        if k >= 2:  # the length of the header follows the change
            grown = len(bomb) - len(data)
            bomb = struct.pack("<Q", length + grown) + bomb[8:]
            assert bomb != data
        path.write_bytes(bomb)
        message = commands.refused(
            "run", "tiny.circuit", "tiny.json", folder=workplace, memory=2 << 30, seconds=20
        )
        assert "tiny.circuit" in message, message


@pytest.mark.parametrize("chunk_bits", [None, 5])
def test_a_key_is_checked_against_a_circuit(
    chunk_bits: int | None, commands: Commands, workplace: Path
) -> None:
    if chunk_bits is not None:
        setup = ("setup", "tiny.circuit", "--chunk-bits", chunk_bits)
        commands.json(*setup, folder=workplace, memory=32 << 30)
    check = ("setup", "tiny.circuit", "--check", "tiny.vk")
    assert commands.json(*check, folder=workplace, memory=32 << 30)["valid"]
    made = model([node("MatMul", "x w", "m"), node("Relu", "m", "y")], [floats("w", 4, 2)])
    (workplace / "other.onnx").write_bytes(made.SerializeToString())
    commands.json("compile", "other.onnx", folder=workplace)
    response = commands.run("setup", "other.circuit", "--check", "tiny.vk", folder=workplace, memory=32 << 30)
    assert response.code == 1 and "tiny.vk is not the key" in response.stderr


def test_keys_and_proofs_of_other_circuits_are_refused(commands: Commands, workplace: Path) -> None:
    made = model([node("MatMul", "x w", "y")], [floats("w", 4, 3)])
    (workplace / "other.onnx").write_bytes(made.SerializeToString())
    commands.json("compile", "other.onnx", folder=workplace)
    message = commands.refused("prove", "other.circuit", "tiny.json", "--key", "tiny.vk", folder=workplace)
    assert "circuit" in message, message
    commands.json("setup", "other.circuit", folder=workplace, memory=32 << 30)
    response = commands.run("verify", "tiny.proof", "--key", "other.vk", folder=workplace)
    assert response.code in (1, 2) and response.stderr.count("error: ") == 1
    shown = commands.run("verify", "tiny.proof", "--key", "other.vk", "--json", folder=workplace)
    assert shown.code == response.code
    if shown.stdout:
        assert json.loads(shown.stdout)["valid"] is False


def test_a_reference_string_that_is_none_or_too_small_is_refused(commands: Commands, workplace: Path) -> None:
    for content in (b"", b"ptau", bytes(100), random.Random(1).randbytes(5000)):
        for name in ("s.srs", "s.ptau"):
            (workplace / name).write_bytes(content)
            assert name in commands.refused("srs", "import", name, folder=workplace)
            assert name in commands.refused(
                "setup", "tiny.circuit", "-o", "o.vk", "--srs", name, folder=workplace
            )
    setup = ("setup", "tiny.circuit", "-o", "o.vk", "--chunk-bits", 20)
    message = commands.refused(*setup, folder=workplace, memory=32 << 30)
    assert "2^20" in message and "verinfer srs" in message, message
    would_do = re.search(r"--chunk-bits (\d+) would do", message)  # with the largest that any test has made
    assert would_do is not None and 8 <= int(would_do[1]) < 20, message


def test_what_a_backend_cannot_take_is_refused_with_the_layer(commands: Commands, workplace: Path) -> None:
    top = node("TopK", "x k", "v i", axis=1)
    cast = node("Cast", "i", "y", to=1)
    made = model([top, cast], [ints("k", 2)])
    (workplace / "sort.onnx").write_bytes(made.SerializeToString())
    commands.json("compile", "sort.onnx", folder=workplace)
    response = commands.run("setup", "sort.circuit", folder=workplace, memory=32 << 30)
    if response.code:  # a backend may learn to sort
        assert response.code == 2 and "TopK" in response.stderr
