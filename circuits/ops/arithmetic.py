"""Elementwise arithmetic and sums, with NumPy's broadcasting. Exact; bounds grow.

    add(a, b) = a + b        sub(a, b) = a - b        mul(a, b) = a * b
    reduce_sum(x; axes)      = the sum over the axes, which stay with size 1

A prover shows nothing for sums, which are linear in claims about their inputs, and one product for each cell
of `mul` with two runtime inputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from circuits.ops.base import Attrs, align, broadcast_shapes, check, register
from circuits.tensor import Bound, IntArray, Operand, Shape, dtype_of


class _Elementwise:
    arity = 2
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        return broadcast_shapes(xs[0].shape, xs[1].shape)


def operands(xs: Sequence[IntArray], shape: Shape, bound: Bound) -> list[IntArray]:
    """The inputs aligned to the output's rank, in a type that holds each of them and the result."""
    dtype = np.result_type(dtype_of(*bound), *(x.dtype for x in xs))
    return [align(x.astype(dtype, copy=False), len(shape)) for x in xs]


@register
class Add(_Elementwise):
    name = "add"

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return xs[0].lo + xs[1].lo, xs[0].hi + xs[1].hi

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, b = operands(xs, shape, bound)
        return a + b


@register
class Sub(_Elementwise):
    name = "sub"

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return xs[0].lo - xs[1].hi, xs[0].hi - xs[1].lo

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, b = operands(xs, shape, bound)
        return a - b


@register
class Mul(_Elementwise):
    name = "mul"

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        a, b = xs
        if a is b:  # a square is never negative, and the interval product would not know
            edges = [a.lo * a.lo, a.hi * a.hi]
            return 0 if a.lo <= 0 <= a.hi else min(edges), max(edges)
        corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi]
        return min(corners), max(corners)

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, b = operands(xs, shape, bound)
        return a * b


@register
class ReduceSum:
    """reduce_sum(x; axes) = sum over the axes, kept with size 1."""

    name = "reduce_sum"
    arity = 1
    attrs = ("axes",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        return reduced(xs[0].shape, attrs["axes"])

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        lo, hi = xs[0].zero_hull
        count = math.prod(xs[0].shape[axis] for axis in attrs["axes"])
        return lo * count, hi * count

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        axes = tuple(axis + 1 for axis in attrs["axes"])
        out: IntArray = xs[0].sum(axis=axes, keepdims=True, dtype=np.int64)
        return out


def reduced(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` with the axes shrunk to size 1; raises CircuitError unless they are distinct axes in rising
    order."""
    rising = all(i < j for i, j in itertools.pairwise(axes))
    check(
        rising and all(0 <= axis < len(shape) for axis in axes),
        f"{list(axes)} are not rising axes of {shape}",
    )
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))
