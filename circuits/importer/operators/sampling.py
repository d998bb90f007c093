"""Operators that read images at positions given by data: GridSample, RoiAlign, DeformConv; and AffineGrid,
which makes positions."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import scaled
from circuits.importer.axes import along, joined
from circuits.importer.handlers import OnnxNode, handles, refuse
from circuits.importer.sampling import Reading, neighbours, sampled
from circuits.importer.windows import channels_first, channels_last, windows

MAX_SAMPLES = 1 << 24
METHODS = {
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
}


refuse("it cuts its windows where data say: use RoiAlign with a sampling_ratio", "MaxRoiPool")


@handles("GridSample")
def grid_sample(b: GraphBuilder, node: OnnxNode, x: Value, grid: Value) -> Value:
    """The grid [N, *points, axes] holds positions in [-1, 1], the last axis of the image first."""
    axes, aligned = x.rank - 2, bool(node.attrs["align_corners"])
    if grid.rank != x.rank or grid.shape[0] != x.shape[0] or grid.shape[-1] != axes:
        raise node.fail(f"a grid of shape {grid.shape} does not fit an input of shape {x.shape}")
    if node.attrs["mode"] not in METHODS or node.attrs["padding_mode"] not in (
        "zeros",
        "border",
        "reflection",
    ):
        raise node.fail(f"its mode {node.attrs['mode']!r} or {node.attrs['padding_mode']!r} is not known")
    at = []
    for axis, n in enumerate(x.shape[2:]):
        part = b.add(
            "reshape",
            [along(b, grid, grid.rank - 1, range(axes - 1 - axis, axes - axis))],
            shape=list(grid.shape[:-1]),
        )
        half = (n - 1) / 2 if aligned else n / 2
        at.append(b.add("add", [scaled(b, part, half), b.constant((n - 1) / 2)]))
    reading = Reading(METHODS[node.attrs["mode"]], node.attrs["padding_mode"], aligned)
    return channels_first(b, sampled(b, channels_last(b, x), at, reading))


@handles("AffineGrid")
def affine_grid(b: GraphBuilder, node: OnnxNode, theta: Value, size: Value) -> Value:
    """Each point of a regular grid in [-1, 1], with a 1 behind it, times the transposed matrix theta [N,
    axes, axes + 1]."""
    sizes = [int(n) for n in node.array(b, size, "size")][2:]
    if theta.shape[1:] != (len(sizes), len(sizes) + 1):
        raise node.fail(f"a theta of shape {theta.shape} does not fit {len(sizes)} spatial axes")
    lines = []
    for n in sizes:
        edge = 1.0 if node.attrs["align_corners"] else 1 - 1 / n
        lines.append(np.linspace(-edge, edge, n) if n > 1 else np.zeros(1))
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(sizes)], axis=-1)
    flat = b.constant(points.reshape(-1, len(sizes) + 1))
    out = b.add("matmul", [flat, b.add("transpose", [theta], perm=[0, 2, 1])])
    return b.add("reshape", [out], shape=[theta.shape[0], *sizes, len(sizes)])


@handles("RoiAlign")
def roi_align(b: GraphBuilder, node: OnnxNode, x: Value, rois: Value, batch: Value) -> Value:
    """Samples on a regular grid inside each bin of each region, averaged, or the largest weighted cell among
    them.

    Without a sampling_ratio the grid follows the region's size: then the regions must be constant.
    """
    ratio = node.attrs["sampling_ratio"]
    images = channels_last(b, x)
    if ratio > 0:
        return channels_first(b, _pooled(b, node, images, rois, batch, (ratio, ratio)))
    corners = node.array(b, rois, "rois, whose sizes set how many samples are taken (give a sampling_ratio),")
    out = []
    for i, (x1, y1, x2, y2) in enumerate(corners.astype(np.float64) * node.attrs["spatial_scale"]):
        height, width = (max(n, 1.0) if not _half_pixel(node) else n for n in (y2 - y1, x2 - x1))
        grid = math.ceil(height / node.attrs["output_height"]), math.ceil(width / node.attrs["output_width"])
        if min(grid) < 1:
            raise node.fail(f"its region {i} has no extent")
        one = range(i, i + 1)
        out.append(_pooled(b, node, images, along(b, rois, 0, one), along(b, batch, 0, one), grid))
    return channels_first(b, joined(b, out, 0))


def _half_pixel(node: OnnxNode) -> bool:
    return bool(node.attrs.get("coordinate_transformation_mode", "output_half_pixel") == "half_pixel")


def _pooled(
    b: GraphBuilder, node: OnnxNode, images: Value, rois: Value, batch: Value, grid: tuple[int, int]
) -> Value:
    """Regions [R, 4] of channels-last images pooled to [R, height, width, C]."""
    regions, sizes = rois.shape[0], (node.attrs["output_height"], node.attrs["output_width"])
    mode = node.attrs["mode"].lower()
    if mode not in ("avg", "max"):
        raise node.fail(f"its mode {mode!r} is not known")
    if regions * math.prod(sizes) * math.prod(grid) > MAX_SAMPLES:
        raise node.fail(
            f"it takes {math.prod(grid)} samples in each of {regions * math.prod(sizes)} bins: too many"
        )
    corners = scaled(b, rois, node.attrs["spatial_scale"])
    if _half_pixel(node):
        corners = b.add("sub", [corners, b.constant(0.5)])
    at, inside = [], None
    for axis, (first, n) in enumerate(zip((1, 0), images.shape[1:3], strict=True)):
        start, end = (along(b, corners, 1, range(k, k + 1)) for k in (first, first + 2))
        extent = b.add("sub", [end, start])
        if not _half_pixel(node):
            extent = b.add("clip", [extent], lo=1.0, hi=None)
        count = sizes[axis] * grid[axis]
        share = b.constant(((np.arange(count) + 0.5) / count)[None])
        position = b.add("add", [start, b.add("mul", [extent, share])])
        outside = [
            b.add("greater", [b.constant(-1.0), position]),
            b.add("greater", [position, b.constant(float(n))]),
        ]
        within = b.add("sub", [b.constant(np.True_), b.add("max", outside)], kind="bool")
        shape = [regions, count, 1] if axis == 0 else [regions, 1, count]
        at.append(b.add("reshape", [position], shape=shape))
        within = b.add("reshape", [within], shape=shape)
        inside = within if inside is None else b.add("mul", [inside, within])
    assert inside is not None
    which = b.add("reshape", [batch], shape=[regions, 1, 1])
    reading = Reading("linear", "border", True)
    cells = (
        _largest(b, images, at, reading, which) if mode == "max" else sampled(b, images, at, reading, which)
    )
    cells = b.add("mul", [cells, b.add("reshape", [inside], shape=[*inside.shape, 1])])
    bins = b.add("reshape", [cells], shape=[regions, sizes[0], grid[0], sizes[1], grid[1], images.shape[-1]])
    if mode == "max":
        out = b.add("reduce_max", [bins], axes=[2, 4])
    else:
        out = scaled(b, b.add("reduce_sum", [bins], axes=[2, 4]), 1 / math.prod(grid))
    return b.add("reshape", [out], shape=[regions, *sizes, images.shape[-1]])


def _largest(b: GraphBuilder, images: Value, at: list[Value], reading: Reading, which: Value) -> Value:
    """The largest of each position's four neighbours, each times its weight."""
    taps = neighbours(b, images, at, reading, which)
    points = taps.cells.shape[:-1]
    value = b.add("reshape", [taps.cells], shape=[*points, 2, 2, taps.channels])
    for fraction, shape in zip(taps.fractions, ([2, 1, 1], [1, 2, 1]), strict=True):
        part = b.add("reshape", [fraction], shape=[*fraction.shape, 1])
        weights = b.add("concat", [b.add("sub", [b.constant(1.0), part]), part], axis=part.rank - 1)
        value = b.add("mul", [value, b.add("reshape", [weights], shape=[*fraction.shape, *shape])])
    value = b.add("reduce_max", [value], axes=[value.rank - 3, value.rank - 2])
    return b.add("reshape", [value], shape=[*points, taps.channels])


@handles("DeformConv")
def deform_conv(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    w: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
) -> Value:
    """A convolution whose taps are moved by offsets: the moved taps are sampled, then multiplied as a
    matrix."""
    if x.rank != 4:
        raise node.fail(f"an input of shape {x.shape}: only images are supported")
    found = windows(node, x.shape[2:], w.shape[2:])
    groups, parts = node.attrs["group"], node.attrs["offset_group"]
    n, channels, taps, cells = x.shape[0], x.shape[1], math.prod(found.kernel), math.prod(found.counts)
    if parts < 1 or channels % parts or offset.shape != (n, parts * taps * 2, *found.counts):
        raise node.fail(
            f"offsets of shape {offset.shape} do not fit {parts} offset groups and {found.counts} outputs"
        )
    images = b.add("reshape", [x], shape=[n * parts, channels // parts, *x.shape[2:]])
    moves = b.add("reshape", [offset], shape=[n * parts, taps, 2, cells])
    at = []
    for axis in range(2):
        regular = found.taps(axis).T  # [kernel, counts] along this axis, spread over the other
        own = regular[:, None, :, None] if axis == 0 else regular[None, :, None, :]
        own = np.broadcast_to(own, (*found.kernel, *found.counts)).reshape(taps, cells)
        move = b.add("reshape", [along(b, moves, 2, range(axis, axis + 1))], shape=[n * parts, taps, cells])
        at.append(b.add("add", [move, b.constant(own.astype(np.float64))]))
    read = sampled(b, channels_last(b, images), at, Reading("linear", "zeros", True))
    if mask is not None:
        read = b.add("mul", [read, b.add("reshape", [mask], shape=[n * parts, taps, cells, 1])])
    read = b.add("reshape", [read], shape=[n, parts, taps, cells, channels // parts])
    columns = b.add("transpose", [read], perm=[0, 3, 1, 4, 2])
    columns = b.add("reshape", [columns], shape=[n, cells, channels * taps])
    kernels = b.add("reshape", [w], shape=[w.shape[0], 1, math.prod(w.shape[1:])])
    plain: dict[str, list[int]] = {"strides": [1], "pads_before": [0], "pads_after": [0], "dilations": [1]}
    out = b.add("conv", [columns, kernels], groups=groups, **plain)  # type: ignore[arg-type]
    if bias is not None:
        out = b.add("add", [out, bias])
    return channels_first(b, b.add("reshape", [out], shape=[n, *found.counts, w.shape[0]]))
