"""The order of cells along an axis.

    top_k(x; axis, k) = the indices of the k largest cells along the axis, largest first, equal cells by
                        rising index

argmax is k = 1, a sort is k = the axis' size. A prover shows that the chosen cells fall in that order and
that no other cell comes before the last of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.ops.base import Attrs, check, register
from circuits.tensor import Bound, IntArray, Operand, Shape


@register
class TopK:
    name = "top_k"
    arity = 1
    attrs = ("axis", "k")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        axis, k, shape = attrs["axis"], attrs["k"], xs[0].shape
        check(
            0 <= axis < len(shape) and 1 <= k <= shape[axis],
            f"there is no top {k} along axis {axis} of {shape}",
        )
        return shape[:axis] + (k,) + shape[axis + 1 :]

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return 0, xs[0].shape[attrs["axis"]] - 1

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        axis, k = attrs["axis"] + 1, attrs["k"]
        if k == 1:
            return np.asarray(np.argmax(xs[0], axis=axis, keepdims=True))
        order = np.argsort(-xs[0].astype(np.int64), axis=axis, kind="stable")
        return np.take(order, np.arange(k), axis=axis)
