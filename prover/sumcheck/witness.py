"""The values of a system's tensors for given inputs.

The executor gives the circuit's own tensors. What the relations commit to beside them follows from those by
the roles of advice tensors, each computed here in a few NumPy calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from circuits.errors import CheckFailed
from circuits.executor import CPU, Processor, execute
from circuits.ops.narrowing import half_of
from circuits.tensor import IntArray, Shape
from prover.sumcheck.images import image, product_image
from prover.sumcheck.inputs import padded_cells
from verifier.sumcheck.fractions import Tree
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.system import (
    Advice,
    CommittedInput,
    Linear,
    PairTable,
    Parameter,
    Product,
    Public,
    PublicChoice,
    RangeTable,
    System,
)


class Witness:
    """Integer values of tensors, with the batch axis in front; computed when asked for, and kept.

    They are held by a processor; the outputs are NumPy's arrays.
    """

    def __init__(
        self, circuit: Circuit, plan: Plan, inputs: Sequence[IntArray], processor: Processor = CPU
    ) -> None:
        self.circuit, self.system = circuit, plan.system
        self._of_node: dict[int, IntArray] = {}
        self.outputs = execute(circuit, inputs, self._of_node.__setitem__, processor)
        self.held = processor.hold(np.zeros(0, dtype=np.int64))
        """An array of the kind that holds the values, for NumPy's `like`."""
        self._node_of = {tensor: i for i, tensors in plan.system.node_tensors.items() for tensor in tensors}
        self._known: dict[int, IntArray] = {}
        self.rows = lookup_rows(plan.system, plan.tree, self)
        for table, tensor in enumerate(plan.system.multiplicities):
            self._known[tensor] = self.rows.multiplicities[table]

    def value(self, tensor: int) -> IntArray:
        """The value of a tensor. Constants have a batch axis of size 1."""
        known = self._known.get(tensor)
        if known is None:
            known = self._known[tensor] = self._compute(tensor)
        return known

    def _compute(self, i: int) -> IntArray:
        if i in self._node_of:
            return self._of_node[self._node_of[i]]
        tensor = self.system.tensors[i]
        if isinstance(tensor, Parameter):
            return self._of_node[tensor.node]
        if isinstance(tensor, CommittedInput):
            return padded_cells(self._of_node[self.circuit.inputs[tensor.port].node], tensor.shape)
        if isinstance(tensor, Public):
            kind, port = tensor.port
            ports = self.circuit.inputs if kind == "input" else self.circuit.outputs
            return np.broadcast_to(self._of_node[ports[port].node], tensor.shape)
        if isinstance(tensor, PublicChoice):
            return self.index_one_hot(tensor, tensor.index)
        if isinstance(tensor, Advice):
            name, *arguments = tensor.role
            return ROLES[str(name)](self, tensor, *arguments)
        if len(tensor.terms) == 1 and tensor.terms[0].coefficient == 1 and not tensor.constant:
            return self._image(tensor.terms[0], tensor.shape)  # as narrow as it is
        total = np.zeros(tensor.shape, dtype=np.int64, like=self.held) + tensor.constant
        for term in tensor.terms:
            part = self._image(term, tensor.shape)
            total += part if term.coefficient == 1 else np.multiply(part, term.coefficient, dtype=np.int64)
        return total

    def _image(self, term: Linear | Product, shape: Shape) -> IntArray:
        """A term without its coefficient."""
        if isinstance(term, Linear):
            return image(term.map, self.value(term.source))
        return product_image(term, self.value(term.left), self.value(term.right)).reshape(shape)

    def _quotient(self, node: int) -> IntArray:
        """What a rescale clamps."""
        attrs = self.circuit.nodes[node].attrs
        x = self._of_node[self.circuit.nodes[node].inputs[0]].astype(np.int64)
        q: IntArray = (x * attrs["mul"] + half_of(attrs["shift"])) >> attrs["shift"]
        return q

    def node(self, advice: Advice, node: int) -> IntArray:
        """The value of a node."""
        return np.broadcast_to(self._of_node[node], advice.shape)

    def quotient(self, advice: Advice, node: int) -> IntArray:
        """What a rescale clamps."""
        return np.broadcast_to(self._quotient(node), advice.shape)

    def copy(self, advice: Advice, tensor: int) -> IntArray:
        """The value of another tensor."""
        return self.value(tensor)

    def limb(self, advice: Advice, tensor: int, shift: int, bits: int) -> IntArray:
        """Some bits of a tensor's cells."""
        limb: IntArray = (_wide(self.value(tensor)) >> shift) & ((1 << bits) - 1)
        return limb

    def excess_low(self, advice: Advice, node: int) -> IntArray:
        """By how much a rescale's quotient falls below the limit."""
        excess: IntArray = np.maximum(self.circuit.nodes[node].attrs["lo"] - self._quotient(node), 0)
        return excess

    def excess_high(self, advice: Advice, node: int) -> IntArray:
        """By how much a rescale's quotient exceeds the limit."""
        excess: IntArray = np.maximum(self._quotient(node) - self.circuit.nodes[node].attrs["hi"], 0)
        return excess

    def maximum(self, advice: Advice, candidates: Sequence[int]) -> IntArray:
        """The greatest of some tensors, cell by cell."""
        best = self.value(candidates[0])
        for candidate in candidates[1:]:
            best = np.maximum(best, self.value(candidate))
        return best

    def one_hot(self, advice: Advice, tensor: int, axes: Sequence[int]) -> IntArray:
        """1 at the first of the greatest cells along some axes together."""
        x = np.moveaxis(self.value(tensor), axes, range(-len(axes), 0))
        flat = x.reshape(*x.shape[: x.ndim - len(axes)], -1)
        hot = _one_hot(flat.argmax(axis=-1), flat.shape[-1])
        return np.moveaxis(hot.reshape(x.shape), range(-len(axes), 0), axes)

    def top_k(self, advice: Advice, tensor: int, axis: int, k: int) -> IntArray:
        """The places of the k greatest cells along an axis, one-hot, an axis of size k in front of it."""
        x = np.moveaxis(self.value(tensor), axis, -1)
        order = np.argsort(-x.astype(np.int64), axis=-1, kind="stable")[..., :k]
        return np.moveaxis(_one_hot(order, x.shape[-1]), (-2, -1), (axis, axis + 1))

    def index_one_hot(self, advice: Advice | PublicChoice, tensor: int) -> IntArray:
        """1 at the place that an index names, along a new last axis."""
        index = self.value(tensor).astype(np.int64).reshape(advice.shape[:-1])
        return _one_hot(index, advice.shape[-1])

    def positive(self, advice: Advice, tensor: int) -> IntArray:
        """1 where a cell is above 0."""
        return (self.value(tensor) > 0).astype(np.int8)


ROLES: Mapping[str, Callable[..., IntArray]] = {
    role.__name__: role
    for role in (
        Witness.node,
        Witness.quotient,
        Witness.copy,
        Witness.limb,
        Witness.excess_low,
        Witness.excess_high,
        Witness.maximum,
        Witness.one_hot,
        Witness.top_k,
        Witness.index_one_hot,
        Witness.positive,
    )
}


def _one_hot(index: IntArray, size: int) -> IntArray:
    """1 at the place that an index names, along a new last axis."""
    hot: IntArray = (index[..., None] == np.arange(size, like=index)).astype(np.int8)
    return hot


def _wide(x: IntArray) -> IntArray:
    """Cells that may be masked with any number of 64 bits; a cheat's are unbounded already."""
    return x if x.dtype == object else x.astype(np.int64, copy=False)


class LookupRows:
    """For each leaf its row among all rows of all tables, one table after another; the last row pads."""

    def __init__(self, first: Sequence[int], rows: Any, multiplicities: Sequence[IntArray]) -> None:
        self.first, self.rows, self.multiplicities = first, rows, multiplicities

    @property
    def padding(self) -> int:
        """The row that pads."""
        return self.first[-1]


def lookup_rows(system: System, tree: Tree, witness: Witness) -> LookupRows:
    """The rows that a circuit's lookups hit, and how often.

    Raises
    ------
    CheckFailed
        If a cell is no row of its table. That is a bug: an executed circuit's cells are.
    """
    first = [0]
    for table in system.tables:
        first.append(first[-1] + table.count)
    rows = np.zeros(tree.leaves, dtype=np.uint32, like=witness.held)
    rows[...] = first[-1]
    for slot in tree.slots:
        padded = rows[slot.offset : slot.offset + (1 << slot.bits)].reshape(
            [1 << (n - 1).bit_length() for n in slot.shape]
        )
        inside = padded[tuple(slice(0, n) for n in slot.shape)]
        if slot.is_table:
            inside[...] = np.arange(slot.shape[0], like=rows) + first[slot.number]
            continue
        lookup = system.lookups[slot.number]
        table = system.tables[lookup.table]
        index = witness.value(lookup.columns[0])
        if not isinstance(table, RangeTable):
            index = index.astype(np.int64) - (table.lo if isinstance(table, PairTable) else table.first)
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= table.count:
            raise CheckFailed(
                f"a witness cell is no row of its table ({low}..{high} of {table.count}): this is a bug"
            )
        inside[...] = index
        inside += np.uint32(first[lookup.table])
    counts = np.bincount(rows, minlength=first[-1] + 1) - 1  # a table's own slot holds each row once
    multiplicities = [counts[a:b] for a, b in itertools.pairwise(first)]
    return LookupRows(first, rows, multiplicities)
