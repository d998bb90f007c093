"""Operators that order the cells of an axis. Equal cells keep their order, lowest index first."""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negative
from circuits.importer.axes import along, axis_of, reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.indices import take_along_axis


@handles("ArgMax", "ArgMin")
def arg_extreme(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    size = x.shape[axis]
    keys = x if node.op_type == "ArgMax" else negative(b, x)
    backwards = node.attrs.get("select_last_index", 0)
    if backwards:
        keys = along(b, keys, axis, range(size - 1, -1, -1))
    found = b.add("top_k", [keys], axis=axis, k=1)
    if backwards:
        found = b.add("sub", [b.constant(np.int64(size - 1)), found])
    if node.attrs["keepdims"]:
        return found
    return reshaped(b, found, [n for k, n in enumerate(x.shape) if k != axis])


@handles("TopK")
def top_k(b: GraphBuilder, node: OnnxNode, x: Value, count: Value | None = None) -> list[Value]:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    k = int(node.attrs["k"] if count is None else node.array(b, count, "K").reshape(-1)[0])
    if not 1 <= k <= x.shape[axis]:
        raise node.fail(f"it takes {k} of the {x.shape[axis]} cells along axis {axis}")
    keys = x if node.attrs.get("largest", 1) else negative(b, x)
    found = b.add("top_k", [keys], axis=axis, k=k)
    return [take_along_axis(b, node, x, found, axis), found]
