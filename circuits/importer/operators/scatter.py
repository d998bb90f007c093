"""Operators that write updates into a tensor at indices."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import moved_axis
from circuits.importer.axes import axis_of, joined, reshaped, window
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.indices import constant_index, element_base, wrapped_index
from circuits.importer.operators.indexing import slice_numbers
from circuits.importer.placement import REDUCTIONS, place, place_constant


def _reduction(node: OnnxNode) -> str:
    name = str(node.attrs.get("reduction", "none"))
    if name not in REDUCTIONS:
        raise node.fail(f"its reduction {name!r} is none of {', '.join(REDUCTIONS)}")
    return name


@handles("Scatter", "ScatterElements")
def scatter_elements(b: GraphBuilder, node: OnnxNode, data: Value, index: Value, updates: Value) -> Value:
    axis, reduction = axis_of(node, node.attrs["axis"], data.rank), _reduction(node)
    size, total, count = data.shape[axis], math.prod(data.shape), math.prod(index.shape)
    if count == 0:
        return data
    if index.shape != updates.shape or any(
        m > n for k, (m, n) in enumerate(zip(index.shape, data.shape, strict=True)) if k != axis
    ):
        raise node.fail(
            f"indices of shape {index.shape} and updates of shape {updates.shape} do not fit {data.shape}"
        )
    known = constant_index(b, node, index, size)
    if known is not None:
        stride, base = element_base(data.shape, index.shape, axis)
        cells = (known * stride + base).reshape(-1)
        out = place_constant(
            b, reshaped(b, data, [total, 1]), cells, reshaped(b, updates, [count, 1]), reduction
        )
        return reshaped(b, out, data.shape)
    lines, places, news = (moved_axis(b, x, axis, data.rank - 1) for x in (data, index, updates))
    corner = [*places.shape[:-1], size]
    blocks = math.prod(corner[:-1])
    written = place(
        b,
        node,
        reshaped(b, window(b, lines, [range(n) for n in corner]), [blocks, size, 1]),
        wrapped_index(b, reshaped(b, places, [blocks, places.shape[-1]]), size),
        reshaped(b, news, [blocks, places.shape[-1], 1]),
        reduction,
    )
    return moved_axis(b, _with_corner(b, lines, reshaped(b, written, corner)), data.rank - 1, axis)


def _with_corner(b: GraphBuilder, x: Value, corner: Value) -> Value:
    """x with its first cells along each axis replaced by another tensor."""
    if corner.shape == x.shape:
        return corner
    total = math.prod(x.shape)
    source = np.arange(total).reshape(x.shape)
    source[tuple(slice(n) for n in corner.shape)] = total + np.arange(math.prod(corner.shape)).reshape(
        corner.shape
    )
    flat = joined(b, [reshaped(b, x, [total]), reshaped(b, corner, [math.prod(corner.shape)])], 0)
    return b.add("gather", [flat, b.constant(source)], axis=0)


@handles("ScatterND")
def scatter_nd(b: GraphBuilder, node: OnnxNode, data: Value, index: Value, updates: Value) -> Value:
    depth, reduction = index.shape[-1], _reduction(node)
    count = math.prod(index.shape[:-1])
    if count == 0:
        return data
    if depth > data.rank or updates.shape != index.shape[:-1] + data.shape[depth:]:
        raise node.fail(
            f"updates of shape {updates.shape} do not fit {data.shape} at indices of shape {index.shape}"
        )
    rows, width = math.prod(data.shape[:depth]), math.prod(data.shape[depth:])
    cells = reshaped(b, slice_numbers(b, node, index, data.shape[:depth]), [count])
    known = constant_index(b, node, cells, rows)
    if known is not None:
        out = place_constant(
            b, reshaped(b, data, [rows, width]), known, reshaped(b, updates, [count, width]), reduction
        )
        return reshaped(b, out, data.shape)
    block, news = reshaped(b, data, [1, rows, width]), reshaped(b, updates, [1, count, width])
    return reshaped(b, place(b, node, block, reshaped(b, cells, [1, count]), news, reduction), data.shape)


@handles("TensorScatter")
def tensor_scatter(
    b: GraphBuilder, node: OnnxNode, cache: Value, updates: Value, starts: Value | None = None
) -> Value:
    """Writes a run of rows into each sample's cache, from a row of its own onwards; `circular` runs over into
    the first rows."""
    axis = axis_of(node, node.attrs.get("axis", -2), cache.rank)
    if axis == 0:
        raise node.fail("its axis is that of the samples")
    lines, news = moved_axis(b, cache, axis, 1), moved_axis(b, updates, axis, 1)
    (samples, size), count = lines.shape[:2], news.shape[1]
    width = math.prod(lines.shape[2:])
    start = b.constant(np.zeros(samples, dtype=np.int64)) if starts is None else starts
    rows = b.add("add", [reshaped(b, start, [samples, 1]), b.constant(np.arange(count))])
    if node.attrs.get("mode", "linear") == "circular":
        beyond = b.add("greater", [rows, b.constant(np.int64(size - 1))])
        rows = b.add("where", [beyond, b.add("sub", [rows, b.constant(np.int64(size))]), rows], kind="int")
    known = constant_index(b, node, rows, size)
    if known is not None:
        cells = (known + np.arange(samples)[:, None] * size).reshape(-1)
        flat, new = reshaped(b, lines, [samples * size, width]), reshaped(b, news, [samples * count, width])
        out = place_constant(b, flat, cells, new, "none")
    else:
        block, new = reshaped(b, lines, [samples, size, width]), reshaped(b, news, [samples, count, width])
        out = place(b, node, block, rows, new, "none")
    return moved_axis(b, reshaped(b, out, lines.shape), 1, axis)
