"""A prover who commits to what it likes: the honest one, with cells of its advice changed.

What follows from the changed cells is computed again, as a cheat would: the circuit behind a changed node,
limbs, excesses and choices from the changed tensors, and multiplicities. Cells are unbounded integers, read
modulo r where they are committed, so that a fraction of the field can be a cell.

`violated` tells, without any proof, which demands of the system a witness breaks: what a sound argument must
notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from circuits.ops import op
from prover.sumcheck.images import image
from prover.sumcheck.inputs import padded_cells
from prover.sumcheck.witness import ROLES, LookupRows, Witness
from tests.prover.sumcheck.trials import Trial
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.maps import Sum, SumBehind
from verifier.sumcheck.system import (
    Advice,
    ClampTable,
    CommittedInput,
    Lookup,
    PairTable,
    Parameter,
    Product,
    Public,
    PublicChoice,
    RangeTable,
    Table,
)

Cells = Any
"""An array of Python integers."""


class CheatingWitness(Witness):
    """The values of a system's tensors, some of them changed.

    Parameters
    ----------
    trial
        The true witness, and the circuit.
    changed
        Cells that take the place of an advice tensor's, by tensor.
    nodes
        Cells that take the place of a node's own, by node. What comes after it is executed again.
    parameters
        Cells that take the place of a constant's, by node: another model.
    consistent
        Whether advice that is not changed is computed from that which is.

    Its outputs are those that the system makes of its advice.
    """

    def __init__(
        self,
        trial: Trial,
        changed: Mapping[int, Cells] | None = None,
        nodes: Mapping[int, Cells] | None = None,
        parameters: Mapping[int, Cells] | None = None,
        consistent: bool = True,
    ) -> None:
        self.circuit, self.system, self.trial = trial.circuit, trial.plan.system, trial
        self.consistent = consistent
        self._node_of = trial.witness._node_of
        self._of_node = dict(trial.witness._of_node)
        self._known = {tensor: _exact(cells) for tensor, cells in (changed or {}).items()}
        self._replaced = {i: _exact(cells) for i, cells in (parameters or {}).items()}
        if nodes or parameters:
            self._execute(nodes or {}, self._replaced)
        self.outputs = [
            np.broadcast_to(_nearest(self.value(self.system.node_tensors[port.node][0])), output.shape)
            for port, output in zip(trial.circuit.outputs, trial.witness.outputs, strict=True)
        ]
        self.rows = cheating_rows(self)
        for table, tensor in enumerate(self.system.multiplicities):
            self._known.setdefault(tensor, _exact(self.rows.multiplicities[table]))

    def _execute(self, replaced: Mapping[int, Cells], parameters: Mapping[int, Cells]) -> None:
        """Run the circuit again with nodes replaced; where an operation cannot bear it, its cells stay."""
        for i, node in enumerate(self.circuit.nodes):
            if i in replaced:
                self._of_node[i] = _exact(replaced[i])
            elif i in parameters:
                self._of_node[i] = parameters[i][None]
            elif node.inputs:
                try:
                    xs = [self._of_node[x].astype(np.int64) for x in node.inputs]
                    self._of_node[i] = op(node.op).execute(xs, node.attrs, node.shape, (node.lo, node.hi))
                except (IndexError, ZeroDivisionError, ValueError, OverflowError):
                    continue

    def _compute(self, i: int) -> Cells:
        tensor = self.system.tensors[i]
        if isinstance(tensor, Advice):
            if not self.consistent:
                return _exact(self.trial.witness.value(i))
            name, *arguments = tensor.role
            try:
                return _exact(ROLES[str(name)](self, tensor, *arguments))
            except (IndexError, OverflowError):  # an index or a number that fits no array
                return _exact(self.trial.witness.value(i))
        if isinstance(tensor, CommittedInput):
            return padded_cells(_exact(self._of_node[self.circuit.inputs[tensor.port].node]), tensor.shape)
        if isinstance(tensor, Parameter):
            return _exact(self._replaced.get(tensor.node, self.circuit.constants[tensor.node])[None])
        if isinstance(tensor, Public | PublicChoice):
            if isinstance(tensor, Public) and tensor.port[0] == "output":
                return _exact(self.outputs[tensor.port[1]])
            return _exact(self.trial.witness.value(i))
        total = np.full(tensor.shape, tensor.constant, dtype=object)
        for term in tensor.terms:
            if isinstance(term, Product):
                part = _product(term, self.value(term.left), self.value(term.right)).reshape(tensor.shape)
            else:
                part = _image(term.map, self.value(term.source))
            total = total + term.coefficient * part
        return total


def _exact(cells: Any) -> Cells:
    """An array of Python integers."""
    array = np.asarray(cells)
    exact = np.empty(array.shape, dtype=object)
    exact.reshape(-1)[:] = [int(v) for v in array.reshape(-1)]
    return exact


def _nearest(cells: Cells) -> Cells:
    """The integers nearest to zero with the same residues."""
    half = SCALAR_FIELD // 2
    return (cells + half) % SCALAR_FIELD - half


def _image(map: Any, x: Cells) -> Cells:
    """The image of unbounded integers."""
    if isinstance(map, Sum):
        return x.sum(axis=map.axis, keepdims=True)
    if isinstance(map, SumBehind):
        return np.flip(np.cumsum(np.flip(x, map.axis), axis=map.axis), map.axis) - x
    return image(map, x)


def _product(product: Product, left: Cells, right: Cells) -> Cells:
    labels = sorted(
        {a for side in (product.left_labels, product.right_labels) for a in side if a is not None}
    )
    number = {label: i for i, label in enumerate(labels)}
    operands: list[Any] = []
    for x, names in ((left, product.left_labels), (right, product.right_labels)):
        operands.append(x.reshape([n for n, a in zip(x.shape, names, strict=True) if a is not None]))
        operands.append([number[a] for a in names if a is not None])
    return np.asarray(
        np.einsum(*operands, [number[a] for a in product.labels if a is not None]), dtype=object
    )


class CheatingRows(LookupRows):
    """The leaves' fingerprints by themselves: a cheat's are no rows of any table."""

    def __init__(self, multiplicities: Sequence[Any]) -> None:
        super().__init__([0], None, multiplicities)


def cheating_rows(witness: CheatingWitness) -> CheatingRows:
    """Multiplicities that count the cells which are rows, the others left out."""
    counts = [np.zeros(table.count, dtype=object) for table in witness.system.tables]
    for lookup in witness.system.lookups:
        for row in rows_of(witness, lookup):
            if row is not None:
                counts[lookup.table][row] += 1
    return CheatingRows(counts)


def rows_of(witness: CheatingWitness, lookup: Lookup) -> list[int | None]:
    """For each cell of a lookup its row, None where it is none."""
    columns = [[int(v) % SCALAR_FIELD for v in witness.value(c).reshape(-1)] for c in lookup.columns]
    table = table_columns(witness, witness.system.tables[lookup.table])
    number = {row: i for i, row in enumerate(zip(*table, strict=True))}
    return [number.get(cell) for cell in zip(*columns, strict=True)]


def table_columns(witness: CheatingWitness, table: Table) -> list[list[int]]:
    """The rows of a table, column by column, as field elements."""
    match table:
        case RangeTable(count):
            columns = [list(range(count))]
        case PairTable(lo, values, count):
            columns = [list(range(lo, lo + count)), [int(v) for v in witness.value(values).reshape(-1)]]
        case ClampTable(first, count, lo, hi):
            numbers = list(range(first, first + count))
            columns = [numbers, [int(v) for v in np.clip(numbers, lo, hi)]]
    return [[v % SCALAR_FIELD for v in column] for column in columns]


def violated(witness: CheatingWitness) -> list[str]:
    """The demands of the system that a witness breaks."""
    system, broken = witness.system, []
    for i, lookup in enumerate(system.lookups):
        if None in rows_of(witness, lookup):
            broken.append(f"lookup {i} in {system.tables[lookup.table]}")
    for table, tensor in enumerate(system.multiplicities):
        if any((witness.value(tensor) - witness.rows.multiplicities[table]) % SCALAR_FIELD):
            broken.append(f"multiplicities of {system.tables[table]}")
    for tensor in system.zeros:
        if any(int(v) % SCALAR_FIELD for v in witness.value(tensor).reshape(-1)):
            broken.append(f"tensor {tensor} is zero")
    return broken
