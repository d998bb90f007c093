"""The circuit file, `*.circuit`: a safetensors file, read without executing anything.

    header length u64 (little-endian) | header (JSON, padded with spaces to a multiple of 8) | tensors

The header names each constant's tensor by its node's number and holds, as strings under `__metadata__`,

    format      "verinfer-circuit"
    version     "1"
    circuit     the graph as canonical JSON:
                {"info": {...}, "inputs": [port, ...], "nodes": [node, ...], "outputs": [port, ...]}
    circuit_id  64 hexadecimal digits
    sha256      of the graph's JSON and the tensors: names and notes are not part of the id, and damage to
                them must show too

Canonical JSON has sorted keys, no spaces and Python's shortest representation of floats, which reads back
exactly. There is one encoding of a circuit: a reader encodes what it has read again and compares the bytes,
so whatever is unknown, repeated, reordered or spelt otherwise is an error. A read circuit is validated, and
its id computed anew.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from circuits.atomic_write import write_atomically
from circuits.circuit import Circuit, Node, Port
from circuits.errors import CircuitError, VerinferError
from circuits.json_depth import MAX_DEPTH, too_deep
from circuits.tensor import MAX_RANK, IntArray

FORMAT, VERSION = "verinfer-circuit", "1"
MAX_FILE_BYTES = 16 << 30
MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""
MAX_NODES = 1 << 18
DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}
PREFIX = struct.Struct("<Q")

NODE_FIELDS = {"attrs", "hi", "inputs", "label", "lo", "op", "shape"}
PORT_FIELDS = {"kind", "name", "node", "scale"}
GRAPH_FIELDS = {"info", "inputs", "nodes", "outputs"}
METADATA_FIELDS = {"circuit", "circuit_id", "format", "sha256", "version"}


def save(circuit: Circuit, path: str | os.PathLike[str]) -> None:
    """Write a circuit to a file, wholly or not at all.

    Raises
    ------
    InputError
        If the file cannot be written; an existing file is kept as it was.
    CircuitError
        If a cell of the circuit could not be disputed, or its description has no JSON form.
    """
    _check_use(circuit)
    header = _encode_header(circuit, circuit.circuit_id.hex(), _digest(circuit))
    write_atomically(path, itertools.chain((PREFIX.pack(len(header)), header), _tensors(circuit)))


def load(path: str | os.PathLike[str]) -> Circuit:
    """The circuit in a file, validated.

    Raises
    ------
    CircuitError
        If the file is missing, truncated, altered, of another version, over a limit, or states another id
        than its contents have.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            _refuse(path, "it is not a file")
        if size > MAX_FILE_BYTES:
            _refuse(path, f"it has {size} bytes, over the limit of {MAX_FILE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise CircuitError(f"cannot read {path}: {error.strerror}") from None
    try:
        return _decode(data)
    except VerinferError as error:
        raise CircuitError(f"cannot use {path}: {error}") from None


def _decode(data: bytes) -> Circuit:
    if len(data) < PREFIX.size:
        raise CircuitError("it is not a circuit file")
    (length,) = PREFIX.unpack_from(data)
    if length > MAX_HEADER_BYTES or not data[PREFIX.size : PREFIX.size + 1] == b"{":
        raise CircuitError("it is not a circuit file")
    if len(data) < PREFIX.size + length:
        raise CircuitError("it is truncated")
    header = data[PREFIX.size : PREFIX.size + length]
    entries = _parse(header, "its header")
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise CircuitError("it is a safetensors file, but holds no circuit")
    if metadata.get("version") != VERSION:
        raise CircuitError(
            f"it is of version {metadata.get('version')!r}; this program reads version {VERSION!r}"
        )
    _check_fields(metadata, METADATA_FIELDS, "its metadata")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise CircuitError("its metadata are not strings")
    nodes, inputs, outputs, info = _graph(_parse(metadata["circuit"], "its graph"))
    constants = _constants(nodes, entries, memoryview(data)[PREFIX.size + length :])
    circuit = Circuit(nodes, constants, inputs, outputs, info)
    if _encode_header(circuit, metadata["circuit_id"], metadata["sha256"]) != header:
        raise CircuitError("it was altered: its header is not the one encoding of what it says")
    if _digest(circuit) != metadata["sha256"]:
        raise CircuitError("it was altered: its contents do not have the digest that it states")
    circuit.validate()
    _check_use(circuit)
    if circuit.circuit_id.hex() != metadata["circuit_id"]:
        raise CircuitError(
            f"it was altered: it states the circuit_id {metadata['circuit_id']}, but its contents have "
            f"{circuit.circuit_id.hex()}"
        )
    return circuit


def _tensor_order(nodes: tuple[Node, ...]) -> list[int]:
    """The constants in the file's order: wide elements first, so that every tensor is aligned."""
    return sorted(
        (i for i, node in enumerate(nodes) if node.op == "constant"), key=lambda i: (-nodes[i].width, i)
    )


def _tensors(circuit: Circuit) -> Iterator[bytes]:
    for i in _tensor_order(circuit.nodes):
        yield circuit.constants[i].astype(DTYPES[f"I{8 * circuit.nodes[i].width}"], copy=False).tobytes()


def _digest(circuit: Circuit) -> str:
    digest = hashlib.sha256(_encode_graph(circuit).encode())
    for tensor in _tensors(circuit):
        digest.update(tensor)
    return digest.hexdigest()


def _encode_graph(circuit: Circuit) -> str:
    return _canonical(
        {
            "info": dict(circuit.info),
            "inputs": [_port_json(port) for port in circuit.inputs],
            "nodes": [_node_json(node) for node in circuit.nodes],
            "outputs": [_port_json(port) for port in circuit.outputs],
        }
    )


def _encode_header(circuit: Circuit, circuit_id: str, digest: str) -> bytes:
    entries: dict[str, Any] = {
        "__metadata__": {
            "circuit": _encode_graph(circuit),
            "circuit_id": circuit_id,
            "format": FORMAT,
            "sha256": digest,
            "version": VERSION,
        }
    }
    end = 0
    for i in _tensor_order(circuit.nodes):
        node = circuit.nodes[i]
        start, end = end, end + node.size * node.width
        entries[str(i)] = {
            "data_offsets": [start, end],
            "dtype": f"I{8 * node.width}",
            "shape": list(node.shape),
        }
    header = _canonical(entries).encode()
    if len(header) > MAX_HEADER_BYTES or len(circuit.nodes) > MAX_NODES:
        raise CircuitError(f"a circuit of {len(circuit.nodes)} nodes is too large for a file")
    return header + b" " * (-len(header) % PREFIX.size)


def _node_json(node: Node) -> dict[str, Any]:
    return {
        "attrs": dict(node.attrs),
        "hi": node.hi,
        "inputs": list(node.inputs),
        "label": node.label,
        "lo": node.lo,
        "op": node.op,
        "shape": list(node.shape),
    }


def _port_json(port: Port) -> dict[str, Any]:
    return {"kind": port.kind, "name": port.name, "node": port.node, "scale": float(port.scale)}


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CircuitError(f"the circuit has no JSON form: {error}") from None


def _parse(text: bytes | str, what: str) -> dict[str, Any]:
    """JSON without repeated keys or non-finite numbers."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise CircuitError(f"{what} repeats a key")
        return found

    def constant(name: str) -> NoReturn:
        raise CircuitError(f"{what} holds the number {name}")

    try:
        text = text.decode() if isinstance(text, bytes) else text
        if too_deep(text):
            raise CircuitError(f"{what} is nested over {MAX_DEPTH} deep")
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except ValueError:
        raise CircuitError(f"it was altered: {what} is not JSON") from None
    if not isinstance(value, dict):
        raise CircuitError(f"it was altered: {what} is not a JSON object")
    return value


def _graph(
    graph: Mapping[str, Any],
) -> tuple[tuple[Node, ...], tuple[Port, ...], tuple[Port, ...], dict[str, Any]]:
    _check_fields(graph, GRAPH_FIELDS, "its graph")
    if not all(isinstance(graph[name], list) for name in ("inputs", "nodes", "outputs")):
        raise CircuitError("the ports and nodes of its graph are not lists")
    if not isinstance(graph["info"], dict):
        raise CircuitError("the info of its graph is not an object")
    if len(graph["nodes"]) > MAX_NODES:
        raise CircuitError(f"it has {len(graph['nodes'])} nodes, over the limit of {MAX_NODES}")
    nodes = tuple(_node(i, fields) for i, fields in enumerate(graph["nodes"]))
    inputs, outputs = (
        tuple(_port(f"{side} {i}", fields) for i, fields in enumerate(graph[side]))
        for side in ("inputs", "outputs")
    )
    return nodes, inputs, outputs, graph["info"]


def _node(i: int, fields: Any) -> Node:
    where = f"node {i}"
    _check_fields(fields, NODE_FIELDS, where)
    attrs = fields["attrs"]
    typed = (
        _is_text(fields["op"])
        and _is_text(fields["label"])
        and _is_integer(fields["lo"])
        and _is_integer(fields["hi"])
        and _are_integers(fields["inputs"])
        and _are_integers(fields["shape"])
        and isinstance(attrs, dict)
        and all(value is None or _is_integer(value) or _are_integers(value) for value in attrs.values())
    )
    if not typed:
        raise CircuitError(f"a field of {where} has the wrong type")
    shape = tuple(fields["shape"])
    if len(shape) > MAX_RANK or any(n < 1 for n in shape):
        raise CircuitError(f"{where} has the shape {shape}")
    return Node(
        fields["op"], tuple(fields["inputs"]), attrs, shape, fields["lo"], fields["hi"], fields["label"]
    )


def _port(where: str, fields: Any) -> Port:
    _check_fields(fields, PORT_FIELDS, where)
    if not (_is_text(fields["name"]) and _is_integer(fields["node"]) and isinstance(fields["scale"], float)):
        raise CircuitError(f"a field of {where} has the wrong type")
    if fields["kind"] not in ("real", "int", "bool"):
        raise CircuitError(f"{where} is of the kind {fields['kind']!r}")
    return Port(fields["name"], fields["node"], fields["scale"], fields["kind"])


def _constants(nodes: tuple[Node, ...], entries: Mapping[str, Any], data: memoryview) -> dict[int, IntArray]:
    """The tensors, each where the file's one encoding has it."""
    order = _tensor_order(nodes)
    if set(entries) != {str(i) for i in order}:
        raise CircuitError("its tensors and the constants of its graph do not match")
    constants: dict[int, IntArray] = {}
    end = 0
    for i in order:
        node = nodes[i]
        start, end = end, end + node.size * node.width
        if end > len(data):
            raise CircuitError("it is truncated")
        constants[i] = np.frombuffer(data[start:end], DTYPES[f"I{8 * node.width}"]).reshape(node.shape)
    if end != len(data):
        raise CircuitError(f"it has {len(data) - end} bytes behind its last tensor")
    return constants


def _check_use(circuit: Circuit) -> None:
    """Check that outputs need every node: what they do not need is not bound by the circuit's id."""
    needed = {port.node for port in circuit.outputs}
    for i in range(len(circuit.nodes) - 1, -1, -1):
        node = circuit.nodes[i]
        if i in needed:
            needed.update(node.inputs)
        elif node.op != "input":
            raise CircuitError(f"no output needs node {i} ({node.op}, {node.label or 'unnamed'})")


def _check_fields(fields: Any, expected: set[str], where: str) -> None:
    if not isinstance(fields, dict):
        raise CircuitError(f"{where} is not a JSON object")
    if set(fields) != expected:
        odd = sorted(set(fields) ^ expected)
        raise CircuitError(f"{where} lacks, or has unknown, fields: {', '.join(map(repr, odd))}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_integer, value))


def _refuse(path: Path, reason: str) -> NoReturn:
    raise CircuitError(f"cannot use {path}: {reason}")
