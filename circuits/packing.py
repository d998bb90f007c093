"""Tensors packed into the leaves of Merkle trees.

    element   two's complement, big-endian, of its tensor's width (1, 2, 4 or 8 bytes)
    tensor    its elements row-major, back to back, from a new leaf on; the rest of its last leaf is zero
    leaf      128 bytes

Weights, inputs and traces are packed alike, each into a tree of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.cells import Plan
from circuits.circuit import Circuit
from circuits.merkle import LEAF_BYTES
from circuits.tensor import IntArray

Leaves = NDArray[np.uint8]
"""uint8 [leaves, 128]."""


def empty_leaves(count: int) -> Leaves:
    """So many leaves of zeros."""
    return np.zeros((count, LEAF_BYTES), np.uint8)


def pack(leaves: Leaves, first: int, width: int, values: IntArray) -> None:
    """Write a tensor into leaves, from leaf `first` on."""
    packed = leaves.reshape(-1)[first * LEAF_BYTES :][: values.size * width]
    packed.view(f">i{width}").reshape(values.shape)[...] = values


def unpack(leaves: Leaves, first: int, width: int, elements: int) -> NDArray[np.int64]:
    """The elements of a packed tensor, int64 [elements]."""
    packed = leaves.reshape(-1)[first * LEAF_BYTES :][: elements * width]
    return packed.view(f">i{width}").astype(np.int64)


def pack_weights(circuit: Circuit, plan: Plan) -> Leaves:
    """The leaves of the weights tree: every constant that a cell reads, in the order in which it is read."""
    leaves = empty_leaves(plan.weights_leaves)
    for slot in plan.weights:
        value = circuit.constants[slot.node]
        if slot.layout is not None:
            value = value.reshape(slot.layout.sizes or -1).transpose(slot.layout.order or None)
        pack(leaves, slot.first, slot.width, value if slot.elements == value.size else value[: slot.elements])
    return leaves


def pack_inputs(circuit: Circuit, plan: Plan, inputs: Sequence[IntArray]) -> Leaves:
    """The leaves of the input tree for one sample, without a batch axis."""
    leaves = empty_leaves(plan.input_leaves)
    for port, first, value in zip(circuit.inputs, plan.input_firsts, inputs, strict=True):
        pack(leaves, first, circuit.nodes[port.node].width, value)
    return leaves


def pack_input_batch(circuit: Circuit, plan: Plan, inputs: Sequence[IntArray]) -> NDArray[np.uint8]:
    """`pack_inputs` of every sample of a batch.

    Parameters
    ----------
    inputs
        One array for each port, of shape (batch, *port's shape).

    Returns
    -------
    NDArray[np.uint8]
        uint8 [batch, leaves, 128].
    """
    batch = len(inputs[0])
    leaves = np.zeros((batch, plan.input_leaves, LEAF_BYTES), np.uint8)
    rows = leaves.reshape(batch, -1)
    for port, first, value in zip(circuit.inputs, plan.input_firsts, inputs, strict=True):
        node = circuit.nodes[port.node]
        packed = rows[:, first * LEAF_BYTES :][:, : node.size * node.width]
        packed.view(f">i{node.width}")[...] = value.reshape(batch, -1)
    return leaves
