"""Rules for maxima, comparisons and choices: exact on the integers they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


FINE_GRID = 1 << 20
"""A tensor that reaches this far, in steps of its scale, lies on a grid finer than its data."""


@rule("greater")
def greater(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """x > t on the grid of x is X > floor(t / scale), and t > x is ceil(t / scale) > X: exact for data on the
    grid, such as counts. On a fine grid an x that equals t lies off it and may have been rounded past t;
    there t is rounded just as x was, so that equality stays equality."""
    a, b = node.inputs
    if q.constant_of(a) is None and q.constant_of(b) is None:
        ids, _ = q.aligned(node.inputs)
        return Quantised(q.op("greater", ids), 1.0)
    left = q.constant_of(a) is None
    x = q.tensor(a if left else b)
    fine = q.operand(x).magnitude >= FINE_GRID and x.scale != 1.0
    if left:
        ids = [x.id, _threshold(q, b, x, np.rint if fine else np.floor)]
    else:
        ids = [_threshold(q, a, x, np.rint if fine else np.ceil), x.id]
    return Quantised(q.op("greater", ids), 1.0)


def _threshold(q: Quantiser, i: int, x: Quantised, rounding: Callable[[Any], Any]) -> int:
    """Constant i on the grid of x; one that x never reaches is brought to the next value outside its
    bound."""
    bound = q.operand(x)
    steps = np.clip(rounding(q.graph.constants[i].astype(np.float64) / x.scale), bound.lo - 1, bound.hi + 1)
    return q.circuit.constant(steps.astype(np.int64))


@rule("where")
def where(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Both branches at one scale."""
    condition, a, b = node.inputs
    if q.constant_of(a) is not None and q.constant_of(b) is not None:
        scale = q.target(i)
        ids = [q.summand(a, scale, [b]).id, q.summand(b, scale, [a]).id]
    else:
        ids, scale = q.aligned([a, b], i)
    return Quantised(q.op("where", [q.tensor(condition).id, *ids]), scale)
