"""The operations that bring wide integers back to few bits.

    rescale(x; mul, shift, lo, hi) = clamp(floor((x*mul + half) / 2^shift), lo, hi),
                                     half = 2^(shift-1), or 0 if shift = 0
    table(x, t; lo)                = t[x - lo]
    floor_divide(x, d)             = floor(x / d), d >= 1 by bounds

floor is towards minus infinity. `lo` and `hi` of a rescale are null where the bounds already make that side
idle. A table is rounded once, when the circuit is compiled, and has at most 2^16 rows.

A prover shows for rescale that x*mul + half = 2^shift * q + r with 0 <= r < 2^shift, and the clamp of q; for
table that the pair (x, output) is a row; for floor_divide that x = d*q + r with 0 <= r < d.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.errors import BoundError
from circuits.ops.arithmetic import operands
from circuits.ops.base import Attrs, broadcast_shapes, check, register
from circuits.tensor import LIMIT, Bound, IntArray, Operand, Shape

MAX_TABLE_ROWS = 1 << 16
MAX_SHIFT = 62


def half_of(shift: int) -> int:
    """What a rescale adds before its shift, so that floor rounds to nearest."""
    return 1 << (shift - 1) if shift else 0


@register
class Rescale:
    name = "rescale"
    arity = 1
    attrs = ("mul", "shift", "lo", "hi")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        mul, shift, lo, hi = (attrs[name] for name in self.attrs)
        check(mul >= 1 and 0 <= shift <= MAX_SHIFT, f"a rescale by {mul} / 2^{shift} is out of range")
        check(lo is None or hi is None or lo <= hi, f"a rescale cannot clamp to [{lo}, {hi}]")
        return xs[0].shape

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        mul, shift, lo, hi = (attrs[name] for name in self.attrs)
        if xs[0].magnitude * mul + (1 << shift) >= LIMIT:
            raise BoundError(
                f"values up to {xs[0].magnitude} times {mul} do not fit 64 bits before a rescale"
            )
        low, high = ((edge * mul + half_of(shift)) >> shift for edge in (xs[0].lo, xs[0].hi))
        if lo is not None:
            low, high = max(low, lo), max(high, lo)
        if hi is not None:
            low, high = min(low, hi), min(high, hi)
        return low, high

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        mul, shift, lo, hi = (attrs[name] for name in self.attrs)
        y = xs[0].astype(np.int64)
        if mul != 1:
            y *= mul
        if shift:
            y += half_of(shift)
            y >>= shift
        if lo is not None or hi is not None:
            np.clip(y, lo, hi, out=y)
        return y


@register
class Table:
    name = "table"
    arity = 2
    attrs = ("lo",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        x, table = xs
        check(table.value is not None and len(table.shape) == 1, "a table is a constant with one axis")
        rows, lo = table.shape[0], attrs["lo"]
        check(rows <= MAX_TABLE_ROWS, f"a table of {rows} rows is over the limit of {MAX_TABLE_ROWS}")
        check(
            lo <= x.lo and x.hi < lo + rows,
            f"values in [{x.lo}, {x.hi}] may leave a table of [{lo}, {lo + rows})",
        )
        return x.shape

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        x, table = xs
        assert table.value is not None
        reached = table.value[x.lo - attrs["lo"] : x.hi - attrs["lo"] + 1]
        return int(reached.min()), int(reached.max())

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        x, table = xs
        out: IntArray = np.take(table[0], x.astype(np.int64) - attrs["lo"])
        return out


@register
class FloorDivide:
    name = "floor_divide"
    arity = 2
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        check(xs[1].lo >= 1, f"a divisor as small as {xs[1].lo} is not allowed: it must be at least 1")
        return broadcast_shapes(xs[0].shape, xs[1].shape)

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        x, d = xs
        corners = [edge // divisor for edge in (x.lo, x.hi) for divisor in (d.lo, d.hi)]
        return min(corners), max(corners)

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        a, d = operands(xs, shape, bound)
        return np.floor_divide(a, d)
