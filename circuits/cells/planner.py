"""Walks a circuit and decides, tensor by tensor, what is materialised and how its cells are recomputed.

A tensor stays an expression (a sum of terms over stored tensors) as long as its reader can take it in; it is
materialised when an operation needs it as stored elements, when it is costly and has several readers, or when
its digits cannot express the next movement. What an operation other than a sum or a movement yields is
materialised always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.cells.accesses import Access, Digit, Layout, Tensor, Unrepresentable, whole
from circuits.cells.cost import MAX_DEPTH
from circuits.cells.rules import RULES, Operand
from circuits.cells.splitting import fitted
from circuits.cells.terms import Definition, Expression, Term, plain_sum, settled
from circuits.circuit import Circuit, Node
from circuits.errors import CircuitError, VerinferError
from circuits.records import (
    MAX_CELLS,
    OUTPUT_AXES,
    REDUCTION_AXES,
    Guard,
    Record,
    Region,
    View,
    leaves_of,
)

MOST_SHARED_VIEWS = 16
"""A tensor whose cells take this many operands, and no reduction, is folded into each of its readers."""


@dataclass(frozen=True)
class ConstantSlot:
    """A constant in the weights tree, in the order in which cells read it."""

    node: int
    layout: Layout | None
    first: int
    elements: int
    width: int


@dataclass(frozen=True)
class Plan:
    """All records of a circuit, in the order of the ops tree: the trace's tensors in topological order, then
    the outputs."""

    records: tuple[Record, ...]
    nodes: tuple[int | None, ...]
    """The node whose tensor a record describes, row-major; None for a tensor that only splits or copies
    others."""
    weights: tuple[ConstantSlot, ...]
    input_firsts: tuple[int, ...]
    """The first leaf of each input in the input tree."""
    input_leaves: int
    weights_leaves: int
    trace_leaves: int

    @property
    def trace_records(self) -> int:
        """The number of records of the trace; the outputs' come behind."""
        return sum(1 for record in self.records if record.region is Region.TRACE)


def plan_cells(circuit: Circuit) -> Plan:
    """The plan of a valid circuit.

    Raises
    ------
    CircuitError
        If a cell cannot be recomputed in one transaction, naming the node, or a tree would be too deep.
    """
    return Planner(circuit).plan()


class Planner:
    """The state of a walk over a circuit."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.readers = _readers(circuit)
        self.expressions: dict[int, Expression] = {}
        self.definitions: dict[int, Definition] = {}
        self.stored: set[int] = set()
        self.records: list[Record] = []
        self.nodes: list[int | None] = []
        self.weights: dict[tuple[int, Layout | None], ConstantSlot] = {}
        self.weights_leaves = 0
        self.trace_leaves = 0
        self.input_firsts: list[int] = []
        self.input_leaves = 0

    def plan(self) -> Plan:
        """Walk the circuit."""
        for i, node in enumerate(self.circuit.nodes):
            if node.op == "input":
                self._input(i, node)
            elif self.readers[i] == 0:
                continue
            elif node.op == "constant":
                self._constant(i, node)
            else:
                try:
                    self._operation(i, node)
                except VerinferError as error:
                    raise CircuitError(f"node {i} ({node.op}, {node.label or 'unnamed'}): {error}") from None
        self._outputs()
        for name, leaves in (
            ("trace", self.trace_leaves),
            ("weights", self.weights_leaves),
            ("input", self.input_leaves),
        ):
            if leaves > 1 << MAX_DEPTH:
                raise CircuitError(
                    f"the {name} tree would have {leaves} leaves, over the limit of {1 << MAX_DEPTH}"
                )
        return Plan(
            tuple(self.records), tuple(self.nodes), tuple(self.weights.values()), tuple(self.input_firsts),
            self.input_leaves, self.weights_leaves, self.trace_leaves,
        )  # fmt: skip

    def _input(self, i: int, node: Node) -> None:
        tensor = Tensor(Region.INPUT, node.width, node.size, self.input_leaves)
        self.input_firsts.append(self.input_leaves)
        self.input_leaves += leaves_of(node.size, node.width)
        self._store(i, tensor)

    def _constant(self, i: int, node: Node) -> None:
        if node.lo == node.hi:  # one element stands for all
            layout = Layout((), ())
            digits = (Digit(node.size, (0,)),) if node.size > 1 else ()
            access = Access(
                Tensor(Region.WEIGHTS, node.width, 1, constant=i, layout=layout), digits, (), (0,)
            )
            self.expressions[i] = (Term(1, (access,), node.lo, node.hi),)
            self.stored.add(i)
        else:
            self._store(i, Tensor(Region.WEIGHTS, node.width, node.size, constant=i))

    def _store(self, i: int, tensor: Tensor) -> None:
        node = self.circuit.nodes[i]
        self.expressions[i] = (Term(1, (whole(tensor),), node.lo, node.hi),)
        self.stored.add(i)

    def _operation(self, i: int, node: Node) -> None:
        result = self._translated(i, node)
        consumers = len(self._live_consumers(i))
        if isinstance(result, Definition):
            if consumers:
                self._store(i, self._emit(result, node.size, node.width, i))
            else:
                self.definitions[i] = result
            return
        views = sum(len(term.accesses) for term in result)
        shareable = views <= MOST_SHARED_VIEWS and not any(term.inner for term in result)
        self.expressions[i] = result
        if self.readers[i] > 1 and not shareable:
            self._materialise_node(i)

    def _translated(self, i: int, node: Node) -> Definition | Expression:
        """The node's cells in terms of its inputs, of which as many are materialised as it takes."""
        while True:
            operands = [self._operand(x) for x in node.inputs]
            try:
                result = RULES[node.op](operands, node, self._materialise)
                terms = result.terms if isinstance(result, Definition) else result
                settled(terms)
                return result
            except Unrepresentable as error:
                candidates = [x for x in node.inputs if x not in self.stored]
                if not candidates:
                    raise
                guilty = node.inputs[error.operand] if error.operand is not None else None
                self._materialise_node(
                    guilty if guilty in candidates else max(candidates, key=self._complexity)
                )

    def _operand(self, x: int) -> Operand:
        node = self.circuit.nodes[x]
        return Operand(self.expressions[x], node.shape, node.lo, node.hi, self.circuit.constants.get(x))

    def _complexity(self, x: int) -> int:
        return sum(
            len((*a.outer, *a.inner)) + len(a.limits) + 1
            for term in self.expressions[x]
            for a in term.accesses
        )

    def _live_consumers(self, i: int) -> list[int]:
        return [reader for reader in self.circuit.consumers[i] if self.readers[reader]]

    def _materialise_node(self, i: int) -> None:
        node = self.circuit.nodes[i]
        self._store(i, self._emit(plain_sum(self.expressions[i]), node.size, node.width, i))

    def _materialise(self, definition: Definition, cells: int, width: int) -> Tensor:
        return self._emit(definition, cells, width, None)

    def _emit(self, definition: Definition, cells: int, width: int, node: int | None) -> Tensor:
        """Add a tensor to the trace."""
        definition = fitted(definition, self._materialise)
        first = self.trace_leaves
        self._record(definition, Region.TRACE, first, cells, width, node)
        self.trace_leaves += leaves_of(cells, width)
        return Tensor(Region.TRACE, width, cells, first)

    def _outputs(self) -> None:
        final = []
        for number, port in enumerate(self.circuit.outputs):
            node = self.circuit.nodes[port.node]
            definition = self.definitions.get(port.node) or plain_sum(self.expressions[port.node])
            try:
                final.append((fitted(definition, self._materialise), number, node, port.node))
            except VerinferError as error:
                raise CircuitError(
                    f"output {port.name!r} ({node.op}, {node.label or 'unnamed'}): {error}"
                ) from None
        for definition, number, node, i in final:
            self._record(definition, Region.OUTPUT, number, node.size, node.width, i)

    def _record(
        self, definition: Definition, region: Region, first: int, cells: int, width: int, node: int | None
    ) -> None:
        if cells > MAX_CELLS:
            raise CircuitError(f"a tensor of {cells} cells is over the limit of {MAX_CELLS}")
        terms = settled(definition.terms)
        dims = _right(
            [digit.size for digit in terms[0].accesses[0].outer] if terms else [cells], OUTPUT_AXES, 1
        )
        views: list[View] = []
        for term in terms:
            for position, access in enumerate(term.accesses):
                coefficient = term.coefficient if position == 0 else 1
                views.append(self._view(access, coefficient, position < len(term.accesses) - 1))
        record = Record(
            definition.kind, region, width, definition.shift, first, cells, dims,
            definition.mul, definition.lo, definition.hi, tuple(views),
        )  # fmt: skip
        self.records.append(record)
        self.nodes.append(node)

    def _view(self, access: Access, coefficient: int, factor: bool) -> View:
        outer, inner = access.outer, access.inner
        first = access.tensor.first if access.tensor.constant < 0 else self._constant_first(access.tensor)
        axes = [
            *range(OUTPUT_AXES - len(outer), OUTPUT_AXES),
            *range(OUTPUT_AXES + REDUCTION_AXES - len(inner), 12),
        ]
        guards = []
        for column, limit in enumerate(access.limits, start=1):
            used = [
                (axis, digit.steps[column])
                for axis, digit in zip(axes, (*outer, *inner), strict=True)
                if digit.steps[column]
            ]
            (a, coef_a), (b, coef_b) = (*used, (0, 0), (0, 0))[:2]
            guards.append(Guard(a, b, coef_a, coef_b, access.bases[column], limit))
        return View(
            access.tensor.region, access.tensor.width, factor, access.skip, coefficient, first,
            access.bases[0], access.fill,
            _right([digit.steps[0] for digit in outer], OUTPUT_AXES, 0),
            _right([digit.steps[0] for digit in inner], REDUCTION_AXES, 0),
            _right([digit.size for digit in inner], REDUCTION_AXES, 1), tuple(guards),
        )  # fmt: skip

    def _constant_first(self, tensor: Tensor) -> int:
        key = (tensor.constant, tensor.layout)
        if key not in self.weights:
            slot = ConstantSlot(
                tensor.constant, tensor.layout, self.weights_leaves, tensor.elements, tensor.width
            )
            self.weights[key] = slot
            self.weights_leaves += leaves_of(tensor.elements, tensor.width)
        return self.weights[key].first


def _right(values: Sequence[int], places: int, idle: int) -> tuple[int, ...]:
    """The values, right-aligned in so many places."""
    return (*(idle,) * (places - len(values)), *values)


def _readers(circuit: Circuit) -> list[int]:
    """How many nodes and output ports read each tensor, not counting nodes that no output needs."""
    readers = [0] * len(circuit.nodes)
    for port in circuit.outputs:
        readers[port.node] += 1
    for i in range(len(circuit.nodes) - 1, -1, -1):
        if readers[i]:
            for x in dict.fromkeys(circuit.nodes[i].inputs):
                readers[x] += 1
    return readers
