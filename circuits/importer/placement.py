"""Writing updates into a tensor at indices: what the Scatter family amounts to.

Along the middle axis of data [P, n, S], update k of updates [P, m, S] goes to cell index[p, k]; `reduction`
says what becomes of the cell's old value and of several updates for one cell:

    none: the last update     add, mul, max, min: the old value and all updates

Constant indices make this wiring: a cell with updates reads a row of candidates out of (data, updates).
Run-time indices are compared with every cell, so that the cost is P * n * m comparisons; an update outside
the axis goes nowhere.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import minimum, negative
from circuits.importer.axes import along, joined, reshaped
from circuits.importer.handlers import OnnxNode
from circuits.importer.indices import Indices, one_hot

REDUCTIONS = ("none", "add", "mul", "max", "min")
MAX_COMPARISONS = 1 << 24


def place_constant(b: GraphBuilder, data: Value, cells: Indices, updates: Value, reduction: str) -> Value:
    """data [n, S] with updates [m, S] at constant cells [m]."""
    candidates: dict[int, list[int]] = defaultdict(list)
    for k, cell in enumerate(cells.tolist()):
        candidates[cell].append(data.shape[0] + k)
    written = np.array(sorted(candidates))
    source = np.arange(data.shape[0])
    if reduction == "none" or not candidates:
        source[written.astype(np.int64)] = [candidates[cell][-1] for cell in written.tolist()]
        return b.add("gather", [joined(b, [data, updates], 0), b.constant(source)], axis=0)
    longest = max(map(len, candidates.values()))
    # Rows with fewer updates are filled with the neutral element; for max and min, with the old value.
    spare = data.shape[0] + updates.shape[0]
    rows = np.full((len(written), 1 + longest), spare)
    for row, cell in zip(rows, written.tolist(), strict=True):
        row[0] = cell
        row[1 : 1 + len(candidates[cell])] = candidates[cell]
        if reduction in ("max", "min"):
            row[1 + len(candidates[cell]) :] = cell
    parts = [data, updates]
    if rows.max() == spare:
        parts.append(b.constant(np.full((1, data.shape[1]), int(reduction == "mul"), dtype=np.int64)))
    table = b.add("concat", parts, kind=data.kind, axis=0)
    results = reduced(b, b.add("gather", [table, b.constant(rows)], axis=0), 1, reduction)
    source[written] = data.shape[0] + np.arange(len(written))
    return b.add("gather", [joined(b, [data, results], 0), b.constant(source)], axis=0)


def place(
    b: GraphBuilder, node: OnnxNode, data: Value, index: Value, updates: Value, reduction: str
) -> Value:
    """data [P, n, S] with updates [P, m, S] at run-time indices [P, m], counted from the front.

    Raises
    ------
    UnsupportedError
        If there are too many cells and updates to compare.
    """
    (blocks, cells, width), count = data.shape, updates.shape[1]
    if blocks * cells * count > MAX_COMPARISONS:
        raise node.fail(
            f"writing {count} updates at run-time indices into {cells} cells, {blocks} times, needs over "
            f"{MAX_COMPARISONS} comparisons: make its indices constant, or write less"
        )
    hit = one_hot(b, index, cells)  # [P, m, n]
    hit = b.add("transpose", [hit], perm=[0, 2, 1])
    if reduction == "none":
        return _last(b, hit, data, updates)
    if reduction == "add":
        return b.add("add", [data, b.add("matmul", [hit, updates], kind=data.kind)])
    chosen = reshaped(b, hit, [blocks, cells, count, 1])
    offered = reshaped(b, updates, [blocks, 1, count, width])
    old = reshaped(b, data, [blocks, cells, 1, width])
    if reduction == "mul":
        return b.add(
            "mul",
            [data, reduced(b, b.add("where", [chosen, offered, _one(b, data)]), 2, "mul")],
            kind=data.kind,
        )
    best = reduced(b, b.add("where", [chosen, offered, old]), 2, reduction)
    return b.add("max", [data, best]) if reduction == "max" else minimum(b, data, best)


def _last(b: GraphBuilder, hit: Value, data: Value, updates: Value) -> Value:
    """The last update that hits each cell of `hit` [P, n, m], or the old value."""
    blocks, cells, count = hit.shape
    touched = hit
    if count == 1:
        new = updates
    else:
        rank = b.add("mul", [hit, b.constant(np.arange(1, count + 1))], kind="int")
        latest = b.add("reduce_max", [rank], axes=[2])  # [P, n, 1]: 1 + the update's number, 0 for none
        touched = b.add("greater", [latest, b.constant(np.int64(0))])
        number = b.add("max", [b.add("sub", [latest, b.constant(np.int64(1))]), b.constant(np.int64(0))])
        flat = (
            b.add("add", [number, b.constant(np.arange(blocks).reshape(-1, 1, 1) * count)])
            if blocks > 1
            else number
        )
        table = reshaped(b, updates, [blocks * count, updates.shape[2]])
        new = b.add("gather", [table, reshaped(b, flat, [blocks, cells])], axis=0)
    return b.add("where", [touched, new, data], kind=data.kind)


def reduced(b: GraphBuilder, x: Value, axis: int, reduction: str) -> Value:
    """x without an axis, its cells added, multiplied, or their largest or smallest taken."""
    shape = [n for k, n in enumerate(x.shape) if k != axis]
    if reduction == "mul":
        return reshaped(b, product(b, x, axis), shape)
    if reduction == "add":
        return reshaped(b, b.add("reduce_sum", [x], kind=x.kind, axes=[axis]), shape)
    if reduction == "max":
        return reshaped(b, b.add("reduce_max", [x], axes=[axis]), shape)
    return negative(b, reshaped(b, b.add("reduce_max", [negative(b, x)], axes=[axis]), shape))


def product(b: GraphBuilder, x: Value, axis: int) -> Value:
    """The product along an axis, which stays with size 1, as a balanced tree of products."""
    while x.shape[axis] > 1:
        half = x.shape[axis] // 2
        pairs = b.add("mul", [along(b, x, axis, range(half)), along(b, x, axis, range(half, 2 * half))])
        x = joined(b, [pairs, along(b, x, axis, range(2 * half, x.shape[axis]))], axis)
    return x


def _one(b: GraphBuilder, like: Value) -> Value:
    return b.constant(np.ones((), dtype=np.float32 if like.kind == "real" else np.int64))
