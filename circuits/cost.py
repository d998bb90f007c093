"""What each operation of a circuit costs: multiply-accumulates when run, witness elements when proved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from circuits.circuit import Circuit, Node

WITNESSED = frozenset(
    {"rescale", "table", "floor_divide", "max", "reduce_max", "max_pool", "greater", "where", "top_k"}
)
"""The operations whose outputs a prover commits to: the others are linear in committed tensors, or products
of them."""


@dataclass(frozen=True)
class Cost:
    """The cost of one node for one sample."""

    macs: int
    """Multiply-accumulates of the executor."""
    witness: int
    """Elements that a prover must commit to."""


def cost_of(circuit: Circuit, node: Node) -> Cost:
    """The cost of a node."""
    xs = [circuit.nodes[i] for i in node.inputs]
    if node.op == "matmul":
        macs = node.size * xs[0].shape[-1]
    elif node.op == "conv":
        macs = node.size * math.prod(xs[1].shape[1:])
    elif node.op == "mul":
        macs = node.size
    else:
        macs = 0
    return Cost(macs, node.size if node.op in WITNESSED else 0)


def total(circuit: Circuit) -> Cost:
    """The cost of the whole circuit."""
    costs = [cost_of(circuit, node) for node in circuit.nodes]
    return Cost(sum(c.macs for c in costs), sum(c.witness for c in costs))


def shortened(n: int) -> str:
    """A count in few characters: in full up to 9,999, then in thousands, millions or billions."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if n >= 10 * size:
            return f"{n / size:.3g}{unit}" if n < 1000 * size else f"{n / size:,.0f}{unit}"
    return f"{n:,}"
