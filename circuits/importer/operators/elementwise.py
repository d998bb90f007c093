"""Elementwise arithmetic. Integers of up to 32 bits wrap as their type does; 64-bit ones cannot overflow."""

from __future__ import annotations

from functools import reduce

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import absolute, minimum, negative, nonzero, number, quotient, scaled
from circuits.importer.casting import integer_range, wrapped
from circuits.importer.handlers import OnnxNode, handles

_PLAIN = {"Add": "add", "Sub": "sub", "Mul": "mul"}
_ROUNDINGS = {"Floor": "floor", "Ceil": "ceil", "Round": "even"}
LARGEST = float(np.finfo(np.float32).max)


@handles("Identity")
def identity(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return x


@handles(*_PLAIN)
def arithmetic(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return wrapped(b, b.add(_PLAIN[node.op_type], [x, y]), node.dtypes[0])


@handles("Sum", "Mean")
def total(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    out = reduce(lambda x, y: b.add("add", [x, y]), xs)
    return out if node.op_type == "Sum" else scaled(b, out, 1 / len(xs))


@handles("Neg")
def neg(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return wrapped(b, negative(b, x), node.dtypes[0])


@handles("Abs")
def abs_(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return wrapped(b, absolute(b, x), node.dtypes[0])


@handles("Sign")
def sign(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    zero = number(b, 0, x)
    return b.retyped(b.add("sub", [b.add("greater", [x, zero]), b.add("greater", [zero, x])]), x.kind)


@handles(*_ROUNDINGS)
def rounded(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.retyped(b.add("round", [x], mode=_ROUNDINGS[node.op_type]), "real")


@handles("Div")
def divide(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    if x.kind != "real":
        return wrapped(b, b.add("int_divide", [x, nonzero(b, node, y)], mode="trunc"), node.dtypes[0])
    return quotient(b, node, x, y)


@handles("Mod")
def mod(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    mode = "trunc" if node.attrs["fmod"] else "floor"
    if x.kind == "real":
        turns = b.retyped(b.add("round", [quotient(b, node, x, y)], mode=mode), "real")
    else:
        turns = b.add("int_divide", [x, nonzero(b, node, y)], mode=mode)
    rest = b.add("sub", [x, b.add("mul", [turns, y])])
    divisor = b.value_of(y)
    if divisor is None or x.kind == "real":
        return rest
    # The remainder is inside these limits anyway; the clip lets interval analysis know.
    least, most = int(divisor.min()), int(divisor.max())
    if mode == "trunc":
        edge = max(abs(least), abs(most)) - 1
        return b.add("clip", [rest], lo=-edge, hi=edge)
    return b.add("clip", [rest], lo=min(least + 1, 0), hi=max(most - 1, 0))


@handles("Max")
def max_(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    return reduce(lambda x, y: at_least(b, x, y), xs)


@handles("Min")
def min_(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    return reduce(lambda x, y: at_most(b, x, y), xs)


def at_least(b: GraphBuilder, x: Value, y: Value) -> Value:
    """max(x, y); a clip where one side is a constant number."""
    if b.value_of(x) is not None:
        x, y = y, x
    bound = b.value_of(y)
    if bound is not None and bound.size == 1 and y.rank <= x.rank:
        return b.add("clip", [x], lo=bound.item(), hi=None)
    return b.add("max", [x, y])


def at_most(b: GraphBuilder, x: Value, y: Value) -> Value:
    """min(x, y); a clip where one side is a constant number."""
    if b.value_of(x) is not None:
        x, y = y, x
    bound = b.value_of(y)
    if bound is not None and bound.size == 1 and y.rank <= x.rank:
        return b.add("clip", [x], lo=None, hi=bound.item())
    return minimum(b, x, y)


@handles("Clip")
def clip(
    b: GraphBuilder, node: OnnxNode, x: Value, lo: Value | None = None, hi: Value | None = None
) -> Value:
    """Limits are attributes before opset 11 and scalar inputs since; one below the other yields the upper."""
    if node.version < 11:
        lo, hi = (b.constant(np.float64(node.attrs[name])) for name in ("min", "max"))
    lo, hi = (None if v is None or _unlimited(b, v, x, node) else v for v in (lo, hi))
    low, high = (None if v is None else b.value_of(v) for v in (lo, hi))
    if low is not None and high is not None:
        top = high.item()
        return b.add("clip", [x], lo=min(low.item(), top), hi=top)
    x = x if lo is None else at_least(b, x, lo)
    return x if hi is None else at_most(b, x, hi)


def _unlimited(b: GraphBuilder, limit: Value, x: Value, node: OnnxNode) -> bool:
    """Whether a limit lies at the end of its type's range, as exporters write "no limit"."""
    array = b.value_of(limit)
    if array is None:
        return False
    if x.kind == "real":
        return abs(float(array)) >= LARGEST
    limits = None if node.dtypes[0] is None else integer_range(node.dtypes[0])
    return limits is not None and int(array) in limits
