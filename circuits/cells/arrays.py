"""Recomputes whole tensors from their records, vectorised: the tensors that no node of the circuit yields,
for the trace.

The same meaning as `circuits.recompute`, cell for cell. Operands are NumPy views over the packed bytes; sums
of products run in float64 BLAS where that is exact. Output cells are taken in blocks, so that temporaries
stay small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from circuits.merkle import LEAF_BYTES
from circuits.records import OUTPUT_AXES, REDUCTION_AXES, Kind, Record, Region, View

Memory = Mapping[Region, NDArray[np.uint8]]
"""The packed bytes of trace, inputs and weights."""
Array = NDArray[Any]

BLOCK_ELEMENTS = 1 << 23
EXACT_FLOAT = 1 << 53
AXES = OUTPUT_AXES + REDUCTION_AXES
OUTPUT = tuple(range(OUTPUT_AXES))
REDUCTION = tuple(range(OUTPUT_AXES, AXES))
LEAST = -(1 << 63)
"""Stands for a cell that is left out: no maximum or order prefers it."""


def recompute_tensor(record: Record, memory: Memory) -> NDArray[np.int64]:
    """All cells of the record's tensor, row-major, int64 [cells].

    The operands must be those of an honest run: indices inside their tables, divisors positive.
    """
    cells = np.empty(record.dims, np.int64)
    for starts, sizes in _blocks(record, (0,) * OUTPUT_AXES, record.dims):
        block = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        values = _block(_at(record, starts, sizes), starts, record.dims, memory)
        cells[block] = values.reshape(values.shape[:OUTPUT_AXES])
    return cells.reshape(-1)


def _blocks(
    record: Record, starts: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Halve the widest output axis until the operands of a block fit."""
    work = max([math.prod(sizes), *(_operand_size(view, sizes) for view in record.views)])
    widest = max(range(OUTPUT_AXES), key=lambda axis: sizes[axis])
    if work <= BLOCK_ELEMENTS or sizes[widest] == 1:
        yield starts, sizes
        return
    half = sizes[widest] // 2
    for offset, size in ((0, half), (half, sizes[widest] - half)):
        inner_starts = (*starts[:widest], starts[widest] + offset, *starts[widest + 1 :])
        yield from _blocks(record, inner_starts, (*sizes[:widest], size, *sizes[widest + 1 :]))


def _operand_size(view: View, sizes: tuple[int, ...]) -> int:
    shape = (*sizes, *view.reduction_dims)
    return math.prod(n for axis, n in enumerate(shape) if _active(view, axis))


def _active(view: View, axis: int) -> bool:
    """Whether the operand depends on an axis."""
    step = (*view.strides, *view.reduction_strides)[axis]
    guards = any((g.axis_a == axis and g.coef_a) or (g.axis_b == axis and g.coef_b) for g in view.guards)
    return bool(step or guards)


def _at(record: Record, starts: tuple[int, ...], sizes: tuple[int, ...]) -> Record:
    """The record of a block of the output: its views begin where the block does."""
    views = []
    for view in record.views:
        index = (*starts, 0, 0, 0, 0)
        guards = (
            replace(g, base=g.base + g.coef_a * index[g.axis_a] + g.coef_b * index[g.axis_b])
            for g in view.guards
        )
        base = view.base + sum(step * start for step, start in zip(view.strides, starts, strict=True))
        views.append(replace(view, base=base, guards=tuple(guards)))
    return replace(record, dims=sizes, views=tuple(views))


def _block(record: Record, starts: tuple[int, ...], dims: tuple[int, ...], memory: Memory) -> Array:
    """The cells of a block, with all twelve axes, the reduction's of size 1."""
    shape = (*record.dims, *(1,) * REDUCTION_AXES)
    terms = record.terms
    if record.kind is Kind.SUM:
        total = _total(terms, record, memory)
        half = 1 << (record.shift - 1) if record.shift else 0
        if record.mul != 1 or record.shift:
            total = (total * record.mul + half) >> record.shift
        out = np.clip(total, record.lo, record.hi)
    elif record.kind is Kind.POSITIVE:
        out = (_total(terms, record, memory) > 0).astype(np.int64)
    elif record.kind is Kind.DIVIDE:
        out = _total(terms[:-1], record, memory) // _total(terms[-1:], record, memory)
    elif record.kind is Kind.LOOKUP:
        rows = _total(terms[:-1], record, memory) - record.lo
        (data,) = terms[-1]
        positions = (
            _positions(data.base, (*data.strides, *data.reduction_strides), record.dims, data)
            + rows * record.hi
        )
        out = _stored(data, memory)[positions].astype(np.int64)
    elif record.kind is Kind.SELECT:
        condition, chosen, other = (_total((term,), record, memory) for term in terms)
        out = np.where(condition == 1, chosen, other)
    elif record.kind is Kind.MAX:
        out = np.array(-(1 << (8 * record.width - 1)), np.int64)
        for term in terms:
            largest = _values(term[0], record.dims, memory, scaled=True).max(axis=REDUCTION, keepdims=True)
            out = np.maximum(out, largest)
    else:
        out = _ordered(record, starts, dims, memory)
    return np.broadcast_to(out, shape)


def _ordered(record: Record, starts: tuple[int, ...], dims: tuple[int, ...], memory: Memory) -> Array:
    """The index of the j-th largest along the reduction axes; j follows from the cell's place in the whole
    tensor."""
    ((view,),) = record.terms
    values = _values(view, record.dims, memory, scaled=True)
    full = (*record.dims, *view.reduction_dims)
    values = np.broadcast_to(values, full).reshape(*record.dims, -1)
    if record.hi == 1:
        found = values.argmax(axis=-1)
    else:
        # ~v falls as v rises, and unlike -v it cannot overflow
        order = np.argsort(~values, axis=-1, kind="stable")
        cell = np.zeros((), np.int64)
        for axis, (start, size) in enumerate(zip(starts, record.dims, strict=True)):
            cell = cell * dims[axis] + _along(np.arange(start, start + size), axis)
        place = np.broadcast_to(cell.reshape(cell.shape[:OUTPUT_AXES]) // record.mul % record.hi, record.dims)
        found = np.take_along_axis(order, place[..., None], axis=-1)[..., 0]
    shaped: Array = found.reshape(*record.dims, *(1,) * REDUCTION_AXES)
    return shaped


def _total(terms: Sequence[tuple[View, ...]], record: Record, memory: Memory) -> Array:
    total: Array = np.zeros((1,) * AXES, np.int64)
    for term in terms:
        arrays = [_values(view, record.dims, memory) for view in term]
        sizes = (1,) * OUTPUT_AXES + term[0].reduction_dims
        # a sum over an axis on which no factor depends is a multiplication
        repeats = math.prod(
            n for axis, n in enumerate(sizes) if all(array.shape[axis] == 1 for array in arrays)
        )
        summed = arrays[0].sum(axis=REDUCTION, keepdims=True) if len(arrays) == 1 else _contracted(*arrays)
        total = total + summed * (term[0].coefficient * repeats)
    return total


def _contracted(a: Array, b: Array) -> Array:
    """The sum over the reduction axes of a * b, both with all twelve axes, as one batched matrix product."""
    a, b = (
        x.sum(axis=tuple(axis for axis in REDUCTION if y.shape[axis] == 1), keepdims=True)
        for x, y in ((a, b), (b, a))
    )
    common = [axis for axis in OUTPUT if a.shape[axis] > 1 and b.shape[axis] > 1]
    rows = [axis for axis in OUTPUT if a.shape[axis] > 1 and b.shape[axis] == 1]
    columns = [axis for axis in OUTPUT if b.shape[axis] > 1 and a.shape[axis] == 1]
    idle = [axis for axis in OUTPUT if a.shape[axis] == b.shape[axis] == 1]
    shape = [x.shape[axis] for x, axes in ((a, common), (a, rows), (b, columns)) for axis in axes]
    batch = math.prod(a.shape[axis] for axis in common)
    depth = math.prod(a.shape[axis] for axis in REDUCTION)
    left = a.transpose(*common, *rows, *idle, *columns, *REDUCTION).reshape(batch, -1, depth)
    right = b.transpose(*common, *columns, *idle, *rows, *REDUCTION).reshape(batch, -1, depth)
    exact = depth * _magnitude(left) * _magnitude(right) < EXACT_FLOAT
    kind = np.float64 if exact else np.int64
    product = left.astype(kind) @ right.astype(kind).transpose(0, 2, 1)
    order = [*common, *rows, *columns, *idle, *REDUCTION]
    full: Array = product.astype(np.int64).reshape(*shape, *(1,) * (len(idle) + REDUCTION_AXES))
    return full.transpose(np.argsort(order))


def _magnitude(values: Array) -> int:
    return max(abs(int(values.min())), abs(int(values.max())))


def _values(view: View, dims: Sequence[int], memory: Memory, scaled: bool = False) -> Array:
    """The operand for a block, int64 with twelve axes, of size 1 where the operand does not depend on the
    axis.

    `scaled`: times the coefficient, and with LEAST where the operand is left out.
    """
    stored = _stored(view, memory)
    sizes = (*dims, *view.reduction_dims)
    steps = (*view.strides, *view.reduction_strides)
    if not view.guards:
        shape = tuple(n if step else 1 for n, step in zip(sizes, steps, strict=True))
        edges = [step * (n - 1) for n, step in zip(shape, steps, strict=True)]
        low, high = (view.base + sum(pick(edge, 0) for edge in edges) for pick in (min, max))
        assert 0 <= low and high < len(stored), "a view leaves its tree"
        window = as_strided(
            stored[view.base :], shape, [step * view.width for step in steps], writeable=False
        )
        return window.astype(np.int64) * (view.coefficient if scaled else 1)
    inside: Array = np.ones((1,) * AXES, bool)
    for g in view.guards:
        coordinate = _along(np.arange(sizes[g.axis_a]) * g.coef_a, g.axis_a, bool(g.coef_a)) + g.base
        if g.coef_b:
            coordinate = coordinate + _along(np.arange(sizes[g.axis_b]) * g.coef_b, g.axis_b)
        inside = inside & (coordinate >= 0) & (coordinate < g.limit)
    positions = np.where(inside, _positions(view.base, steps, dims, view), 0)
    values = np.where(inside, stored[positions], np.int64(view.fill))
    if scaled:
        values = values * view.coefficient
        if view.skip:
            values = np.where(inside, values, LEAST)
    elif view.skip:
        values = np.where(inside, values, 0)
    return values


def _positions(base: int, steps: Sequence[int], dims: Sequence[int], view: View) -> Array:
    positions: Array = np.full((1,) * AXES, base, np.int64)
    for axis, (n, step) in enumerate(zip((*dims, *view.reduction_dims), steps, strict=True)):
        if step:
            positions = positions + _along(np.arange(n) * step, axis)
    return positions


def _along(values: Array, axis: int, used: bool = True) -> Array:
    """Values along one of the twelve axes."""
    shape = [1] * AXES
    if used:
        shape[axis] = len(values)
    return (values if used else values[:1] * 0).reshape(shape)


def _stored(view: View, memory: Memory) -> Array:
    """The tree's elements from the view's first leaf on."""
    packed = memory[view.region][view.first * LEAF_BYTES :]
    return packed.view(f">i{view.width}")
