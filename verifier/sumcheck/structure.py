"""The structure of a circuit: everything but its weights.

It is what a verifier needs to know to rebuild the relation, and it is part of the verifying key. Shapes,
bounds, shifts and clamps are public; so are constants of one element (the quantiser's factors), and constants
that serve as indices. All other constants are known by their commitment only.

A key holds it as canonical JSON (sorted keys, no spaces)::

    {"inputs": [node, ...], "nodes": [[op, [input, ...], [attribute, ...], [axis, ...], lo, hi], ...],
     "outputs": [node, ...], "revealed": [[node, [cell, ...]], ...]}

with the attributes in the order in which the operation lists them, and the cells of revealed constants
row-major. There is one encoding of a structure: a reader encodes what it has read again and compares the
bytes. It applies each operation's rules to shapes and bounds, too, so that what is read can be lowered; that
constants and their bounds are those of the circuit follows from the commitments, or from trust in the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from circuits.circuit import MAX_ELEMENTS, Circuit, Node
from circuits.errors import CircuitError, FormatError, InputError
from circuits.json_depth import too_deep
from circuits.ops import op
from circuits.tensor import LIMIT, MAX_RANK, Bound, IntArray, Operand, dtype_of, width_of

MAX_NODES = 1 << 18
_SOURCES = ("input", "constant")
_Entry = tuple[str, list[int], list[Any], list[int], int, int]


@dataclass(frozen=True)
class Structure:
    """A circuit without its weights.

    Parameters
    ----------
    nodes
        The circuit's nodes in order.
    revealed
        The values of the constants that are public, by node.
    inputs, outputs
        The nodes of the ports.
    """

    nodes: tuple[Node, ...]
    revealed: Mapping[int, IntArray]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def bound(self, i: int) -> tuple[int, int]:
        """The bound of a node's cells, sharper than the circuit's for x - max(x), which is never above 0."""
        node = self.nodes[i]
        if node.op == "sub":
            x, greatest = node.inputs
            if self.nodes[greatest].op == "reduce_max" and self.nodes[greatest].inputs == (x,):
                return node.lo, min(node.hi, 0)
        return node.lo, node.hi

    def encode(self) -> bytes:
        """The structure's one encoding."""
        nodes = [
            [n.op, list(n.inputs), [n.attrs[name] for name in op(n.op).attrs], list(n.shape), n.lo, n.hi]
            for n in self.nodes
        ]
        content = {
            "inputs": list(self.inputs),
            "nodes": nodes,
            "outputs": list(self.outputs),
            "revealed": [[i, self.revealed[i].reshape(-1).tolist()] for i in sorted(self.revealed)],
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def decode(cls, data: bytes) -> Structure:
        """The structure that bytes encode.

        Raises
        ------
        FormatError
            If they are not the one encoding of a structure in which every node fits its inputs.
        """
        inputs, entries, outputs, values = _content(data)
        nodes: list[Node] = []
        revealed: dict[int, IntArray] = {}
        for i, entry in enumerate(entries):
            node = _node(i, entry)
            nodes.append(node)
            if i in values:
                revealed[i] = _revealed(i, node, values[i])
            if node.op not in _SOURCES:
                _check(i, node, nodes, revealed)
        structure = cls(tuple(nodes), revealed, tuple(inputs), tuple(outputs))
        if inputs != [i for i, node in enumerate(nodes) if node.op == "input"]:
            _refuse("its inputs are not the nodes that are inputs")
        if not outputs or not all(0 <= i < len(nodes) for i in outputs):
            _refuse("its outputs are not among its nodes")
        if set(values) != set(_public_constants(nodes)):
            _refuse("it reveals other constants than those that are public")
        if structure.encode() != data:
            _refuse("it is not in its canonical form")
        return structure


def structure_of(circuit: Circuit) -> Structure:
    """The structure of a circuit."""
    revealed = {i: circuit.constants[i] for i in _public_constants(circuit.nodes)}
    inputs, outputs = ([port.node for port in ports] for ports in (circuit.inputs, circuit.outputs))
    return Structure(circuit.nodes, revealed, tuple(inputs), tuple(outputs))


def _public_constants(nodes: Sequence[Node]) -> list[int]:
    """The constants that serve as indices or have one element."""
    indices = {node.inputs[1] for node in nodes if node.op == "gather"}
    return [i for i, node in enumerate(nodes) if node.op == "constant" and (node.size == 1 or i in indices)]


def _content(data: bytes) -> tuple[list[int], list[_Entry], list[int], dict[int, list[int]]]:
    """The four parts, of the right types."""
    try:
        text = data.decode("ascii")
        if too_deep(text):
            _refuse("it is nested too deep")
        content = json.loads(text)
    except ValueError:
        _refuse("it is not JSON")
    if not isinstance(content, dict) or set(content) != {"inputs", "nodes", "outputs", "revealed"}:
        _refuse("it does not consist of inputs, nodes, outputs and revealed constants")
    inputs, entries, outputs, values = (content[name] for name in ("inputs", "nodes", "outputs", "revealed"))
    if not (_are_integers(inputs) and _are_integers(outputs) and isinstance(values, list)):
        _refuse("its ports or its revealed constants are not lists")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_NODES:
        _refuse(f"its nodes are not a list of 1 to {MAX_NODES:,}")
    for i, entry in enumerate(entries):
        if not _is_entry(entry):
            _refuse(f"node {i} is not [op, inputs, attributes, shape, lo, hi]")
    for pair in values:
        if not (
            isinstance(pair, list) and len(pair) == 2 and _is_integer(pair[0]) and _are_integers(pair[1])
        ):
            _refuse("a revealed constant is not [node, cells]")
    return inputs, entries, outputs, dict(values)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, list) or len(entry) != 6:
        return False
    name, inputs, attributes, shape, lo, hi = entry
    return (
        isinstance(name, str)
        and all(_are_integers(part) for part in (inputs, shape))
        and isinstance(attributes, list)
        and all(a is None or _is_integer(a) or _are_integers(a) for a in attributes)
        and _is_integer(lo)
        and _is_integer(hi)
    )


def _node(i: int, entry: _Entry) -> Node:
    name, inputs, attributes, shape, lo, hi = entry
    try:
        operation = op(name)
        width_of(lo, hi)
    except InputError as error:
        _refuse(f"node {i}: {error}")
    if len(attributes) != len(operation.attrs):
        _refuse(f"node {i} ({name}) does not have the attributes {', '.join(operation.attrs) or 'none'}")
    if not all(0 <= x < i for x in inputs):
        _refuse(f"node {i} ({name}) reads a tensor that does not come before it")
    if operation.arity not in (-1, len(inputs)) or (operation.arity == -1 and not inputs):
        _refuse(f"node {i} ({name}) has {len(inputs)} inputs")
    node = Node(
        name, tuple(inputs), dict(zip(operation.attrs, attributes, strict=True)), tuple(shape), lo, hi
    )
    if len(shape) > MAX_RANK or any(n < 1 for n in shape) or node.size > MAX_ELEMENTS:
        _refuse(f"node {i} ({name}) has the shape {shape}")
    return node


def _revealed(i: int, node: Node, cells: list[int]) -> IntArray:
    if node.op != "constant" or len(cells) != node.size or (min(cells), max(cells)) != (node.lo, node.hi):
        _refuse(f"the cells revealed of node {i} are not those of a constant within its bound")
    return np.array(cells, dtype=dtype_of(node.lo, node.hi)).reshape(node.shape)


def _check(i: int, node: Node, nodes: Sequence[Node], revealed: Mapping[int, IntArray]) -> None:
    """Apply the operation's rules to a node's shape and bound."""
    operands = [_operand(x, node, nodes[x], revealed) for x in node.inputs]
    try:
        shape, (lo, hi) = op(node.op).shape(operands, node.attrs), _widest(node, operands)
    except CircuitError as error:
        _refuse(f"node {i} ({node.op}): {error}")
    except (InputError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        _refuse(f"the attributes of node {i} ({node.op}) do not fit: {error}")
    if tuple(shape) != node.shape:
        _refuse(f"node {i} ({node.op}) states the shape {node.shape}, and has {tuple(shape)}")
    if not lo <= node.lo <= node.hi <= hi:
        _refuse(
            f"node {i} ({node.op}) states the bound [{node.lo}, {node.hi}], which is not within [{lo}, {hi}]"
        )


def _operand(x: int, reader: Node, node: Node, revealed: Mapping[int, IntArray]) -> Operand:
    if reader.op == "table" and node.op == "constant":
        # that it is constant is what matters for the shape
        return Operand(node.shape, node.lo, node.hi, np.broadcast_to(np.int8(0), node.shape))
    return Operand(node.shape, node.lo, node.hi, revealed.get(x))


def _widest(node: Node, operands: Sequence[Operand]) -> Bound:
    """A bound that holds the node's whatever the weights are, within their bounds."""
    if node.op == "table":
        return operands[1].lo, operands[1].hi
    return op(node.op).bound(operands, node.attrs)


def _is_integer(value: object) -> bool:
    return type(value) is int and -LIMIT <= value < LIMIT


def _are_integers(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_integer, value))


def _refuse(reason: str) -> NoReturn:
    raise FormatError(f"the structure of a circuit is invalid: {reason}")
