"""From a circuit to the integer ONNX that ezkl proves, with the sizes that its tables and digits need.

The exporter chooses the width t of the lookup table (see `primitives`). A wide table makes more values
narrow, but a circuit of 2^k rows cannot hold a table of more than 2^k rows in one column, and proving time
doubles with k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from circuits.circuit import Circuit, Node
from circuits.cost import cost_of
from circuits.errors import UnsupportedError
from circuits.tensor import Bound
from prover.ezkl.graph import IntegerGraph, Value
from prover.ezkl.lowering import LOWERINGS, lower, name_of
from prover.ezkl.primitives import DIVIDE_CELLS, RELU_CELLS, Primitives

TABLE_BITS = range(7, 15)
INNER_COLUMNS = 2
BLINDING_ROWS = 10
"""Rows of each column that are not free for use, generously."""
MAX_CELLS = 1 << 24
"""Beyond this many cells nothing is exported: proving would take hours and hundreds of gigabytes."""


@dataclass(frozen=True)
class Export:
    """A circuit in ezkl's form.

    Parameters
    ----------
    model
        The ONNX model: every input and output flat, in port order.
    table_range
        The range of the lookup table, both ends included; (0, 1) if nothing is looked up.
    digit_base, digits
        Wide values are decomposed into this many digits of this base.
    cells
        For each node of the circuit, about how many of ezkl's cells it takes, two to a row.
    dynamic_table_cells
        The summed sizes of the tables that runtime indices look up.
    public_values
        The number of inputs and outputs.
    logrows
        About the base-2 logarithm of the rows that a proof needs.
    """

    model: bytes
    table_range: Bound
    digit_base: int
    digits: int
    cells: tuple[int, ...]
    dynamic_table_cells: int
    public_values: int
    logrows: int


def check(circuit: Circuit) -> None:
    """Refuse at once what ezkl cannot prove.

    Raises
    ------
    UnsupportedError
        Naming the first such node, or the one with whose products alone the circuit becomes too large.
    """
    products = 0
    for node in circuit.nodes:
        if node.op not in LOWERINGS and node.op not in ("input", "constant"):
            raise UnsupportedError(f"{name_of(node)}: the ezkl backend has no exact form for it")
        products += cost_of(circuit, node).macs
        if products > MAX_CELLS:
            raise _too_large(node)
    for port in circuit.outputs:
        if circuit.nodes[port.node].op == "constant":
            raise UnsupportedError(f"output {port.name!r} is a constant, which ezkl has no public value for")


def export(circuit: Circuit) -> Export:
    """The cheapest form of the circuit.

    Raises
    ------
    UnsupportedError
        Naming the node that ezkl cannot prove exactly, or the one with which the circuit becomes too large.
    """
    check(circuit)
    widest = _export(circuit, TABLE_BITS[-1])
    if widest.logrows > TABLE_BITS[-1] + 1:
        return widest  # the circuit itself needs more rows than the table
    made = [widest, *(_export(circuit, bits) for bits in reversed(TABLE_BITS[:-1]))]
    return min(made, key=lambda e: (e.logrows, sum(e.cells)))


def _export(circuit: Circuit, table_bits: int) -> Export:
    graph = IntegerGraph()
    primitives = Primitives(graph, table_bits)
    values: list[Value] = []
    cells = []
    postponed = postponed_rescales(circuit)
    for i, node in enumerate(circuit.nodes):
        before = graph.cost
        if node.op == "input":
            value = graph.input(node.size, node.lo, node.hi)
            value = Value(value.cells.reshape(node.shape), value.lo, value.hi)
        elif node.op == "constant":
            value = graph.constant(circuit.constants[i].astype(np.int64))
        elif i in postponed:
            value = values[node.inputs[0]]
        elif node.inputs[0] in postponed:
            pooled = lower(primitives, [values[node.inputs[0]]], _with_bound(node, values[node.inputs[0]]))
            value = lower(primitives, [pooled], _with_shape(circuit.nodes[node.inputs[0]], node))
        else:
            value = lower(primitives, [values[x] for x in node.inputs], node)
        values.append(value)
        cells.append(graph.cost - before)
        if graph.cost > MAX_CELLS:
            raise _too_large(node)
    model = graph.model([values[port.node] for port in circuit.outputs])
    public_values = sum(circuit.nodes[port.node].size for port in (*circuit.inputs, *circuit.outputs))
    table_range = primitives.table_range if primitives.uses_table else (0, 1)
    rows = max(
        -(-graph.cost // INNER_COLUMNS),
        table_range[1] - table_range[0] + 1,
        graph.dynamic_table_cells,
        public_values,
    )
    logrows = max(6, (rows + BLINDING_ROWS - 1).bit_length())
    base, digits = _digits(
        max(primitives.decomposed, graph.largest_shared_constant()), (1 << logrows) - BLINDING_ROWS
    )
    return Export(
        model, table_range, base, digits, tuple(cells), graph.dynamic_table_cells, public_values, logrows
    )


def _too_large(node: Node) -> UnsupportedError:
    return UnsupportedError(
        f"{name_of(node)}: with it the circuit takes more than {MAX_CELLS:,} cells, too many for ezkl: "
        "use another backend"
    )


def postponed_rescales(circuit: Circuit) -> set[int]:
    """The rescales that are cheaper behind the max_pool that alone reads them; being monotone, they commute
    with it.
    """
    kept = {port.node for port in circuit.outputs}
    postponed = set()
    for i, node in enumerate(circuit.nodes):
        if node.op != "max_pool":
            continue
        source = node.inputs[0]
        before = circuit.nodes[source]
        if before.op != "rescale" or circuit.consumers[source] != (i,) or source in kept:
            continue
        comparisons = node.size * (math.prod(node.attrs["kernel"]) - 1)
        rescale_cells = DIVIDE_CELLS if before.attrs["shift"] else RELU_CELLS
        if comparisons * RELU_CELLS < (before.size - node.size) * rescale_cells:
            postponed.add(source)
    return postponed


def _with_bound(node: Node, x: Value) -> Node:
    return Node(node.op, node.inputs, node.attrs, node.shape, x.lo, x.hi, node.label)


def _with_shape(rescale: Node, pool: Node) -> Node:
    return Node(rescale.op, rescale.inputs, rescale.attrs, pool.shape, pool.lo, pool.hi, rescale.label)


def _digits(largest: int, rows: int) -> tuple[int, int]:
    """A base of which `rows` rows hold all digits, and the fewest digits of it that hold `largest`."""
    digits = 1
    while rows**digits <= largest:
        digits += 1
    base = max(2, round(largest ** (1 / digits)))
    while base**digits <= largest:
        base += 1
    return base, digits
