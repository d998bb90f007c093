"""Pad in all its modes, and CenterCropPad."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import axes_of, reshaped, window
from circuits.importer.handlers import OnnxNode, handles

_NUMPY_MODE: dict[str, Any] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


@handles("Pad")
def pad(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    pads: Value | None = None,
    value: Value | None = None,
    axes: Value | None = None,
) -> Value:
    """Negative widths crop, and do so before any other axis is padded."""
    if pads is None:  # up to opset 10 they are attributes
        widths, fill = node.attrs["pads"], b.constant(np.array(node.attrs["value"], dtype=np.float32))
    else:
        widths = [int(n) for n in node.array(b, pads, "pads")]
        fill = b.constant(np.zeros(())) if value is None else value
    where = axes_of(node, range(x.rank) if axes is None else node.array(b, axes, "axes"), x.rank)
    if len(widths) != 2 * len(where):
        raise node.fail(f"it gives {len(widths)} widths for {len(where)} axes: two an axis are needed")
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(where):
        before[axis], after[axis] = widths[i], widths[len(where) + i]
    x = window(
        b, x, [range(max(-p, 0), n + min(q, 0)) for n, p, q in zip(x.shape, before, after, strict=True)]
    )
    before, after = [max(p, 0) for p in before], [max(p, 0) for p in after]
    if not math.prod(x.shape):
        raise node.fail("its negative pads leave nothing of an axis")
    if node.attrs["mode"] == "constant":
        return filled(b, x, before, after, fill)
    for axis, (p, q) in enumerate(zip(before, after, strict=True)):
        if p or q:
            source = np.pad(np.arange(x.shape[axis]), (p, q), mode=_NUMPY_MODE[node.attrs["mode"]])
            x = b.add("gather", [x, b.constant(source)], axis=axis)
    return x


def filled(b: GraphBuilder, x: Value, before: Sequence[int], after: Sequence[int], fill: Value) -> Value:
    """x with so many more cells before and after along each axis, holding one number, which may be a run-time
    one."""
    if not any(before) and not any(after):
        return x
    number = b.value_of(fill)
    head, tail = list(before), list(after)
    if number is not None:
        return b.add("pad", [x], before=head, after=tail, value=number.reshape(-1)[0].item())
    inside = b.add("pad", [b.constant(np.ones(x.shape, dtype=np.bool_))], before=head, after=tail, value=0)
    padded = b.add("pad", [x], before=head, after=tail, value=0)
    return b.add("where", [inside, padded, reshaped(b, fill, [])], kind=x.kind)


@handles("CenterCropPad")
def center_crop_pad(b: GraphBuilder, node: OnnxNode, x: Value, shape: Value) -> Value:
    """Where the difference is odd, the larger half is cut or added behind."""
    wanted = [int(n) for n in node.array(b, shape, "shape")]
    axes = axes_of(node, node.attrs.get("axes") or range(x.rank), x.rank)
    ranges, before, after = [range(n) for n in x.shape], [0] * x.rank, [0] * x.rank
    for axis, size in zip(axes, wanted, strict=True):
        missing = size - x.shape[axis]
        if missing < 0:
            start = -missing // 2
            ranges[axis] = range(start, start + size)
        else:
            before[axis], after[axis] = missing // 2, missing - missing // 2
    return filled(b, window(b, x, ranges), before, after, b.constant(np.zeros((), dtype=np.int64)))
