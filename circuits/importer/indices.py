"""Indices: constant ones checked when compiling, run-time ones made unable to leave their axis.

A run-time index i into n cells is read as ONNX reads it, i + n where i < 0, and then clamped to 0 .. n-1.
ONNX leaves an index beyond that undefined; here it means the nearest cell, so that every input has one answer
and a proof.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negated
from circuits.importer.axes import along, reshaped
from circuits.importer.handlers import OnnxNode

Indices = NDArray[np.int64]

_KEEP_RANGE = ("reshape", "transpose", "slice", "broadcast")


def constant_index(b: GraphBuilder, node: OnnxNode, index: Value, size: int) -> Indices | None:
    """A constant index into `size` cells, counted from the front; None where the index comes at run time.

    Raises
    ------
    UnsupportedError
        If it points outside.
    """
    array = b.value_of(index)
    if array is None:
        return None
    found = array.astype(np.int64)
    if found.size and not -size <= found.min() <= found.max() < size:
        raise node.fail(f"an index within [{found.min()}, {found.max()}] leaves an axis of size {size}")
    return np.where(found < 0, found + size, found)


def safe_index(b: GraphBuilder, index: Value, size: int) -> Value:
    """A run-time index counted from the front and clamped to an axis of `size` cells."""
    limit = _never_reaches(b, index)
    if limit is not None and limit <= size:
        return index
    return b.add("clip", [wrapped_index(b, index, size)], lo=0, hi=size - 1)


def wrapped_index(b: GraphBuilder, index: Value, size: int) -> Value:
    """A run-time index counted from the front: i + size where i < 0."""
    if _never_reaches(b, index) is not None:
        return index
    negative = b.add("greater", [b.constant(np.int64(0)), index])
    return b.add("where", [negative, b.add("add", [index, b.constant(np.int64(size))]), index], kind="int")


def index_of(b: GraphBuilder, node: OnnxNode, index: Value, size: int) -> Value:
    """An index, constant or not, as a tensor that `gather` can use on an axis of `size` cells."""
    known = constant_index(b, node, index, size)
    return safe_index(b, index, size) if known is None else b.constant(known)


def flat_index(b: GraphBuilder, index: Value, stride: int, base: Indices) -> Value:
    """index * stride + base, for an index into one axis of a tensor that is read flat."""
    scaled = index if stride == 1 else b.add("mul", [index, b.constant(np.int64(stride))])
    return scaled if not base.any() else b.add("add", [scaled, b.constant(base)])


def element_base(shape: Sequence[int], inside: Sequence[int], axis: int) -> tuple[int, Indices]:
    """How a tensor of `shape` read flat is indexed by a tensor over the corner `inside` of it, along one
    axis: the axis' stride, and the flat index of each element where the index along the axis is 0."""
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    grids = np.indices(inside, dtype=np.int64)
    base = sum(
        (g * s for k, (g, s) in enumerate(zip(grids, strides, strict=True)) if k != axis),
        np.zeros(inside, np.int64),
    )
    return strides[axis], base


def take_along_axis(b: GraphBuilder, node: OnnxNode, x: Value, index: Value, axis: int) -> Value:
    """The cells x[.., index[..], ..] along one axis; along the others `index` covers a corner of x."""
    stride, base = element_base(x.shape, index.shape, axis)
    flat = flat_index(b, index_of(b, node, index, x.shape[axis]), stride, base)
    return b.add("gather", [reshaped(b, x, [math.prod(x.shape)]), flat], axis=0)


def one_hot(b: GraphBuilder, index: Value, size: int) -> Value:
    """Truth values [*index, size]: whether the index is 0, 1, .. size-1. All are 0 for an index outside.

    Written as differences of a thermometer (index > -1, index > 0, ..), which takes half the comparisons of
    an equality.
    """
    column = reshaped(b, index, [*index.shape, 1])
    above = b.add("greater", [column, b.constant(np.arange(-1, size, dtype=np.int64))])
    reached = along(b, above, index.rank, range(size))
    passed = along(b, above, index.rank, range(1, size + 1))
    return b.add("mul", [reached, negated(b, passed)])


def _never_reaches(b: GraphBuilder, index: Value) -> int | None:
    """A number of cells that the index is known to stay within, counting from 0; None if nothing is known."""
    node = b.graph.nodes[index.id]
    while node.op in _KEEP_RANGE:
        node = b.graph.nodes[node.inputs[0]]
    return b.graph.nodes[node.inputs[0]].shape[node.attrs["axis"]] if node.op == "top_k" else None
