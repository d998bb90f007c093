"""Folds constant factors and offsets into the constant weights and biases of the operation before them.

    (conv(x, w) + bias) * f + o  =  conv(x, w * f) + (bias * f + o)

for f and o that vary at most along the output channels; matrix products and elementwise products with a
constant likewise. This is what batch normalisation comes to in inference. A fold reaches through transposes
(a scalar factor through reshapes, too), and only through tensors that have no other consumer, so that nothing
is computed twice. What no output needs is left out of the new graph.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.calibrate import mask_of
from circuits.graph import Graph, GraphNode, GraphPort, Value

Array = NDArray[Any]
LARGE = 1 << 16
"""A changed constant of more elements is kept in float32, as models keep theirs."""


def folded(graph: Graph) -> Graph:
    """An equal graph with foldable products and sums gone, and without idle nodes."""
    return _Folding(graph).result()


class _Folding:
    """One pass over a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.changed: dict[tuple[int, int], Array] = {}
        """The constant that a node reads on one side after the folds so far."""
        self.same: dict[int, int] = {}
        """Nodes that folds have emptied, and the node each now repeats."""
        self.needed = _needed(graph)
        self.uses = Counter(x for i in self.needed for x in graph.nodes[i].inputs)
        self.uses.update(port.value.id for port in graph.outputs)

    def result(self) -> Graph:
        for i in sorted(self.needed):  # a node that nothing needs would fold into one that others read
            node = self.graph.nodes[i]
            if node.op in ("mul", "add", "sub") and node.kind == "real":
                self._fold(i, node)
        return self._rebuilt()

    def _fold(self, i: int, node: GraphNode) -> None:
        """Fold node i into what is before it, if one side is constant and there is a place for it."""
        side = self._constant_side(i)
        if side is None or (node.op == "sub" and side == 0):
            return
        source, value = node.inputs[1 - side], self._operand(i, side)
        if self.graph.nodes[source].shape != node.shape or self.graph.nodes[source].kind != "real":
            return
        if not np.isfinite(value).all() or mask_of(value).any():
            return  # a mask stays a sum of its own: what it is added to would hide it, or lose its own size
        sign = -1.0 if node.op == "sub" else 1.0
        done = self._scale(source, value) if node.op == "mul" else self._shift(source, sign * value)
        if done:
            self.same[i] = source

    def _scale(self, i: int, factor: Array) -> bool:
        """Multiply tensor i by a factor, by way of the constants it is made from."""
        changes: list[tuple[tuple[int, int], Array]] = []
        while True:
            own = self._solely_used(i)
            node = self.graph.nodes[i if own is None else own]
            if own is None or node.kind != "real":
                return False
            i = own
            if node.op == "transpose":
                factor, i = _behind(factor, node), node.inputs[0]
                continue
            if node.op == "reshape" and factor.size == 1:
                factor, i = factor.reshape(()), node.inputs[0]
                continue
            side = self._constant_side(i)
            if side is None or self.graph.nodes[node.inputs[side]].kind != "real":
                return False
            constant = self._operand(i, side)
            if node.op in ("add", "sub"):
                other = node.inputs[1 - side]
                if self.graph.nodes[other].shape != node.shape:
                    return False
                changes.append(((i, side), constant * factor))
                i = other
                continue
            place = _weights(node, side, constant, factor)
            if place is None:
                return False
            self.changed.update([*changes, ((i, side), place)])
            return True

    def _shift(self, i: int, offset: Array) -> bool:
        """Add an offset to tensor i, by way of a constant that is added to it already."""
        while True:
            own = self._solely_used(i)
            node = self.graph.nodes[i if own is None else own]
            if own is None or node.kind != "real":
                return False
            i = own
            if node.op == "transpose":
                offset, i = _behind(offset, node), node.inputs[0]
                continue
            side = self._constant_side(i)
            if node.op not in ("add", "sub") or side is None:
                return False
            subtracted = node.op == "sub" and side == 1
            changed = self._operand(i, side) + (-offset if subtracted else offset)
            if np.broadcast_shapes(changed.shape, node.shape) != node.shape:
                return False
            self.changed[i, side] = changed
            return True

    def _own(self, i: int) -> int:
        """The node that computes tensor i after the folds so far."""
        while i in self.same:
            i = self.same[i]
        return i

    def _solely_used(self, i: int) -> int | None:
        """The node that computes tensor i, if nothing reads it by any name but the one operation behind
        it."""
        while self.uses[i] == 1 and i in self.same:
            i = self.same[i]
        return i if self.uses[i] == 1 else None

    def _constant_side(self, i: int) -> int | None:
        """Which of two operands is constant, if just one is."""
        inputs = self.graph.nodes[i].inputs
        known = [k for k, x in enumerate(inputs) if x in self.graph.constants]
        return known[0] if len(inputs) == 2 and len(known) == 1 else None

    def _operand(self, i: int, side: int) -> Array:
        """The constant that node i reads on that side, in float64, as changed so far."""
        if (i, side) in self.changed:
            return self.changed[i, side]
        return self.graph.constants[self.graph.nodes[i].inputs[side]].astype(np.float64)

    def _rebuilt(self) -> Graph:
        """The needed nodes in order, each changed constant as one of its own."""
        graph, new = Graph(strings=self.graph.strings), dict[int, int]()
        for i in sorted(self._still_needed()):
            node = self.graph.nodes[i]
            inputs = list(node.inputs)
            for side, x in enumerate(node.inputs):
                if (i, side) in self.changed:
                    inputs[side] = _constant(graph, self.changed[i, side], node.label)
                else:
                    inputs[side] = new[self._own(x)]
            if i in self.graph.constants:
                graph.constants[len(graph.nodes)] = self.graph.constants[i]
            new[i] = len(graph.nodes)
            graph.nodes.append(replace(node, inputs=tuple(inputs)))
        graph.inputs = [_moved(port, new[port.value.id]) for port in self.graph.inputs]
        graph.outputs = [_moved(port, new[self._own(port.value.id)]) for port in self.graph.outputs]
        return graph

    def _still_needed(self) -> set[int]:
        needed = {self._own(port.value.id) for port in self.graph.outputs}
        for i in range(len(self.graph.nodes) - 1, -1, -1):
            if i in needed:
                inputs = enumerate(self.graph.nodes[i].inputs)
                needed.update(self._own(x) for side, x in inputs if (i, side) not in self.changed)
        return needed | {port.value.id for port in self.graph.inputs}


def _weights(node: GraphNode, side: int, constant: Array, factor: Array) -> Array | None:
    """The constant operand of a product that yields `factor` times as much, or None if there is none of its
    shape."""
    rank = len(node.shape)
    factor = factor.reshape((1,) * (rank - factor.ndim) + factor.shape)
    if node.op == "mul":
        product = constant * factor
        return product if np.broadcast_shapes(product.shape, node.shape) == node.shape else None
    channel = {("conv", 1): rank - 1, ("matmul", 1): rank - 1, ("matmul", 0): rank - 2}.get((node.op, side))
    if channel is None or any(n > 1 for axis, n in enumerate(factor.shape) if axis != channel):
        return None
    along = factor.reshape(-1)
    if node.op == "conv":
        return constant * along.reshape(-1, *[1] * (constant.ndim - 1))
    return constant * (along if side == 1 else along[:, None])


def _behind(value: Array, transpose: GraphNode) -> Array:
    """A constant that meets a transpose's output, laid out to meet its input."""
    perm = transpose.attrs["perm"]
    value = value.reshape((1,) * (len(perm) - value.ndim) + value.shape)
    return value.transpose(np.argsort(perm))


def _constant(graph: Graph, value: Array, label: str) -> int:
    graph.nodes.append(GraphNode("constant", (), {}, tuple(value.shape), "real", label))
    graph.constants[len(graph.nodes) - 1] = value.astype(np.float32) if value.size > LARGE else value
    return len(graph.nodes) - 1


def _moved(port: GraphPort, i: int) -> GraphPort:
    return replace(port, value=Value(i, port.value.shape, port.value.kind))


def _needed(graph: Graph) -> set[int]:
    needed = {port.value.id for port in graph.outputs}
    for i in range(len(graph.nodes) - 1, -1, -1):
        if i in needed:
            needed.update(graph.nodes[i].inputs)
    return needed
