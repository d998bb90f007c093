"""Where values enter a circuit: `input` (public or committed, within a declared bound) and `constant`
(weights, tables)."""

from __future__ import annotations

from collections.abc import Sequence

from circuits.ops.base import Attrs, register
from circuits.tensor import Bound, IntArray, Operand, Shape


class _Source:
    arity = 0
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        raise AssertionError("a source states its own shape")

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        raise AssertionError("a source states its own bound")

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        raise AssertionError("a source is given, not executed")


@register
class Input(_Source):
    """A tensor given by the caller; the executor refuses values outside its bound."""

    name = "input"


@register
class Constant(_Source):
    """A tensor fixed when the circuit was compiled; its bound is the exact range of its values."""

    name = "constant"
