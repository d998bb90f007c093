"""The circuit file: it reads back exactly, and anything else is refused with a clear message."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from safetensors import safe_open

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Node, Port
from circuits.errors import CircuitError, InputError
from tests.budget import examples
from tests.circuits.random_circuits import circuits

Metadata = dict[str, str]
Graph = dict[str, Any]


def example() -> Circuit:
    builder = CircuitBuilder()
    builder.label = "dense"
    x = builder.input("x", (1, 3), -10, 10, 0.1, "real")
    y = builder.add("matmul", [x, builder.constant([[1, 2], [300, 4], [5, -6]])])
    y = builder.add("add", [y, builder.constant([70_000, -1])])
    y = builder.add("rescale", [y], mul=1, shift=3, lo=0, hi=None)
    y = builder.add("pad", [y], before=[0, 1], after=[0, 0], value=0)
    return builder.build([Port("y", y, 1 / 3, "real")], {"bits": 12, "fidelity": {"cosine": 0.1 + 0.2}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.circuit"
    example().save(path)
    return path


def altered(
    path: Path,
    change: Callable[[Graph], object] = lambda graph: None,
    metadata: Callable[[Metadata], object] = lambda metadata: None,
    header: Callable[[dict[str, Any]], object] = lambda header: None,
) -> Path:
    """The file with parts of it changed, and a digest that fits the change: a forger's work, not damage."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    entries = json.loads(data[8 : 8 + length])
    tensors = data[8 + length :]
    meta = entries["__metadata__"]
    graph = json.loads(meta["circuit"])
    change(graph)
    meta["circuit"] = canonical(graph)
    meta["sha256"] = hashlib.sha256(meta["circuit"].encode() + tensors).hexdigest()
    metadata(meta)
    header(entries)
    text = canonical(entries).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)
    return path


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def same(a: Circuit, b: Circuit) -> bool:
    constants = a.constants.keys() == b.constants.keys() and all(
        np.array_equal(value, b.constants[i]) and value.dtype == b.constants[i].dtype
        for i, value in a.constants.items()
    )
    return constants and (a.nodes, a.inputs, a.outputs, a.info) == (b.nodes, b.inputs, b.outputs, b.info)


def test_a_circuit_reads_back_exactly(path: Path) -> None:
    circuit = Circuit.load(path)
    assert same(circuit, example())
    assert circuit.circuit_id == example().circuit_id
    assert circuit.outputs[0].scale == 1 / 3


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(circuit=circuits())
def test_random_circuits_read_back_and_have_one_encoding(circuit: Circuit, tmp_path: Path) -> None:
    first, second = tmp_path / "1.circuit", tmp_path / "2.circuit"
    circuit.save(first)
    again = Circuit.load(first)
    again.save(second)
    assert first.read_bytes() == second.read_bytes()
    assert again.circuit_id == circuit.circuit_id


def test_the_file_is_a_safetensors_file(path: Path) -> None:
    circuit = example()
    with safe_open(path, "np") as file:
        assert file.metadata()["circuit_id"] == circuit.circuit_id.hex()
        assert sorted(map(int, file.keys())) == sorted(circuit.constants)
        for i, value in circuit.constants.items():
            assert np.array_equal(file.get_tensor(str(i)), value)


def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in [*range(0, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CircuitError):
            Circuit.load(path)


def test_trailing_bytes_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CircuitError, match="1 bytes behind"):
        Circuit.load(path)


def test_every_altered_byte_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    rng = random.Random(0)
    for at in [*range(0, len(data), 5), *range(len(data) - 40, len(data))]:
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(CircuitError):
            Circuit.load(path)


FORGERIES: dict[str, tuple[Callable[[Graph], object], str]] = {
    "unknown node field": (lambda g: g["nodes"][0].update(extra=1), "'extra'"),
    "missing node field": (lambda g: g["nodes"][0].pop("label"), "'label'"),
    "unknown port field": (lambda g: g["inputs"][0].update(extra=1), "'extra'"),
    "unknown graph field": (lambda g: g.update(extra=1), "'extra'"),
    "unknown operation": (
        lambda g: g["nodes"][2].update(op="exec"),
        "circuit operation called 'exec'|needs node",
    ),
    "bool for an integer": (lambda g: g["nodes"][0].update(lo=True), "wrong type"),
    "float for an integer": (lambda g: g["nodes"][0].update(lo=-10.0), "wrong type"),
    "text for a list": (lambda g: g["nodes"][0].update(inputs="0"), "wrong type"),
    "list of lists": (lambda g: g["nodes"][-1]["attrs"].update(before=[[0], [1]]), "wrong type"),
    "integer for a scale": (lambda g: g["inputs"][0].update(scale=1), "wrong type"),
    "negative scale": (lambda g: g["inputs"][0].update(scale=-1.0), "scale -1.0"),
    "another kind": (lambda g: g["inputs"][0].update(kind="text"), "'text'"),
    "another bound": (lambda g: g["nodes"][-1].update(hi=99), "states"),
    "another shape": (lambda g: g["nodes"][-1].update(shape=[1, 4]), "states"),
    "too many axes": (lambda g: g["nodes"][0].update(shape=[1] * 9), "shape"),
    "zero axis": (lambda g: g["nodes"][0].update(shape=[0, 3]), "shape"),
    "forward reference": (lambda g: g["nodes"][2].update(inputs=[5, 1]), "does not come before"),
    "self reference": (lambda g: g["nodes"][2].update(inputs=[2, 1]), "does not come before"),
    "port to nowhere": (lambda g: g["outputs"][0].update(node=99), "does not exist"),
    "no outputs": (lambda g: g.update(outputs=[]), "at least one"),
    "unknown attribute": (lambda g: g["nodes"][-1]["attrs"].update(mode=1), "attributes"),
    "another weight bound": (lambda g: g["nodes"][1].update(hi=301), "states|within"),
    "another function": (lambda g: g["nodes"][-2]["attrs"].update(lo=-1), "states|circuit_id"),
    "other inputs": (lambda g: g["inputs"][0].update(scale=0.2), "circuit_id"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_graphs_are_refused(path: Path, name: str) -> None:
    change, message = FORGERIES[name]
    with pytest.raises(CircuitError, match=message):
        Circuit.load(altered(path, change))


def test_a_window_of_any_size_is_refused_without_being_built(tmp_path: Path) -> None:
    """A window over padding alone can be as large as its author likes; the file is a few hundred bytes."""
    builder = CircuitBuilder()
    x = builder.input("x", (1, 4, 1), 0, 9, 1.0, "int")
    window = {"strides": [1], "pads_before": [1], "pads_after": [1], "dilations": [1]}
    y = builder.add("max_pool", [x], kernel=[3], **window)
    path = tmp_path / "pool.circuit"
    builder.build([Port("y", y, 1.0, "int")], {}).save(path)
    huge = 1 << 40
    attrs = {"kernel": [huge], "strides": [1], "pads_before": [huge], "pads_after": [2], "dilations": [1]}
    with pytest.raises(CircuitError, match="window"):
        Circuit.load(altered(path, lambda g: g["nodes"][1].update(attrs=attrs)))


def test_a_forged_name_is_no_other_circuit(path: Path) -> None:
    """Names are not part of the id: whoever makes a new digest for them has made the same circuit anew."""
    circuit = Circuit.load(altered(path, lambda g: g["nodes"][2].update(label="renamed")))
    assert circuit.circuit_id == example().circuit_id


def test_an_unneeded_node_is_refused(path: Path, tmp_path: Path) -> None:
    circuit = example()
    idle = Node("reshape", (0,), {"shape": [3]}, (3,), -10, 10)
    with pytest.raises(CircuitError, match="no output needs"):
        replace(circuit, nodes=(*circuit.nodes, idle)).save(tmp_path / "idle.circuit")
    node = {
        "attrs": {"shape": [3]},
        "hi": 10,
        "inputs": [0],
        "label": "",
        "lo": -10,
        "op": "reshape",
        "shape": [3],
    }
    with pytest.raises(CircuitError, match="no output needs"):
        Circuit.load(altered(path, lambda g: g["nodes"].append(node)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2"}, "version '2'"),
        ({"format": "pt"}, "holds no circuit"),
        ({"circuit_id": "00" * 32}, "states the circuit_id"),
        ({"sha256": "00" * 32}, "digest"),
        ({"extra": "1"}, "'extra'"),
        ({"circuit": "[]"}, "not a JSON object"),
        ({"circuit": "{"}, "not JSON"),
        ({"circuit": '{"info":{"a":NaN}}'}, "NaN"),
        ({"circuit": '{"info":{},"info":{}}'}, "repeats a key"),
        ({"circuit": "[" * 100_000}, "nested over 32 deep"),
        ({"circuit": '{"info":' + '{"a":[' * 50_000}, "nested over 32 deep"),
        ({"circuit": '{"info":' + "9" * 5000 + "}"}, "not JSON"),
        ({"circuit": "\ud800"}, "not JSON"),
    ],
)
def test_forged_metadata_are_refused(path: Path, change: Metadata, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        Circuit.load(altered(path, metadata=lambda m: m.update(change)))


@pytest.mark.parametrize(
    "change",
    [
        {"1": {"data_offsets": [0, 6], "dtype": "I16", "shape": [3, 2]}},
        {"1": {"data_offsets": [8, 20], "dtype": "F16", "shape": [3, 2]}},
        {"1": {"data_offsets": [8, 20], "dtype": "I16", "shape": [2, 3]}},
        {"99": {"data_offsets": [20, 20], "dtype": "I8", "shape": [0]}},
    ],
)
def test_forged_tensors_are_refused(path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(CircuitError):
        Circuit.load(altered(path, header=lambda entries: entries.update(change)))


def test_a_repeated_key_is_refused(path: Path) -> None:
    data = path.read_bytes()
    changed = data.replace(b'"format":"verinfer-circuit"', b'"format":"x","format":"verinfer-circuit"')
    path.write_bytes(struct.pack("<Q", struct.unpack("<Q", data[:8])[0] + 13) + changed[8:])
    with pytest.raises(CircuitError, match="repeats a key"):
        Circuit.load(path)


@pytest.mark.parametrize(
    "contents", [b"", b"{}", b"\xff" * 64, b"PK\3\4" + bytes(60), struct.pack("<Q", 1 << 60) + b"{}"]
)
def test_other_files_are_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "x.circuit"
    path.write_bytes(contents)
    with pytest.raises(CircuitError, match=r"not a circuit file|truncated"):
        Circuit.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="No such file"):
        Circuit.load(tmp_path / "none.circuit")
    with pytest.raises(CircuitError, match="not a file"):
        Circuit.load(tmp_path)


def test_a_note_without_a_json_form_is_refused(tmp_path: Path) -> None:
    for note in (float("nan"), object(), {1: 2, "a": 3}):
        with pytest.raises(CircuitError, match="no JSON form"):
            replace(example(), info={"note": note}).save(tmp_path / "x.circuit")
    assert not list(tmp_path.iterdir())


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    with disk_of(100), pytest.raises(InputError, match="cannot write"):
        replace(example(), info={}).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208
