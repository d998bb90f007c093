"""Builds a circuit node by node, inferring each shape and bound, sharing equal nodes, dropping idle ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from circuits.circuit import Circuit, Kind, Node, Port, infer
from circuits.errors import VerinferError
from circuits.ops import op
from circuits.ops.base import broadcast_shapes
from circuits.tensor import IntArray, Operand, Shape, dtype_of

LARGE = 1 << 14
"""A constant of so many elements is not copied to transpose it."""


class CircuitBuilder:
    """Grows a circuit. Tensors are named by the number of their node; `label` marks the nodes added from now
    on."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.operands: list[Operand] = []
        self.constants: dict[int, IntArray] = {}
        self.label = ""
        self._seen: dict[str, int] = {}
        self._inputs: list[Port] = []

    def input(self, name: str, shape: Shape, lo: int, hi: int, scale: float, kind: Kind) -> int:
        """Add an input with a declared bound."""
        index = self._append(Node("input", (), {}, shape, lo, hi, name), None)
        self._inputs.append(Port(name, index, scale, kind))
        return index

    def constant(self, value: IntArray | int | Sequence[int]) -> int:
        """Add a constant, or find the equal one already there."""
        array = np.asarray(value)
        array = np.array(array, dtype=dtype_of(int(array.min()), int(array.max())), order="C")
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        key = f"constant {array.dtype} {array.shape} {digest}"
        if key in self._seen:
            return self._seen[key]
        node = Node("constant", (), {}, tuple(array.shape), int(array.min()), int(array.max()), self.label)
        index = self._seen[key] = self._append(node, array)
        return index

    def add(self, name: str, inputs: Sequence[int], **attrs: Any) -> int:
        """Add an operation; one whose inputs are all constants is computed at once, but for transpositions of
        large ones: those come from weights that are read both ways, and a copy would be more parameters.

        Raises
        ------
        CircuitError, BoundError
            If the inputs do not fit the operation, naming the ONNX node that asked for it.
        """
        inputs = tuple(inputs)
        key = f"{name} {inputs} {json.dumps(attrs, sort_keys=True)}"
        if key in self._seen:
            return self._seen[key]
        xs = [self.operands[i] for i in inputs]
        try:
            idle = self._idle(name, inputs, attrs)
            if idle is not None:
                return idle
            shape, bound = infer(name, xs, attrs, None, None)
        except VerinferError as error:
            raise type(error)(f"{self.label or 'unnamed node'}: {error}") from None
        shared = name == "transpose" and xs[0].value is not None and xs[0].value.size >= LARGE
        if all(x.value is not None for x in xs) and not shared:
            batch = [x.value[None] for x in xs if x.value is not None]
            index = self.constant(op(name).execute(batch, attrs, shape, bound)[0])
        elif bound[0] == bound[1]:
            # the bounds leave one value: a comparison that is decided, a quotient of 0
            index = self.constant(np.full(shape, bound[0]))
        else:
            index = self._append(Node(name, inputs, attrs, shape, *bound, self.label), None)
        self._seen[key] = index
        return index

    def build(self, outputs: Sequence[Port], info: Mapping[str, Any]) -> Circuit:
        """The finished circuit, without the nodes that no output needs (inputs stay)."""
        needed = {port.node for port in (*self._inputs, *outputs)}
        for i in range(len(self.nodes) - 1, -1, -1):
            if i in needed:
                needed.update(self.nodes[i].inputs)
        new = {old: i for i, old in enumerate(sorted(needed))}
        kept = [self.nodes[old] for old in sorted(needed)]
        nodes = tuple(
            Node(n.op, tuple(new[x] for x in n.inputs), n.attrs, n.shape, n.lo, n.hi, n.label) for n in kept
        )
        constants = {new[i]: value for i, value in self.constants.items() if i in new}
        inputs = tuple(Port(p.name, new[p.node], p.scale, p.kind) for p in self._inputs)
        ends = tuple(Port(p.name, new[p.node], p.scale, p.kind) for p in outputs)
        return Circuit(nodes, constants, inputs, ends, dict(info))

    def _append(self, node: Node, value: IntArray | None) -> int:
        self.nodes.append(node)
        self.operands.append(Operand(node.shape, node.lo, node.hi, value))
        if value is not None:
            self.constants[len(self.nodes) - 1] = value
        return len(self.nodes) - 1

    def _idle(self, name: str, inputs: tuple[int, ...], attrs: Mapping[str, Any]) -> int | None:
        """The input that the operation would merely repeat, if it would."""
        if not inputs:
            return None
        x = self.operands[inputs[0]]
        if name in ("reshape", "broadcast"):
            same = tuple(attrs["shape"]) == x.shape
        elif name == "transpose":
            same = list(attrs["perm"]) == list(range(len(x.shape)))
        elif name == "slice":
            same = tuple(attrs["sizes"]) == x.shape and all(step == 1 for step in attrs["steps"])
        elif name == "pad":
            same = not any((*attrs["before"], *attrs["after"]))
        elif name == "concat":
            same = len(inputs) == 1
        elif name == "where" and x.lo == x.hi:
            branch = inputs[1] if x.lo == 1 else inputs[2]
            whole = broadcast_shapes(
                broadcast_shapes(x.shape, self.operands[inputs[1]].shape), self.operands[inputs[2]].shape
            )
            return branch if self.operands[branch].shape == whole else None
        elif name in ("reduce_sum", "reduce_max"):
            same = all(x.shape[axis] == 1 for axis in attrs["axes"])
        elif name == "rescale":
            low = attrs["lo"] is None or attrs["lo"] <= x.lo
            high = attrs["hi"] is None or x.hi <= attrs["hi"]
            same = attrs["mul"] == 1 and attrs["shift"] == 0 and low and high
        else:
            same = False
        return inputs[0] if same else None
