"""One rule for each operation: its cells in terms of its inputs.

A rule returns an expression, where the operation is a movement, a sum or a product and need not be
materialised, or the definition of its cells. An input that the rule can only take as one stored tensor is
asked for by `single`; where it is none, the planner materialises it and asks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from circuits.cells.accesses import (
    Access,
    Affine,
    Fresh,
    Item,
    Tensor,
    Unrepresentable,
    remapped,
)
from circuits.cells.terms import Definition, Expression, Term, added, moved, scaled
from circuits.circuit import Node
from circuits.records import HIGHEST, LOWEST, Kind
from circuits.tensor import IntArray, Shape

MOST_DISTRIBUTED_TERMS = 16
Materialise = Callable[[Definition, int, int], Tensor]


@dataclass(frozen=True)
class Operand:
    """An input of an operation, not necessarily materialised."""

    expression: Expression
    shape: Shape
    lo: int
    hi: int
    value: IntArray | None

    @property
    def uniform(self) -> int | None:
        """The one value of a constant that has only one."""
        return self.lo if self.value is not None and self.lo == self.hi else None


Rule = Callable[[Sequence[Operand], Node, Materialise], Definition | Expression]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator that makes a function the rule of some operations."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def single(xs: Sequence[Operand], i: int) -> Term:
    """Input i as one element of one stored tensor."""
    expression = xs[i].expression
    if len(expression) != 1 or not expression[0].pure:
        raise Unrepresentable("an operand must be stored", i)
    return expression[0]


def blamed(i: int, movement: Callable[[Access], Access]) -> Callable[[Access], Access]:
    """The movement, which names input i where it fails."""

    def wrapped(access: Access) -> Access:
        try:
            return movement(access)
        except Unrepresentable as error:
            raise Unrepresentable(str(error), i) from None

    return wrapped


def broadcast(expression: Expression, old: Shape, new: Shape, i: int = 0) -> Expression:
    """The expression with NumPy's broadcasting from one shape to another."""
    if old == new:
        return expression
    own = (1,) * (len(new) - len(old)) + tuple(old)
    items: list[Item] = [axis if own[axis] == n else Fresh(n) for axis, n in enumerate(new)]
    return moved(expression, blamed(i, lambda access: remapped(access, own, items)))


def step_of(access: Access, shape: Shape, axis: int) -> int:
    """How far apart two neighbours along an axis lie."""
    if shape[axis] == 1:
        return 0
    probe = Fresh(shape[axis])
    alone = remapped(access, shape, [probe], affine={axis: Affine(0, ((probe, 1),))})
    return alone.outer[0].steps[0]


@rule("add", "sub")
def _add(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    a, b = (broadcast(x.expression, x.shape, node.shape, i) for i, x in enumerate(xs))
    sides = (a, scaled(b, -1 if node.op == "sub" else 1))
    return added(*(side for x, side in zip(xs, sides, strict=True) if x.uniform != 0))


@rule("mul")
def _mul(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    for this, other in ((0, 1), (1, 0)):
        factor = xs[this].uniform
        if factor is not None and abs(factor) < 1 << 31:
            x = xs[other]
            return scaled(broadcast(x.expression, x.shape, node.shape, other), factor)
    a, b = (broadcast(x.expression, x.shape, node.shape, i) for i, x in enumerate(xs))
    for i, side in enumerate((a, b)):
        if not all(term.pure for term in side):
            raise Unrepresentable("a factor must be stored", i)
    if len(a) > 1 and len(b) > 1:
        raise Unrepresentable("one of two factors must be stored", 0 if len(a) > len(b) else 1)
    if len(a) * len(b) > MOST_DISTRIBUTED_TERMS:
        raise Unrepresentable("a factor must be stored", 0 if len(a) > len(b) else 1)
    return added(*((_product(s, t),) for s in a for t in b))


def _product(s: Term, t: Term) -> Term:
    corners = [p * q for p in (s.lo, s.hi) for q in (t.lo, t.hi)]
    return Term(s.coefficient * t.coefficient, (*s.accesses, *t.accesses), min(corners), max(corners))


@rule("reduce_sum")
def _reduce_sum(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    expression = xs[0].expression
    if any(term.inner for term in expression):
        raise Unrepresentable("a sum of sums of products is taken in two steps", 0)
    reduced = _reduced(expression, xs[0].shape, node.attrs["axes"])
    count = math.prod(xs[0].shape[axis] for axis in node.attrs["axes"])
    terms = tuple(replace(t, lo=min(t.lo, 0) * count, hi=max(t.hi, 0) * count) for t in reduced)
    if any(t.lo <= LOWEST or t.hi >= HIGHEST for t in terms):
        raise Unrepresentable("a part of a sum may leave 64 bits", 0)
    return terms


def _reduced(expression: Expression, shape: Shape, axes: Sequence[int]) -> Expression:
    kept: list[Item] = [axis for axis in range(len(shape)) if axis not in axes]
    return moved(expression, lambda access: remapped(access, shape, kept, list(axes)))


def _contraction(xs: Sequence[Operand], a: Access, b: Access, node: Node) -> Expression:
    """The sum of products of the two inputs' moved accesses. Every partial sum, with its coefficient, lies
    within the node's bound, widened to hold 0."""
    coefficient = single(xs, 0).coefficient * single(xs, 1).coefficient
    accesses: tuple[Access, ...] = (a, b)
    weight = xs[1].uniform
    if weight is not None and abs(coefficient * weight) < 1 << 31:  # an average pool, for one
        coefficient, accesses = coefficient * weight, (a,)
    if coefficient == 0:
        return ()
    low, high = min(node.lo, 0), max(node.hi, 0)
    if coefficient < 0:
        low, high = -high, -low
    return (Term(coefficient, accesses, -(-low // abs(coefficient)), high // abs(coefficient)),)


@rule("matmul")
def _matmul(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    s, t = single(xs, 0), single(xs, 1)
    a_shape, b_shape = xs[0].shape, xs[1].shape
    rows, columns = Fresh(a_shape[-2]), Fresh(b_shape[-1])

    def batch(shape: Shape) -> tuple[Shape, list[Item]]:
        own = (1,) * (len(node.shape) - len(shape)) + tuple(shape)
        items: list[Item] = [axis if own[axis] == n else Fresh(n) for axis, n in enumerate(node.shape[:-2])]
        return own, items

    own, items = batch(a_shape)
    last = len(node.shape) - 1
    a = blamed(0, lambda access: remapped(access, own, [*items, last - 1, columns], [last]))(s.accesses[0])
    own, items = batch(b_shape)
    b = blamed(1, lambda access: remapped(access, own, [*items, rows, last], [last - 1]))(t.accesses[0])
    return _contraction(xs, a, b, node)


@rule("conv")
def _conv(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    s, t = single(xs, 0), single(xs, 1)
    x_shape, w_shape, groups = xs[0].shape, xs[1].shape, node.attrs["groups"]
    spatial = len(x_shape) - 2
    windows, kernel, affine = _windows(node, w_shape[1:-1])
    # x [N, *spatial, groups, C / groups] -> [N, *windows, groups, O / groups] over [*kernel, C / groups]
    split = (*x_shape[:-1], groups, x_shape[-1] // groups)
    outputs = Fresh(w_shape[0] // groups)
    guarded = list(range(1, spatial + 1))
    items: list[Item] = [0, *windows, spatial + 1, outputs]
    a = blamed(
        0,
        lambda access: remapped(access, split, items, [*kernel, spatial + 2], affine=affine, guarded=guarded),
    )(s.accesses[0])
    # w [groups, O / groups, *kernel, C / groups] -> the same
    split_w = (groups, w_shape[0] // groups, *w_shape[1:])
    over: list[Item] = list(range(2, spatial + 3))
    batch: list[Item] = [Fresh(x_shape[0]), *(Fresh(window.size) for window in windows), 0, 1]
    b = blamed(1, lambda access: remapped(access, split_w, batch, over))(t.accesses[0])
    return _contraction(xs, a, b, node)


def _windows(node: Node, kernel: Sequence[int]) -> tuple[list[Fresh], list[Fresh], dict[int, Affine]]:
    """Fresh axes for a window's place and for the cell within it, and each spatial axis' index by them."""
    places = [Fresh(n) for n in node.shape[1:-1]]
    cells = [Fresh(n) for n in kernel]
    attrs = (node.attrs[name] for name in ("strides", "dilations", "pads_before"))
    affine = {
        axis: Affine(-before, ((place, stride), (cell, dilation)))
        for axis, (place, cell, stride, dilation, before) in enumerate(
            zip(places, cells, *attrs, strict=True), start=1
        )
    }
    return places, cells, affine


@rule("rescale")
def _rescale(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    mul, shift, lo, hi = (node.attrs[name] for name in ("mul", "shift", "lo", "hi"))
    return Definition(
        Kind.SUM,
        xs[0].expression,
        mul=mul,
        lo=LOWEST if lo is None else lo,
        hi=HIGHEST if hi is None else hi,
        shift=shift,
    )


@rule("greater")
def _greater(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    a, b = (broadcast(x.expression, x.shape, node.shape, i) for i, x in enumerate(xs))
    return Definition(Kind.POSITIVE, added(a, scaled(b, -1)))


@rule("where")
def _where(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    terms = []
    for i, x in enumerate(xs):
        expression = broadcast(x.expression, x.shape, node.shape, i)
        if len(expression) != 1 or expression[0].inner:
            raise Unrepresentable("an operand must be stored", i)
        terms.append(expression[0])
    return Definition(Kind.SELECT, tuple(terms))


@rule("floor_divide")
def _floor_divide(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    single(xs, 1)
    x, d = (broadcast(operand.expression, operand.shape, node.shape, i) for i, operand in enumerate(xs))
    return Definition(Kind.DIVIDE, (*x, *d))


@rule("table")
def _table(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    x, table = xs
    (row,) = table.expression
    start = remapped(row.accesses[0], table.shape, [Fresh(n) for n in node.shape])
    step = step_of(row.accesses[0], table.shape, 0)
    return Definition(
        Kind.LOOKUP,
        (*x.expression, replace(row, accesses=(start,))),
        mul=table.shape[0],
        lo=node.attrs["lo"],
        hi=step,
    )


@rule("max")
def _max(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    for i in (0, 1):
        single(xs, i)
    terms = (broadcast(x.expression, x.shape, node.shape, i)[0] for i, x in enumerate(xs))
    return Definition(Kind.MAX, tuple(terms))


@rule("reduce_max")
def _reduce_max(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    term = single(xs, 0)
    return Definition(Kind.MAX, _reduced((term,), xs[0].shape, node.attrs["axes"]))


@rule("max_pool")
def _max_pool(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    term = single(xs, 0)
    shape = xs[0].shape
    windows, kernel, affine = _windows(node, node.attrs["kernel"])
    items: list[Item] = [0, *windows, len(shape) - 1]
    access = remapped(term.accesses[0], shape, items, kernel, affine=affine, guarded=list(affine), skip=True)
    return Definition(Kind.MAX, (replace(term, accesses=(access,)),))


@rule("top_k")
def _top_k(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition:
    term = single(xs, 0)
    axis, k, shape = node.attrs["axis"], node.attrs["k"], xs[0].shape
    items: list[Item] = [Fresh(k) if i == axis else i for i in range(len(shape))]
    access = remapped(term.accesses[0], shape, items, [axis])
    terms = (replace(term, accesses=(access,)),)
    return Definition(Kind.ORDER, terms, mul=math.prod(shape[axis + 1 :]), lo=0, hi=k)
