"""Rules for data movement: the integers move, the scale stays."""

from __future__ import annotations

import math

import numpy as np

from circuits.calibrate import MASK, mask_of
from circuits.graph import GraphNode
from circuits.quantise.quantiser import Quantised, Quantiser, rule


@rule("reshape", "transpose", "slice", "broadcast")
def move(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """One input, fixed wiring."""
    x = q.tensor(node.inputs[0])
    attrs = {name: list(value) for name, value in node.attrs.items()}
    return Quantised(q.op(node.op, [x.id], **attrs), x.scale)


@rule("pad")
def pad(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """The fill takes the input's scale; infinity becomes a mask's depth, or the input's bound if that is
    further."""
    x = q.tensor(node.inputs[0])
    bound, fill, reach = q.operand(x), float(node.attrs["value"]), q.ranges[node.inputs[0]]
    if mask_of(np.array([fill, reach.lo, reach.hi]))[0] or math.isinf(fill):
        depth = round(2 * MASK / x.scale)
        value = max(bound.hi, -depth) if fill > 0 else min(bound.lo, depth)
    else:
        value = round(fill / x.scale)
    return Quantised(
        q.op("pad", [x.id], before=list(node.attrs["before"]), after=list(node.attrs["after"]), value=value),
        x.scale,
    )


@rule("concat")
def concat(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """All parts at the finest part's scale, exactly."""
    ids, scale = q.aligned(node.inputs, i)
    return Quantised(q.op("concat", ids, axis=node.attrs["axis"]), scale)


@rule("gather")
def gather(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """An index that the bounds do not keep inside the axis is clamped to it, so that every input has a
    proof."""
    table, index = q.tensor(node.inputs[0]), q.tensor(node.inputs[1])
    size = q.shape(node.inputs[0])[node.attrs["axis"]]
    bound = q.operand(index)
    inside = index.id
    if bound.lo < 0 or bound.hi >= size:
        inside = q.op(
            "rescale",
            [index.id],
            mul=1,
            shift=0,
            lo=0 if bound.lo < 0 else None,
            hi=size - 1 if bound.hi >= size else None,
        )
    return Quantised(q.op("gather", [table.id, inside], axis=node.attrs["axis"]), table.scale)
