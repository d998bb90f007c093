"""Pooling: maxima, means and p-norms over windows or whole images, and the inverse of max pooling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import equal, mean, scaled
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.windows import Windows, channels_first, channels_last, crop, per_axis, windows

MAX_UNPOOL_ELEMENTS = 1 << 26
"""MaxUnpool compares every output cell with every index of its plane."""


@handles("MaxPool")
def max_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> list[Value | None]:
    found = windows(node, x.shape[2:], node.attrs["kernel_shape"])
    out = channels_first(
        b, b.add("max_pool", [channels_last(b, x)], kernel=list(found.kernel), **found.attrs)
    )
    if len(node.out_names) < 2 or not node.out_names[1]:
        return [out]
    return [out, _argmax(b, node, x, found)]


def _argmax(b: GraphBuilder, node: OnnxNode, x: Value, found: Windows) -> Value:
    """Where in the flat input each maximum stands: a top_k over gathered windows, its answer looked up in a
    table.

    A tap in the padding repeats the window's first cell, so that it never wins against that cell.
    """
    sizes, inside = found.sizes, np.ones((1, 1), bool)
    cells = np.zeros((1, 1), np.int64)  # [windows, taps] so far, as flat indices in x
    places = np.zeros((1, 1), np.int64)  # the same as the indices that the node reports
    row_major = node.attrs.get("storage_order", 0) == 0
    for axis in range(len(sizes)):
        taps = found.taps(axis)
        stride = math.prod(sizes[axis + 1 :])
        reported = stride if row_major else math.prod(sizes[:axis])
        cells = _outer(cells, taps * stride)
        places = _outer(places, taps * reported)
        inside = _outer(inside.astype(np.int64), ((taps >= 0) & (taps < sizes[axis])) - 1) == 1
    first = inside.argmax(axis=1)[:, None]
    cells = np.where(inside, cells, np.take_along_axis(cells, first, 1))
    places = np.where(inside, places, np.take_along_axis(places, first, 1))

    n, c, plane = x.shape[0], x.shape[1], math.prod(sizes)
    seen = b.add("gather", [b.add("reshape", [x], shape=[n, c, plane]), b.constant(cells)], axis=2)
    best = b.add("reshape", [b.add("top_k", [seen], axis=3, k=1)], shape=[n, c, cells.shape[0]])
    rows = b.add("add", [best, b.constant(np.arange(cells.shape[0]) * cells.shape[1])])
    place = b.add("gather", [b.constant(places.reshape(-1)), rows], axis=0)
    planes = (np.arange(n * c) * plane).reshape(n, c, 1)
    return b.add("reshape", [b.add("add", [place, b.constant(planes)])], shape=[n, c, *found.counts])


def _outer(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """left + right for each pair of windows and each pair of taps: [w, t] and [w', t'] give [w*w', t*t']."""
    total = left[:, None, :, None] + right[None, :, None, :]
    return total.reshape(left.shape[0] * right.shape[0], -1)


@handles("AveragePool")
def average_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Window sums times one over the cells: those in the padding count if asked for, those beyond never."""
    found = windows(node, x.shape[2:], node.attrs["kernel_shape"])
    if found.whole:
        return mean(b, x, range(2, x.rank))
    cells: NDArray[np.int64] = np.ones((), np.int64)
    for axis, n in enumerate(found.sizes):
        taps, low, high = found.taps(axis), 0, n
        if node.attrs.get("count_include_pad", 0):
            low, high = -found.before[axis], n + found.padded[axis]
        cells = np.multiply.outer(cells, ((taps >= low) & (taps < high)).sum(axis=1))
    shares = 1.0 / cells[..., None]
    sums = _window_sums(b, channels_last(b, x), found)
    if shares.min() == shares.max():
        return channels_first(b, scaled(b, sums, float(shares.max())))
    return channels_first(b, b.add("mul", [sums, b.constant(shares)]))


@handles("LpPool")
def lp_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    found = windows(node, x.shape[2:], node.attrs["kernel_shape"])
    p = exponent(node)
    powers = channels_last(b, magnitude_power(b, x, p))
    return channels_first(b, root(b, _window_sums(b, powers, found), p))


@handles("GlobalAveragePool")
def global_average_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return mean(b, x, range(2, x.rank))


@handles("GlobalMaxPool")
def global_max_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.add("reduce_max", [x], axes=list(range(2, x.rank)))


@handles("GlobalLpPool")
def global_lp_pool(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    p = exponent(node)
    powers = magnitude_power(b, x, p)
    return root(b, b.add("reduce_sum", [powers], axes=list(range(2, x.rank))), p)


@handles("MaxUnpool")
def max_unpool(b: GraphBuilder, node: OnnxNode, x: Value, index: Value, shape: Value | None = None) -> Value:
    """Each output cell sums the inputs whose index names it: a product with the matrix of index = cell.

    Overlapping windows may name a cell twice, with the same maximum: then the sum is divided by how often.
    """
    spatial = x.rank - 2
    kernel = per_axis(node, "kernel_shape", [1] * spatial, least=1)
    strides = per_axis(node, "strides", [1] * spatial, least=1)
    pads = per_axis(node, "pads", [0] * 2 * spatial, least=0)
    sizes = [
        (n - 1) * s - pads[i] - pads[i + spatial] + k
        for i, (n, s, k) in enumerate(zip(x.shape[2:], strides, kernel, strict=True))
    ]
    wanted = sizes if shape is None else [int(n) for n in node.array(b, shape, "output_shape")[2:]]
    planes, plane, count = x.shape[0] * x.shape[1], math.prod(sizes), math.prod(x.shape[2:])
    if planes * plane * count > MAX_UNPOOL_ELEMENTS:
        raise node.fail(f"it would compare {planes * plane * count} pairs of cells: unpool a smaller tensor")
    cells = b.constant(np.arange(planes * plane).reshape(planes, plane, 1))
    named = equal(b, b.add("reshape", [index], shape=[planes, 1, count]), cells)
    out = b.add("matmul", [named, b.add("reshape", [x], shape=[planes, count, 1])], kind=x.kind)
    if any(s < k for s, k in zip(strides, kernel, strict=True)):
        times = b.add("reduce_sum", [named], axes=[2], kind="int")
        times = b.add("max", [times, b.constant(np.int64(1))])
        out = b.add("divide", [out, times], at_least=1.0)
    out = b.add("reshape", [out], shape=[*x.shape[:2], *sizes])
    return crop(b, out, range(2, x.rank), [0] * spatial, [n - w for n, w in zip(sizes, wanted, strict=True)])


def _window_sums(b: GraphBuilder, x: Value, found: Windows) -> Value:
    """Sums over the windows of a channels-last image, each channel on its own."""
    channels = x.shape[-1]
    ones = b.constant(np.ones((channels, *found.kernel, 1), dtype=np.int64))
    return b.add("conv", [x, ones], groups=channels, **found.attrs)


def exponent(node: OnnxNode) -> float:
    """The p of a p-norm."""
    if node.attrs["p"] < 1:
        raise node.fail(f"its p is {node.attrs['p']}: a norm has 1 or more")
    return float(node.attrs["p"])


def magnitude_power(b: GraphBuilder, x: Value, p: float) -> Value:
    """|x|^p."""
    if p == 2:
        return b.add("mul", [x, x])
    size = b.add("function", [x], name="abs", params=[])
    return size if p == 1 else b.add("function", [size], name="pow", params=[float(p)])


def root(b: GraphBuilder, x: Value, p: float) -> Value:
    """x^(1/p), for x >= 0."""
    if p == 1:
        return x
    if p == 2:
        return b.add("function", [x], name="sqrt", params=[])
    return b.add("function", [x], name="pow", params=[1.0 / p])
