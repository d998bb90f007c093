"""Operators that read cells at indices."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import moved_axis
from circuits.importer.axes import along, axis_of, reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.indices import flat_index, index_of, one_hot, take_along_axis, wrapped_index


@handles("Gather")
def gather(b: GraphBuilder, node: OnnxNode, x: Value, index: Value) -> Value:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    return b.add("gather", [x, index_of(b, node, index, x.shape[axis])], axis=axis)


@handles("GatherElements")
def gather_elements(b: GraphBuilder, node: OnnxNode, x: Value, index: Value) -> Value:
    return take_along_axis(b, node, x, index, axis_of(node, node.attrs["axis"], x.rank))


@handles("GatherND")
def gather_nd(b: GraphBuilder, node: OnnxNode, x: Value, index: Value) -> Value:
    """Each row of `index` names a slice of x; the leading batch axes of both run together."""
    batch, depth = node.attrs.get("batch_dims", 0), index.shape[-1]
    if batch + depth > x.rank or index.shape[:batch] != x.shape[:batch]:
        raise node.fail(f"an index of shape {index.shape} does not fit {x.shape} with {batch} batch axes")
    rows = math.prod(x.shape[: batch + depth])
    flat = slice_numbers(b, node, index, x.shape[batch : batch + depth])
    batches = np.arange(math.prod(x.shape[:batch])) * math.prod(x.shape[batch : batch + depth])
    base = np.broadcast_to(batches.reshape(*x.shape[:batch], *[1] * (flat.rank - batch)), flat.shape)
    table = reshaped(b, x, [rows, *x.shape[batch + depth :]])
    return b.add("gather", [table, flat_index(b, flat, 1, base)], axis=0)


def slice_numbers(b: GraphBuilder, node: OnnxNode, index: Value, sizes: tuple[int, ...]) -> Value:
    """The number, in row-major order over axes of these sizes, of the slice that each row [.., len(sizes)]
    names."""
    total = b.constant(np.zeros(index.shape[:-1], dtype=np.int64))
    for k, size in enumerate(sizes):
        column = reshaped(b, along(b, index, index.rank - 1, range(k, k + 1)), index.shape[:-1])
        part = flat_index(
            b, index_of(b, node, column, size), math.prod(sizes[k + 1 :]), np.zeros(1, np.int64)
        )
        total = part if k == 0 else b.add("add", [total, part])
    return total


@handles("Compress")
def compress(b: GraphBuilder, node: OnnxNode, x: Value, condition: Value) -> Value:
    kept = np.flatnonzero(node.array(b, condition, "condition"))
    if "axis" not in node.attrs:
        x, axis = reshaped(b, x, [math.prod(x.shape)]), 0
    else:
        axis = axis_of(node, node.attrs["axis"], x.rank)
    if not kept.size:
        return along(b, x, axis, range(0))
    return b.add("gather", [x, index_of(b, node, b.constant(kept), x.shape[axis])], axis=axis)


@handles("ReverseSequence")
def reverse_sequence(b: GraphBuilder, node: OnnxNode, x: Value, lengths: Value) -> Value:
    """Row t < n of a sequence of length n comes from row n-1-t; the others stay."""
    time, batch = node.attrs["time_axis"], node.attrs["batch_axis"]
    if {time, batch} != {0, 1}:
        raise node.fail(f"its time axis {time} and batch axis {batch} must be 0 and 1")
    rows = moved_axis(b, x, time, 1)  # [batch, time, ...]
    count, steps = rows.shape[:2]
    length = reshaped(b, lengths, [count, 1])
    step = b.constant(np.arange(steps))
    mirrored = b.add("sub", [b.add("sub", [length, b.constant(np.int64(1))]), step])
    source = b.add("where", [b.add("greater", [length, step]), mirrored, step], kind="int")
    base = np.repeat(np.arange(count)[:, None] * steps, steps, axis=1)
    flat = flat_index(b, index_of(b, node, source, steps), 1, base)
    out = b.add("gather", [reshaped(b, rows, [count * steps, *rows.shape[2:]]), flat], axis=0)
    return moved_axis(b, out, 1, time)


@handles("OneHot")
def one_hot_(b: GraphBuilder, node: OnnxNode, index: Value, depth: Value, values: Value) -> Value:
    size = int(node.array(b, depth, "depth").reshape(-1)[0])
    axis = axis_of(node, node.attrs["axis"], index.rank + 1)
    whole = b.add("round", [index], mode="trunc") if index.kind == "real" else index
    on = moved_axis(b, one_hot(b, wrapped_index(b, whole, size), size), index.rank, axis)
    pair = [reshaped(b, along(b, values, 0, range(k, k + 1)), []) for k in (0, 1)]
    return b.add("where", [on, pair[1], pair[0]], kind=values.kind)


@handles("ArrayFeatureExtractor", domain="ai.onnx.ml")
def array_feature_extractor(b: GraphBuilder, node: OnnxNode, x: Value, index: Value) -> Value:
    """Columns of the last axis; a single row keeps its row axis."""
    table = reshaped(b, x, [1, *x.shape]) if x.rank == 1 else x
    flat = reshaped(b, index, [math.prod(index.shape)])
    return b.add("gather", [table, index_of(b, node, flat, table.shape[-1])], axis=table.rank - 1)
