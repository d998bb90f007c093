"""Maxima: pairwise, over axes, over windows. Exact.

    max(a, b)             with NumPy's broadcasting
    reduce_max(x; axes)   = the maximum over the axes, which stay with size 1
    max_pool(x)[n, p, c]  = max_q x[n, p*stride + q*dilation - pad_before, c], cells outside x left out
                            (minus infinity)

x of max_pool is [N, *spatial, C], channels last; every window holds at least one cell of x. A prover shows
that the output is at least each input, and equal to one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.ops.arithmetic import operands, reduced
from circuits.ops.base import Attrs, broadcast_shapes, check, register
from circuits.ops.contraction import Array, window_counts, windows
from circuits.tensor import Bound, IntArray, Operand, Shape


@register
class Max:
    name = "max"
    arity = 2
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        return broadcast_shapes(xs[0].shape, xs[1].shape)

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return max(xs[0].lo, xs[1].lo), max(xs[0].hi, xs[1].hi)

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, b = operands(xs, shape, bound)
        return np.maximum(a, b)


@register
class ReduceMax:
    name = "reduce_max"
    arity = 1
    attrs = ("axes",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        return reduced(xs[0].shape, attrs["axes"])

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return xs[0].lo, xs[0].hi

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        out: IntArray = xs[0].max(axis=tuple(axis + 1 for axis in attrs["axes"]), keepdims=True)
        return out


@register
class MaxPool:
    name = "max_pool"
    arity = 1
    attrs = ("kernel", "strides", "pads_before", "pads_after", "dilations")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        x = xs[0].shape
        spatial = len(x) - 2
        per_axis = spatial >= 1 and all(len(attrs[name]) == spatial for name in self.attrs)
        check(
            per_axis,
            f"pooling {x} needs a kernel, strides, pads and dilations for each of its {spatial} spatial axes",
        )
        counts = window_counts(x[1:-1], tuple(attrs["kernel"]), attrs)
        for axis, count in enumerate(counts):
            stride, before, dilation = (attrs[name][axis] for name in ("strides", "pads_before", "dilations"))
            # a window that begins inside x touches it; one that begins before may step over it
            starts = np.arange(min(count, -(-before // stride))) * stride - before
            skipped = -(starts // dilation)
            inside = (skipped < attrs["kernel"][axis]) & (starts + skipped * dilation < x[1 + axis])
            touched = inside.all() and (count - 1) * stride - before < x[1 + axis]
            check(
                bool(touched), f"a pooling window over spatial axis {axis} of {x} lies wholly in the padding"
            )
        return (x[0], *counts, x[-1])

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return xs[0].lo, xs[0].hi

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        out: IntArray = max_pool(xs[0], attrs, int(np.iinfo(xs[0].dtype).min))
        return out


def max_pool(x: Array, attrs: Attrs, lowest: int | float) -> Array:
    """Maximum over windows of [B, N, *spatial, C]; one pass over the array for each kernel position of each
    axis."""
    batch = x.shape[:2]
    x = x.reshape(-1, *x.shape[2:])
    spatial = x.ndim - 2
    for axis in range(spatial):  # a maximum over a box is a maximum along each axis in turn
        one = {
            name: [attrs[name][axis] if i == axis else neutral for i in range(spatial)]
            for name, neutral in (("strides", 1), ("pads_before", 0), ("pads_after", 0), ("dilations", 1))
        }
        kernel = tuple(attrs["kernel"][axis] if i == axis else 1 for i in range(spatial))
        view = windows(x, kernel, one, lowest)
        taps = [view[(..., *tap)] for tap in np.ndindex(*kernel)]
        x = taps[0]
        for tap in taps[1:]:
            x = np.maximum(x, tap)
    return x.reshape(*batch, *x.shape[1:])
