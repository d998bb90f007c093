"""Small arithmetic that several operator families share, spelled in operations of the float graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode


def number(b: GraphBuilder, value: float, like: Value) -> Value:
    """A scalar constant of the kind that `like` computes with: a real or an integer."""
    return b.constant(np.float64(value) if like.kind == "real" else np.int64(value))


def scaled(b: GraphBuilder, x: Value, factor: float) -> Value:
    """x times a number."""
    return x if factor == 1 else b.add("mul", [x, b.constant(float(factor))])


def negative(b: GraphBuilder, x: Value) -> Value:
    """-x."""
    return b.add("sub", [number(b, 0, x), x])


def absolute(b: GraphBuilder, x: Value) -> Value:
    """|x|, exact on any range."""
    return b.add("max", [x, negative(b, x)])


def minimum(b: GraphBuilder, x: Value, y: Value) -> Value:
    """min(x, y) = -max(-x, -y)."""
    return negative(b, b.add("max", [negative(b, x), negative(b, y)]))


def mean(b: GraphBuilder, x: Value, axes: Sequence[int]) -> Value:
    """The mean over rising axes, which stay with size 1."""
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
    return scaled(b, b.add("reduce_sum", [x], axes=list(axes)), 1 / count)


def quotient(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    """x / y on reals; a constant divisor becomes a factor, a constant scalar dividend scales a reciprocal."""
    divisor, dividend = b.value_of(nonzero(b, node, y)), b.value_of(x)
    if divisor is not None:
        return b.add("mul", [x, b.constant(1.0 / divisor.astype(np.float64))])
    if dividend is not None and dividend.size == 1 and x.rank <= y.rank:
        return scaled(b, b.add("function", [y], name="reciprocal", params=[]), float(dividend.reshape(())))
    return b.add("divide", [x, y], at_least=None)


def nonzero(b: GraphBuilder, node: OnnxNode, y: Value) -> Value:
    """y, unless it is a constant with a zero in it.

    Raises
    ------
    UnsupportedError
        If it is.
    """
    array = b.value_of(y)
    if array is not None and not np.all(array.astype(np.float64)):
        raise node.fail("it divides by a constant that is zero")
    return y


def negated(b: GraphBuilder, x: Value) -> Value:
    """not x, of truth values."""
    return b.add("sub", [b.constant(np.True_), x], kind="bool")


def different(b: GraphBuilder, x: Value, y: Value) -> Value:
    """x != y. Written so that interval analysis sees a truth value: 0 or 1."""
    if x.kind == y.kind == "bool":
        return b.add("where", [x, negated(b, y), y])
    return b.add("max", [b.add("greater", [x, y]), b.add("greater", [y, x])])


def equal(b: GraphBuilder, x: Value, y: Value) -> Value:
    """x == y."""
    return (
        b.add("where", [x, y, negated(b, y)])
        if x.kind == y.kind == "bool"
        else negated(b, different(b, x, y))
    )


def moved_axis(b: GraphBuilder, x: Value, source: int, target: int) -> Value:
    """x with one axis moved to another place, the others in order."""
    perm = [axis for axis in range(x.rank) if axis != source]
    perm.insert(target, source)
    return x if perm == list(range(x.rank)) else b.add("transpose", [x], perm=perm)
