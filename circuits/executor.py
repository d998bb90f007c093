"""Runs a circuit on integers, exactly, for a whole batch at once.

Each operation computes in the fastest arithmetic that its bound proves exact (float32, float64, int64) and
the result is stored in the smallest integer type that holds the bound. Tensors are dropped after their last
use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from circuits.circuit import Circuit, Node
from circuits.errors import BoundError, InputError
from circuits.ops import op
from circuits.tensor import IntArray


class Processor(Protocol):
    """Where a circuit's tensors are held, and its operations computed, with the same bits everywhere."""

    def hold(self, array: IntArray) -> Any:
        """A tensor, held there."""
        ...

    def constant(self, circuit: Circuit, node: int) -> Any:
        """A constant of a circuit with a batch axis in front, held there."""
        ...

    def apply(self, node: Node, xs: Sequence[Any]) -> Any:
        """An operation on tensors that are held there, in the type of its result."""
        ...

    def fetch(self, array: Any) -> IntArray:
        """A tensor that is held there."""
        ...


class Cpu:
    """NumPy's arrays."""

    def hold(self, array: IntArray) -> IntArray:
        return array

    def constant(self, circuit: Circuit, node: int) -> IntArray:
        return circuit.constants[node][None]

    def apply(self, node: Node, xs: Sequence[IntArray]) -> IntArray:
        value = op(node.op).execute(xs, node.attrs, node.shape, (node.lo, node.hi))
        return value.astype(node.dtype, copy=False)

    def fetch(self, array: IntArray) -> IntArray:
        return array


CPU = Cpu()


def execute(
    circuit: Circuit,
    inputs: Sequence[IntArray],
    observe: Callable[[int, Any], None] | None = None,
    processor: Processor = CPU,
) -> list[IntArray]:
    """The circuit's outputs.

    Parameters
    ----------
    inputs
        One integer array for each input port, of shape (batch, *port's shape).
    observe
        Called with each tensor's number and value as soon as it is known, for a witness or a trace. The value
        is held by the processor.
    processor
        What computes.

    Raises
    ------
    InputError
        If an input has another shape, or is no integer array.
    BoundError
        If a value lies outside its input's bound.
    """
    given = dict(zip((port.node for port in circuit.inputs), checked(circuit, inputs), strict=True))
    last = {x: i for i, node in enumerate(circuit.nodes) for x in (i, *node.inputs)}
    wanted = {port.node for port in circuit.outputs}
    values: dict[int, Any] = {}
    for i, node in enumerate(circuit.nodes):
        if node.op == "input":
            value = processor.hold(given[i])
        elif node.op == "constant":
            value = processor.constant(circuit, i)
        else:
            value = processor.apply(node, [values[x] for x in node.inputs])
        values[i] = value
        if observe is not None:
            observe(i, value)
        for x in {i, *node.inputs}:
            if last[x] == i and x not in wanted:
                del values[x]
    batch = inputs[0].shape[0]
    outputs = [processor.fetch(values[port.node]) for port in circuit.outputs]
    return [np.broadcast_to(value, (batch, *value.shape[1:])) for value in outputs]


def checked(circuit: Circuit, inputs: Sequence[IntArray]) -> list[IntArray]:
    """The inputs in their storage types, after every check on shape, type and bound."""
    if len(inputs) != len(circuit.inputs):
        raise InputError(f"the circuit has {len(circuit.inputs)} inputs, {len(inputs)} were given")
    result = []
    for port, array in zip(circuit.inputs, inputs, strict=True):
        node = circuit.nodes[port.node]
        if array.dtype.kind not in "iu":
            raise InputError(f"input {port.name!r} holds {array.dtype}: quantise it first")
        if array.ndim == 0 or array.shape[1:] != node.shape:
            raise InputError(
                f"input {port.name!r} has shape {array.shape}, expected (batch, {_commas(node)})"
            )
        if array.shape[0] != inputs[0].shape[0] or array.shape[0] == 0:
            raise InputError("all inputs need the same batch size, at least 1")
        low, high = int(array.min()), int(array.max())
        if low < node.lo or high > node.hi:
            raise BoundError(
                f"input {port.name!r} reaches [{low * port.scale:.6g}, {high * port.scale:.6g}], outside its "
                f"bound [{node.lo * port.scale:.6g}, {node.hi * port.scale:.6g}]: recompile with calibration "
                "data that covers it"
            )
        result.append(array.astype(node.dtype, copy=False))
    return result


def _commas(node: Node) -> str:
    return ", ".join(map(str, node.shape))
