"""Running sums and products in log2(n) steps: after step k a cell holds the total of the last 2^k cells."""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import along, axis_of
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles

_STEPS = {"CumSum": ("add", 0), "CumProd": ("mul", 1)}


@handles(*_STEPS)
def cumulative(b: GraphBuilder, node: OnnxNode, x: Value, axis: Value) -> Value:
    over = axis_of(node, int(node.array(b, axis, "axis").reshape(())), x.rank)
    op, neutral = _STEPS[node.op_type]
    backwards = bool(node.attrs["reverse"])
    if node.attrs["exclusive"]:
        x = _shifted(b, x, over, 1, neutral, backwards)
    reach = 1
    while reach < x.shape[over]:
        x = wrapped(b, b.add(op, [x, _shifted(b, x, over, reach, neutral, backwards)]), node.dtypes[0])
        reach *= 2
    return x


def _shifted(b: GraphBuilder, x: Value, axis: int, by: int, fill: int, backwards: bool) -> Value:
    """x moved `by` cells along an axis, towards its end or backwards; `fill` moves in."""
    size = x.shape[axis]
    if by >= size:
        return b.constant(np.full(x.shape, fill), x.kind)
    kept = along(b, x, axis, range(by, size) if backwards else range(size - by))
    width = [by if k == axis else 0 for k in range(x.rank)]
    none = [0] * x.rank
    return b.add(
        "pad", [kept], before=none if backwards else width, after=width if backwards else none, value=fill
    )
