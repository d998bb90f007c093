"""Softmax and its logarithm over any axes, in the form that integers keep well.

softmax(x)     = exp(x - max) / sum(exp(x - max)), the sum being at least 1
log_softmax(x) = x - max - log(sum(exp(x - max)))
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.graph import GraphBuilder, Value

MASKED = -1e4
"""What a masked cell counts as: calibration takes numbers this low for masks, not magnitudes."""


def softmax(b: GraphBuilder, x: Value, axes: Sequence[int]) -> Value:
    """The softmax of x over rising axes."""
    weights = b.add("function", [_below_maximum(b, x, axes)], name="exp", params=[])
    return b.add("divide", [weights, b.add("reduce_sum", [weights], axes=list(axes))], at_least=1.0)


def masked_softmax(b: GraphBuilder, x: Value, keep: Value, axes: Sequence[int]) -> Value:
    """The softmax over the cells that the truth values `keep` name; the others get 0, even where a row keeps
    none."""
    lowered = b.add("where", [keep, x, b.constant(MASKED)], kind="real")
    weights = b.add("function", [_below_maximum(b, lowered, axes)], name="exp", params=[])
    kept = b.value_of(keep)
    if kept is not None and kept.any(axis=tuple(axis - x.rank for axis in axes)).all():
        return b.add("divide", [weights, b.add("reduce_sum", [weights], axes=list(axes))], at_least=1.0)
    weights = b.add("mul", [weights, keep], kind="real")
    total = b.add("clip", [b.add("reduce_sum", [weights], axes=list(axes))], lo=1.0, hi=None)
    return b.add("divide", [weights, total], at_least=1.0)


def log_softmax(b: GraphBuilder, x: Value, axes: Sequence[int]) -> Value:
    """The logarithm of the softmax of x over rising axes."""
    below = _below_maximum(b, x, axes)
    return b.add("sub", [below, _log_sum_exp(b, below, axes)])


def log_sum_exp(b: GraphBuilder, x: Value, axes: Sequence[int]) -> Value:
    """log(sum(exp(x))) over rising axes, which stay with size 1."""
    below = _below_maximum(b, x, axes)
    return b.add("add", [b.add("reduce_max", [x], axes=list(axes)), _log_sum_exp(b, below, axes)])


def _below_maximum(b: GraphBuilder, x: Value, axes: Sequence[int]) -> Value:
    return b.add("sub", [x, b.add("reduce_max", [x], axes=list(axes))])


def _log_sum_exp(b: GraphBuilder, below: Value, axes: Sequence[int]) -> Value:
    """log(sum(exp(below))) of values of which the largest is 0."""
    weights = b.add("function", [below], name="exp", params=[])
    return b.add("function", [b.add("reduce_sum", [weights], axes=list(axes))], name="log", params=[])
