"""Reductions over axes, given as an attribute or, in newer operator sets, as an input."""

from __future__ import annotations

import math

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import absolute, negative, number, scaled
from circuits.importer.axes import along, axes_of, reshaped
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.softmax import log_sum_exp

_REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
)
_REAL_ONLY = ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp")


@handles(*_REDUCTIONS)
def reduce_(b: GraphBuilder, node: OnnxNode, x: Value, axes: Value | None = None) -> Value:
    given = node.attrs.get("axes") if axes is None else [int(axis) for axis in node.array(b, axes, "axes")]
    if not given and node.attrs.get("noop_with_empty_axes", 0):
        over: list[int] = []
    else:
        over = sorted(axes_of(node, given, x.rank)) if given else list(range(x.rank))
    out = _reduced(b, node, x, over)
    if node.attrs["keepdims"]:
        return out
    return reshaped(b, out, [n for axis, n in enumerate(x.shape) if axis not in over])


def _reduced(b: GraphBuilder, node: OnnxNode, x: Value, axes: list[int]) -> Value:
    """The reduction, its axes kept with size 1. Over no axes at all it applies to each element by itself."""
    name, dtype = node.op_type, node.dtypes[0]
    if x.kind != "real" and name in _REAL_ONLY:
        raise node.fail("it takes a root or a logarithm of integers: cast them to float first")
    if name == "ReduceMax":
        return b.add("reduce_max", [x], axes=axes)
    if name == "ReduceMin":
        return b.retyped(negative(b, b.add("reduce_max", [negative(b, x)], axes=axes)), x.kind)
    if name == "ReduceLogSumExp":
        return log_sum_exp(b, x, axes)
    if name == "ReduceProd":
        return _product(b, node, x, axes)
    if name == "ReduceL1":
        x = absolute(b, x)
    elif name in ("ReduceL2", "ReduceSumSquare"):
        x = b.add("mul", [x, x])
    total = b.add("reduce_sum", [x], axes=axes)
    if name == "ReduceMean":
        return _mean(b, node, total, math.prod(x.shape[axis] for axis in axes))
    if name in _REAL_ONLY:
        return b.add("function", [total], name="sqrt" if name == "ReduceL2" else "log", params=[])
    return wrapped(b, total, dtype)


def _mean(b: GraphBuilder, node: OnnxNode, total: Value, count: int) -> Value:
    if total.kind == "real":
        return scaled(b, total, 1 / count)
    return b.add("int_divide", [total, number(b, count, total)], mode="trunc")


def _product(b: GraphBuilder, node: OnnxNode, x: Value, axes: list[int]) -> Value:
    """Halves multiplied together until one cell is left along each axis."""
    for axis in axes:
        while (size := x.shape[axis]) > 1:
            half = size // 2
            pair = b.add("mul", [along(b, x, axis, range(half)), along(b, x, axis, range(half, 2 * half))])
            pair = wrapped(b, pair, node.dtypes[0])
            rest = [along(b, x, axis, range(2 * half, size))] if size % 2 else []
            x = b.add("concat", [pair, *rest], axis=axis) if rest else pair
    return x
