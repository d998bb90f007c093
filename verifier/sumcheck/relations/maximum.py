"""Maxima: m is at least each candidate, and equal to one of them.

max, max_pool   m of a and b is committed: (m - a) * (m - b) = 0, so one difference is zero, and
                (m - a) + (m - b) >= 0. More candidates are taken one after another, a window's along one
                axis after the other. A tap outside counts as the input's lower bound, which no maximum
                falls below.
reduce_max      along axes: m - x_j >= 0 for each, and s_j * (m - x_j) = 0 with sum_j s_j = 1: where s_j is
                not zero, m is x_j. m and s are committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Select


def max_(lowering: Lowering, i: int) -> int:
    node, shape = lowering.node(i), lowering.result_shape(i)
    candidates = [lowering.broadcast(lowering.value[x], shape) for x in node.inputs]
    lowest = min(lowering.bound(x)[0] for x in node.inputs)
    return _maximum(lowering, candidates, node.hi - lowest + 1)


def max_pool(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    lo, hi = lowering.bound(node.inputs[0])
    x = lowering.system.sum([(1, lowering.value[node.inputs[0]])], -lo)
    for s, kernel in enumerate(node.attrs["kernel"]):
        stride, dilation, before = (node.attrs[name][s] for name in ("strides", "dilations", "pads_before"))
        count, shape = node.shape[1 + s], lowering.system.shape(x)
        starts = [tap * dilation - before for tap in range(kernel)]
        taps = [
            lowering.image(x, Select(shape, 2 + s, range(start, start + count * stride, stride)))
            for start in starts
        ]
        x = _maximum(lowering, taps, hi - lo + 1)
    return lowering.system.sum([(1, x)], lo)


def _maximum(lowering: Lowering, candidates: Sequence[int], count: int) -> int:
    """The maximum of candidates that differ by less than `count`."""
    best, *others = candidates
    for other in others:
        best = _greater(lowering, lowering.linear(best), lowering.linear(other), count)
    return best


def _greater(lowering: Lowering, a: int, b: int, count: int) -> int:
    shape = lowering.system.shape(a)
    m = lowering.advice(shape, "maximum", (a, b))
    above_a, above_b = (lowering.system.sum([(1, m), (-1, x)]) for x in (a, b))
    lowering.require_zero(lowering.elementwise(above_a, above_b, shape))
    lowering.require_at_least_zero(lowering.system.sum([(2, m), (-1, a), (-1, b)]), count)
    return m


def reduce_max(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x = lowering.linear(lowering.value[node.inputs[0]])
    axes = [axis + 1 for axis in node.attrs["axes"]]
    shape = lowering.system.shape(x)
    if all(shape[axis] == 1 for axis in axes):
        return x
    lo, hi = lowering.bound(node.inputs[0])
    m = lowering.advice(lowering.result_shape(i), "node", i)
    gap = lowering.sum(shape, [(1, m), (-1, x)])
    lowering.require_at_least_zero(gap, hi - lo + 1)
    choice = lowering.advice(shape, "one_hot", x, tuple(axes))
    lowering.require_zero(lowering.elementwise(choice, gap, shape))
    lowering.require_zero(lowering.system.sum([(1, lowering.sum_axes(choice, axes))], -1))
    return m


RELATIONS = {"max": max_, "max_pool": max_pool, "reduce_max": reduce_max}
