"""The rules of data movement: strides and guards, and nothing to compute but a gather's addresses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from circuits.cells.accesses import Affine, Fresh, Item, Unrepresentable, remapped, reshaped, sliced, whole
from circuits.cells.rules import Materialise, Operand, blamed, broadcast, rule, single, step_of
from circuits.cells.terms import Definition, Expression, Term, added, moved, plain_sum
from circuits.circuit import Node
from circuits.records import Kind
from circuits.tensor import IntArray, Shape, width_of

MOST_CONCAT_TERMS = 16


@rule("reshape")
def _reshape(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    return moved(xs[0].expression, lambda access: reshaped(access, node.shape))


@rule("transpose")
def _transpose(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    return moved(xs[0].expression, lambda access: remapped(access, xs[0].shape, list(node.attrs["perm"])))


@rule("slice")
def _slice(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    starts, steps, sizes = (node.attrs[name] for name in ("starts", "steps", "sizes"))
    return moved(xs[0].expression, lambda access: sliced(access, xs[0].shape, starts, steps, sizes))


@rule("broadcast")
def _broadcast(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    return broadcast(xs[0].expression, xs[0].shape, node.shape)


@rule("pad")
def _pad(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    value = node.attrs["value"]
    if value:
        term = single(xs, 0)
        if term.coefficient != 1:
            raise Unrepresentable("an operand padded with another value than 0 must be stored", 0)
    return _placed(xs[0], 0, node.attrs["before"], node.shape, value)


@rule("concat")
def _concat(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Expression:
    """A sum of guarded terms; too many inputs are first concatenated, and stored, in groups."""
    axis = node.attrs["axis"]
    terms = _joined(xs, axis)
    while len(terms) > MOST_CONCAT_TERMS:
        for i, x in enumerate(xs):
            if len(x.expression) > MOST_CONCAT_TERMS:
                raise Unrepresentable("an operand of a concatenation has too many terms", i)
        groups: list[list[Operand]] = [[]]
        for x in xs:
            if sum(len(y.expression) for y in (*groups[-1], x)) > MOST_CONCAT_TERMS:
                groups.append([])
            groups[-1].append(x)
        xs = [_stored(group, axis, materialise) for group in groups]
        terms = _joined(xs, axis)
    return terms


def _joined(xs: Sequence[Operand], axis: int) -> Expression:
    shape = _joined_shape(xs, axis)
    parts, start = [], 0
    for i, x in enumerate(xs):
        parts.append(_placed(x, i, [start if k == axis else 0 for k in range(len(shape))], shape, 0))
        start += x.shape[axis]
    return added(*parts)


def _joined_shape(xs: Sequence[Operand], axis: int) -> Shape:
    return (*xs[0].shape[:axis], sum(x.shape[axis] for x in xs), *xs[0].shape[axis + 1 :])


def _stored(xs: Sequence[Operand], axis: int, materialise: Materialise) -> Operand:
    """A concatenation of some of the inputs, materialised."""
    if len(xs) == 1 and len(xs[0].expression) == 1:
        return xs[0]
    shape, lo, hi = _joined_shape(xs, axis), min(x.lo for x in xs), max(x.hi for x in xs)
    tensor = materialise(plain_sum(_joined(xs, axis)), math.prod(shape), width_of(lo, hi))
    return Operand((Term(1, (whole(tensor),), lo, hi),), shape, lo, hi, None)


def _placed(x: Operand, i: int, before: Sequence[int], shape: Shape, value: int) -> Expression:
    """The operand inside a larger tensor that holds `value` elsewhere."""
    if any(term.inner for term in x.expression):
        raise Unrepresentable("a padded operand must be stored", i)
    items: list[Item] = []
    affine: dict[int, Affine] = {}
    for axis, (start, n, size) in enumerate(zip(before, x.shape, shape, strict=True)):
        if n == size:
            items.append(axis)
        else:
            fresh = Fresh(size)
            items.append(fresh)
            affine[axis] = Affine(-start, ((fresh, 1),))
    terms = moved(
        x.expression,
        blamed(i, lambda a: remapped(a, x.shape, items, affine=affine, guarded=list(affine), fill=value)),
    )
    return tuple(replace(term, lo=min(term.lo, value), hi=max(term.hi, value)) for term in terms)


@rule("gather")
def _gather(xs: Sequence[Operand], node: Node, materialise: Materialise) -> Definition | Expression:
    x, index = xs
    axis = node.attrs["axis"]
    if index.value is not None:
        line = _line(index.value)
        if line is not None:
            start, step = line
            return _gather_line(x, index, axis, start, step)
    data = single(xs, 0)
    if data.coefficient != 1 or data.accesses[0].limits:
        raise Unrepresentable("the data of a gather must be stored", 0)
    items: list[Item] = [*range(axis), *map(Fresh, index.shape), *range(axis + 1, len(x.shape))]
    row = remapped(data.accesses[0], x.shape, items)
    step = step_of(data.accesses[0], x.shape, axis)
    own: list[Item] = [
        *map(Fresh, x.shape[:axis]),
        *range(len(index.shape)),
        *map(Fresh, x.shape[axis + 1 :]),
    ]
    positions = moved(index.expression, blamed(1, lambda access: remapped(access, index.shape, own)))
    terms = (*positions, replace(data, accesses=(row,)))
    return Definition(Kind.LOOKUP, terms, mul=x.shape[axis], lo=0, hi=step)


def _line(values: IntArray) -> tuple[int, int] | None:
    """Start and step of an arithmetic progression; None if the values are none."""
    flat = values.ravel().astype(np.int64)
    step = int(flat[1] - flat[0]) if flat.size > 1 else 0
    return (int(flat[0]), step) if np.array_equal(flat, flat[0] + step * np.arange(flat.size)) else None


def _gather_line(x: Operand, index: Operand, axis: int, start: int, step: int) -> Expression:
    """A gather whose fixed indices are evenly spaced is a slice, or a repetition."""
    count = math.prod(index.shape)
    fresh = Fresh(count)
    items: list[Item] = [fresh if k == axis else k for k in range(len(x.shape))]
    form = Affine(start, ((fresh, step),)) if step else Affine(start)
    return moved(
        x.expression, blamed(0, lambda access: remapped(access, x.shape, items, affine={axis: form}))
    )
