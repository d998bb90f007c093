"""Rules for maxima, comparisons and choices: exact on the integers they get."""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphNode
from circuits.quantise.quantiser import Quantised, Quantiser, rule


@rule("max")
def maximum(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Both sides at the finer scale."""
    ids, scale = q.aligned(node.inputs, i)
    return Quantised(q.op("max", ids), scale)


@rule("reduce_max", "max_pool", "top_k")
def order(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """The order of the integers is the order of the reals."""
    x = q.tensor(node.inputs[0])
    attrs = {name: list(value) if not isinstance(value, int) else value for name, value in node.attrs.items()}
    return Quantised(q.op(node.op, [x.id], **attrs), 1.0 if node.op == "top_k" else x.scale)


@rule("greater")
def greater(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """x > t on the grid of x is X > floor(t / scale), and t > x is ceil(t / scale) > X: thresholds are
    exact."""
    a, b = node.inputs
    if q.constant_of(b) is not None:
        x = q.tensor(a)
        ids = [x.id, q.constant(b, x.scale, np.floor).id]
    elif q.constant_of(a) is not None:
        x = q.tensor(b)
        ids = [q.constant(a, x.scale, np.ceil).id, x.id]
    else:
        ids, _ = q.aligned(node.inputs)
    return Quantised(q.op("greater", ids), 1.0)


@rule("where")
def where(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Both branches at one scale."""
    condition, a, b = node.inputs
    if q.constant_of(a) is not None and q.constant_of(b) is not None:
        scale = q.target(i)
        ids = [q.constant(a, scale).id, q.constant(b, scale).id]
    else:
        ids, scale = q.aligned([a, b], i)
    return Quantised(q.op("where", [q.tensor(condition).id, *ids]), scale)
