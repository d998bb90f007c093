"""Resizing by constant factors: a gather along each axis, or a small constant matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import axes_of
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.interpolation import cubic, matrix, nearest, positions, triangle
from circuits.importer.windows import channels_first, channels_last
from circuits.tensor import FloatArray

MAX_MATRIX_ELEMENTS = 1 << 26


@dataclass(frozen=True)
class Stretch:
    """What becomes of one axis."""

    axis: int
    count: int
    scale: float
    roi: tuple[float, float]


@handles("Resize")
def resize(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    second: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
) -> Value:
    if node.version < 11:
        return _resized(b, node, x, _by_scales(node, x, range(x.rank), node.array(b, second, "scales")))
    axes = axes_of(node, node.attrs.get("axes") or range(x.rank), x.rank)
    roi = np.repeat([0.0, 1.0], len(axes))
    if node.attrs["coordinate_transformation_mode"] == "tf_crop_and_resize":
        roi = node.array(b, second, "roi").astype(np.float64)
        if roi.size != 2 * len(axes):
            raise node.fail(f"its roi should hold {2 * len(axes)} numbers, not {roi.size}")
    if sizes is not None and 0 not in sizes.shape:
        wanted = [int(n) for n in node.array(b, sizes, "sizes")]
        return _resized(b, node, x, _by_sizes(node, x, axes, wanted, roi))
    return _resized(b, node, x, _by_scales(node, x, axes, node.array(b, scales, "scales"), roi))


@handles("Upsample")
def upsample(b: GraphBuilder, node: OnnxNode, x: Value, scales: Value | None = None) -> Value:
    factors = np.array(node.attrs["scales"]) if scales is None else node.array(b, scales, "scales")
    return _resized(b, node, x, _by_scales(node, x, range(x.rank), factors))


def _by_scales(
    node: OnnxNode, x: Value, axes: list[int] | range, scales: FloatArray, roi: FloatArray | None = None
) -> list[Stretch]:
    """Sizes are rounded down in float32, as the specification's shape inference does it."""
    if scales.size != len(axes) or not (scales > 0).all():
        raise node.fail(f"its scales {scales.tolist()} should be {len(axes)} positive numbers")
    roi = np.repeat([0.0, 1.0], len(axes)) if roi is None else roi
    counts = [
        int(np.floor(np.float32(x.shape[axis]) * np.float32(s))) for axis, s in zip(axes, scales, strict=True)
    ]
    return [
        Stretch(axis, n, float(s), (float(roi[i]), float(roi[i + len(axes)])))
        for i, (axis, n, s) in enumerate(zip(axes, counts, scales, strict=True))
    ]


def _by_sizes(node: OnnxNode, x: Value, axes: list[int], sizes: list[int], roi: FloatArray) -> list[Stretch]:
    if len(sizes) != len(axes) or min(sizes) < 1:
        raise node.fail(f"its sizes {sizes} should be {len(axes)} positive numbers")
    scales = [n / x.shape[axis] for axis, n in zip(axes, sizes, strict=True)]
    policy = node.attrs.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        shared = min(scales) if policy == "not_larger" else max(scales)
        scales = [shared] * len(axes)
        sizes = [int(shared * x.shape[axis] + 0.5) for axis in axes]
    return [
        Stretch(axis, n, s, (float(roi[i]), float(roi[i + len(axes)])))
        for i, (axis, n, s) in enumerate(zip(axes, sizes, scales, strict=True))
    ]


def _resized(b: GraphBuilder, node: OnnxNode, x: Value, stretches: list[Stretch]) -> Value:
    """x resized one axis after the other; images in the channels-last layout."""
    moving = [s for s in stretches if (s.count, s.scale, s.roi) != (x.shape[s.axis], 1.0, (0.0, 1.0))]
    if any(s.count < 1 for s in moving):
        raise node.fail("its scales leave an axis without cells")
    image = x.rank >= 3 and all(s.axis >= 2 for s in moving)
    out = channels_last(b, x) if image else x
    inside = np.ones([1] * x.rank, dtype=np.bool_)
    for stretch in moving:
        axis = stretch.axis - 1 if image else stretch.axis
        out, known = _along(b, node, out, axis, stretch)
        inside = inside & known.reshape([-1 if k == axis else 1 for k in range(x.rank)])
    crops = node.attrs.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    if crops and not inside.all():
        fill = float(node.attrs["extrapolation_value"])
        out = b.add("where", [b.constant(inside), out, b.constant(fill)], kind=x.kind)
    out = channels_first(b, out) if image else out
    if x.kind == "real" or node.attrs["mode"] == "nearest":
        return out
    out = b.add("round", [out], mode="even")
    dtype = node.dtypes[0]
    if dtype is None or dtype.itemsize == 8:
        return out
    return b.add("clip", [out], lo=int(np.iinfo(dtype).min), hi=int(np.iinfo(dtype).max))


def _along(
    b: GraphBuilder, node: OnnxNode, x: Value, axis: int, stretch: Stretch
) -> tuple[Value, NDArray[np.bool_]]:
    """x resized along one axis, and which output cells lie inside the input."""
    n, mode = x.shape[axis], node.attrs["mode"]
    old = node.op_type == "Upsample" or node.version < 11
    coordinates = "asymmetric" if old else node.attrs["coordinate_transformation_mode"]
    at = positions(coordinates, n, stretch.count, stretch.scale, stretch.roi)
    if at is None:
        raise node.fail(f"its coordinate_transformation_mode {coordinates!r} is not known")
    inside = (at >= 0) & (at <= n - 1)
    if mode == "nearest":
        rounding = "floor" if old else node.attrs["nearest_mode"]
        cells = nearest(at, n, rounding)
        if cells is None:
            raise node.fail(f"its nearest_mode {rounding!r} is not known")
        return b.add("gather", [x, b.constant(cells)], axis=axis), inside
    if mode not in ("linear", "bilinear", "cubic"):
        raise node.fail(f"its mode {mode!r} is not known")
    if stretch.count * n > MAX_MATRIX_ELEMENTS:
        raise node.fail(f"it turns {n} cells into {stretch.count} by a matrix, which is too large")
    kernel, radius = (cubic(node.attrs["cubic_coeff_a"]), 2) if mode == "cubic" else (triangle, 1)
    squeeze = min(stretch.scale, 1.0) if node.attrs.get("antialias", 0) else 1.0
    weights = matrix(at, n, kernel, radius, squeeze, bool(node.attrs.get("exclude_outside", 0)))
    head, tail = x.shape[:axis], x.shape[axis + 1 :]
    if math.prod(tail) == 1:
        rows = b.add("reshape", [x], shape=[math.prod(head), n])
        out = b.add("matmul", [rows, b.constant(weights.T)], kind="real")
    else:
        columns = b.add("reshape", [x], shape=[math.prod(head), n, math.prod(tail)])
        out = b.add("matmul", [b.constant(weights), columns], kind="real")
    return b.add("reshape", [out], shape=[*head, stretch.count, *tail]), inside
