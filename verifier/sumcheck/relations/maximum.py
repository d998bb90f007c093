"""Maxima: m is at least each candidate, and equal to one of them.

max, max_pool   a few candidates side by side: m - x_j >= 0 for each, prod_j (m - x_j) = 0. More than three
                are taken in groups, and a window's maximum along one axis after the other. A tap outside
                counts as the input's lower bound, which no maximum falls below.
reduce_max      along axes: m - x_j >= 0 for each, m = sum_j s_j * x_j with s one-hot
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Select

_MOST_CANDIDATES = 3
_WIDE = 31
"""From this many bits on, the product of two differences would not fit 64 bits: candidates go in pairs."""


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
    candidates = [lowering.linear(x) for x in candidates]
    most = _MOST_CANDIDATES if count.bit_length() < _WIDE else 2
    while len(candidates) > most:
        groups = [candidates[j : j + most] for j in range(0, len(candidates), most)]
        candidates = [_maximum(lowering, group, count) for group in groups]
    if len(candidates) == 1:
        return candidates[0]
    shape = lowering.system.shape(candidates[0])
    m = lowering.advice(shape, "maximum", tuple(candidates))
    gaps = [lowering.system.sum([(1, m), (-1, x)]) for x in candidates]
    for gap in gaps:
        lowering.require_at_least_zero(gap, count)
    product = gaps[0]
    for gap in gaps[1:]:
        product = lowering.elementwise(product, gap, shape)
    lowering.require_zero(product)
    return m


def reduce_max(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x = lowering.linear(lowering.value[node.inputs[0]])
    axes = [axis + 1 for axis in node.attrs["axes"]]
    shape = lowering.system.shape(x)
    if all(shape[axis] == 1 for axis in axes):
        return x
    lo, hi = lowering.bound(node.inputs[0])
    choice = lowering.one_hot(shape, axes, "one_hot", x, tuple(axes))
    m = lowering.advice(lowering.result_shape(i), "node", i)
    names = tuple(a if n > 1 else None for a, n in enumerate(shape))
    image = tuple(None if a in axes else name for a, name in enumerate(names))
    best = lowering.product(choice, x, (names, names, image), lowering.result_shape(i))
    lowering.require_zero(lowering.system.sum([(1, m), (-1, best)]))
    lowering.require_at_least_zero(lowering.sum(shape, [(1, m), (-1, x)]), hi - lo + 1)
    return m


RELATIONS = {"max": max_, "max_pool": max_pool, "reduce_max": reduce_max}
