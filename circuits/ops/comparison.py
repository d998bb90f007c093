"""Comparison and choice, with NumPy's broadcasting. Exact.

    greater(a, b)  = 1 if a > b, else 0
    where(c, a, b) = a if c = 1, else b; c is 0 or 1, by bounds

A prover shows for greater that (2c - 1)*(a - b) - c >= 0; for where one product, c*(a - b).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.ops.base import Attrs, align, broadcast_shapes, check, register
from circuits.tensor import Bound, IntArray, Operand, Shape


@register
class Greater:
    name = "greater"
    arity = 2
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        return broadcast_shapes(xs[0].shape, xs[1].shape)

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        a, b = xs
        return int(a.lo > b.hi), int(a.hi > b.lo)

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, b = (align(x, len(shape)) for x in xs)
        return np.greater(a, b).astype(np.int8)


@register
class Where:
    name = "where"
    arity = 3
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        check(0 <= xs[0].lo and xs[0].hi <= 1, "the condition of a where must be 0 or 1")
        return broadcast_shapes(broadcast_shapes(xs[0].shape, xs[1].shape), xs[2].shape)

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return min(xs[1].lo, xs[2].lo), max(xs[1].hi, xs[2].hi)

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        c, a, b = (align(x, len(shape)) for x in xs)
        out: IntArray = np.where(c == 1, a, b)
        return out
