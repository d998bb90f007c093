"""The circuit: a directed acyclic graph of exact operations on integer tensors.

Nodes stand in topological order and node i yields tensor i, so a tensor is named by the number of its node.
Everything is immutable. `validate` recomputes every shape and bound, so that a circuit from a stranger is
either consistent or refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from circuits.errors import CircuitError
from circuits.ops import op
from circuits.tensor import MAX_RANK, IntArray, Operand, Shape, dtype_of, width_of

if TYPE_CHECKING:
    from circuits.identity import Identity

Kind = Literal["real", "int", "bool"]
MAX_ELEMENTS = 1 << 31
"""The most elements one tensor may have."""


@dataclass(frozen=True)
class Node:
    """One operation and the tensor it yields."""

    op: str
    inputs: tuple[int, ...]
    attrs: Mapping[str, Any]
    shape: Shape
    lo: int
    hi: int
    label: str = ""
    """The ONNX node it came from, for messages."""

    @cached_property
    def dtype(self) -> np.dtype[np.signedinteger]:
        """The storage type of the tensor."""
        return dtype_of(self.lo, self.hi)

    @property
    def width(self) -> int:
        """Bytes per element in storage and in the trace."""
        return width_of(self.lo, self.hi)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Port:
    """An input or output of a circuit: a real value is `scale` times the integer in the tensor of `node`."""

    name: str
    node: int
    scale: float
    kind: Kind


@dataclass(frozen=True)
class Circuit:
    """A compiled model. `constants` holds the value of each constant node; `info` says where the circuit came
    from and how faithful it is, and is no part of the circuit's identity."""

    nodes: tuple[Node, ...]
    constants: Mapping[int, IntArray]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    info: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each tensor, the nodes that read it."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for i, node in enumerate(self.nodes):
            for x in dict.fromkeys(node.inputs):
                readers[x].append(i)
        return tuple(map(tuple, readers))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the circuit to a `*.circuit` file, wholly or not at all.

        Raises
        ------
        InputError
            If the file cannot be written; an existing file is kept as it was.
        """
        from circuits.file import save  # it stands above: it reads circuits

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Circuit:
        """The circuit in a `*.circuit` file, validated, its id computed anew.

        Raises
        ------
        CircuitError
            If the file is no circuit, truncated, altered, or of another version.
        """
        from circuits.file import load

        return load(path)

    @cached_property
    def identity(self) -> Identity:
        """The op records, trees and id of this circuit; computed when first asked for.

        Raises
        ------
        CircuitError
            If one of its cells could not be disputed in one transaction.
        """
        from circuits.identity import identify  # it stands above: it reads circuits

        return identify(self)

    @property
    def circuit_id(self) -> bytes:
        """The name under which keys, proofs and claims know this circuit, 32 bytes."""
        return self.identity.circuit_id

    @property
    def header(self) -> bytes:
        """What a verifier must know beyond hashes: ports, and the sizes of the trees."""
        return self.identity.header

    @property
    def ops_root(self) -> bytes:
        """The Merkle root over the op records, 32 bytes."""
        return self.identity.ops_root

    @property
    def weights_root(self) -> bytes:
        """The Merkle root over the constants, 32 bytes."""
        return self.identity.weights_root

    @property
    def scales_hash(self) -> bytes:
        """The hash of the ports' scales, 32 bytes."""
        return self.identity.scales_hash

    @property
    def parameters(self) -> int:
        """The number of integers held in constants, tables included."""
        return sum(value.size for value in self.constants.values())

    def operand(self, i: int) -> Operand:
        """What operation i's readers know of its tensor."""
        node = self.nodes[i]
        return Operand(node.shape, node.lo, node.hi, self.constants.get(i))

    def validate(self) -> None:
        """Check every invariant of the circuit.

        Raises
        ------
        CircuitError, BoundError
            Naming the first node that is not what its inputs make it.
        """
        check_ports(self)
        operands: list[Operand] = []
        for i, node in enumerate(self.nodes):
            where = f"node {i} ({node.op}, {node.label or 'unnamed'})"
            if any(not 0 <= x < i for x in node.inputs):
                raise CircuitError(f"{where} reads a tensor that does not come before it")
            xs = [operands[x] for x in node.inputs]
            try:
                shape, bound = infer(node.op, xs, node.attrs, node, self.constants.get(i))
            except CircuitError as error:
                raise CircuitError(f"{where}: {error}") from None
            if (shape, bound) != (node.shape, (node.lo, node.hi)):
                raise CircuitError(
                    f"{where} states {node.shape} within [{node.lo}, {node.hi}], "
                    f"but it is {shape} within {bound}"
                )
            operands.append(self.operand(i))


def infer(
    name: str, xs: Sequence[Operand], attrs: Mapping[str, Any], stated: Node | None, value: IntArray | None
) -> tuple[Shape, tuple[int, int]]:
    """The shape and bound that an operation gives, or that a source (`input`, `constant`) states for itself.

    Raises
    ------
    CircuitError
        If the operation does not exist, or its inputs or attributes do not fit it.
    """
    operation = op(name)
    if operation.arity not in (-1, len(xs)) or (operation.arity == -1 and not xs):
        raise CircuitError(f"{name} takes {operation.arity} inputs, not {len(xs)}")
    if set(attrs) != set(operation.attrs):
        raise CircuitError(f"{name} has attributes {sorted(operation.attrs)}, not {sorted(attrs)}")
    if name == "constant":
        if value is None or value.size == 0:
            raise CircuitError("a constant without a value")
        shape, bound = tuple(value.shape), (int(value.min()), int(value.max()))
    elif name == "input":
        if stated is None:
            raise CircuitError("an input without a stated shape and bound")
        shape, bound = stated.shape, (stated.lo, stated.hi)
    else:
        try:
            shape, bound = operation.shape(xs, attrs), operation.bound(xs, attrs)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise CircuitError(f"attributes {dict(attrs)} do not fit: {error}") from None
    width_of(*bound)
    if len(shape) > MAX_RANK:
        raise CircuitError(f"a tensor of {len(shape)} axes is over the limit of {MAX_RANK}")
    if not 1 <= math.prod(shape) <= MAX_ELEMENTS:
        raise CircuitError(f"a tensor of shape {shape} is empty, or has over {MAX_ELEMENTS} elements")
    return shape, bound


def check_ports(circuit: Circuit) -> None:
    """Check that the ports name distinct tensors of the right kind, with positive finite scales."""
    nodes = circuit.nodes
    if not circuit.inputs or not circuit.outputs:
        raise CircuitError("a circuit needs at least one input and one output")
    for port in (*circuit.inputs, *circuit.outputs):
        if not 0 <= port.node < len(nodes):
            raise CircuitError(f"port {port.name!r} names tensor {port.node}, which does not exist")
        if not (math.isfinite(port.scale) and port.scale > 0):
            raise CircuitError(f"port {port.name!r} has the scale {port.scale}")
    sources = [i for i, node in enumerate(nodes) if node.op == "input"]
    if sources != [port.node for port in circuit.inputs]:
        raise CircuitError("the input ports must name every input node once, in order")
    if set(circuit.constants) != {i for i, node in enumerate(nodes) if node.op == "constant"}:
        raise CircuitError("constants and constant nodes do not match")
