"""Sums of products.

matmul    y[.., i, j] = sum_k a[.., i, k] * b[.., k, j]         one product, contracted over k
conv      y[n, p.., g, o] = sum_{q.., c} X[n, p, q, .., g, c] * w[g, o, q.., c]
                                                                one product, contracted over q.. and c,
          X being the windows of x, a linear map that nobody writes out
"""

from __future__ import annotations

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Window
from verifier.sumcheck.system import Labels


def matmul(lowering: Lowering, i: int) -> int:
    shape = lowering.result_shape(i)
    rank = len(shape)
    a, b = (lowering.ranked(lowering.value[x], rank) for x in lowering.node(i).inputs)
    contracted = rank
    own = []
    for tensor, last in ((a, (rank - 2, contracted)), (b, (contracted, rank - 1))):
        names = (*range(rank - 2), *last)
        own.append(_labels(lowering.system.shape(tensor), names))
    return lowering.product(a, b, (own[0], own[1], _labels(shape, tuple(range(rank)))), shape)


def conv(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x, w = (lowering.value[x] for x in node.inputs)
    kernel, groups = lowering.node(node.inputs[1]).shape[1:-1], node.attrs["groups"]
    spatial = len(kernel)
    x = lowering.linear(x)
    *before, all_channels = lowering.system.shape(x)
    x = lowering.reshaped(x, (*before, groups, all_channels // groups))
    for s in range(spatial):
        stride, dilation, before = (node.attrs[name][s] for name in ("strides", "dilations", "pads_before"))
        shape = lowering.system.shape(x)
        window = Window(shape, 2 + 2 * s, node.shape[1 + s], kernel[s], stride, dilation, before)
        x = lowering.image(x, window)
    w_shape = lowering.system.shape(w)
    w = lowering.reshaped(w, (w_shape[0], groups, w_shape[1] // groups, *w_shape[2:]))
    # labels: batch 0, n 1, p_s 2 + 2s, q_s 3 + 2s, then group, channel and output channel
    group = 2 + 2 * spatial
    places = tuple(2 + 2 * s for s in range(spatial))
    taps = tuple(3 + 2 * s for s in range(spatial))
    grouped = (*lowering.result_shape(i)[:-1], groups, node.shape[-1] // groups)
    labels = (
        _labels(lowering.system.shape(x), (*range(group), group, group + 1)),
        _labels(lowering.system.shape(w), (0, group, group + 2, *taps, group + 1)),
        _labels(grouped, (0, 1, *places, group, group + 2)),
    )
    return lowering.reshaped(lowering.product(x, w, labels, grouped), lowering.result_shape(i))


def _labels(shape: tuple[int, ...], names: tuple[int, ...]) -> Labels:
    return tuple(name if n > 1 else None for name, n in zip(names, shape, strict=True))


RELATIONS = {"matmul": matmul, "conv": conv}
