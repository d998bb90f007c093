"""How each operation of a circuit is made of exact primitives, one small function an operation.

A function takes the primitives, the operands and the node, and returns the value of the node. It raises
UnsupportedError where ezkl cannot prove the operation exactly. The exporter narrows the result's bound to the
circuit's own, which is never wider.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from circuits.circuit import Node
from circuits.errors import UnsupportedError
from circuits.ops.contraction import windows
from circuits.ops.narrowing import half_of
from circuits.tensor import Shape
from prover.ezkl.graph import Cells, Value
from prover.ezkl.primitives import Primitives

Lowering = Callable[[Primitives, list[Value], Node], Value]
LOWERINGS: dict[str, Lowering] = {}


def lowering(name: str) -> Callable[[Lowering], Lowering]:
    """Decorator that registers how the operation `name` is lowered."""

    def register(function: Lowering) -> Lowering:
        LOWERINGS[name] = function
        return function

    return register


# --- movement: NumPy on cell numbers ------------------------------------------------------------------------


def _moved(x: Value, cells: Cells) -> Value:
    return Value(np.ascontiguousarray(cells), x.lo, x.hi)


@lowering("reshape")
def reshape(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The same cells in another shape."""
    return _moved(xs[0], xs[0].cells.reshape(node.shape))


@lowering("transpose")
def transpose(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The axes permuted."""
    return _moved(xs[0], xs[0].cells.transpose(node.attrs["perm"]))


@lowering("slice")
def slice_(p: Primitives, xs: list[Value], node: Node) -> Value:
    """Cells at starts + steps * i along each axis."""
    cells = xs[0].cells
    attrs = node.attrs
    for axis, (start, step, size) in enumerate(
        zip(attrs["starts"], attrs["steps"], attrs["sizes"], strict=True)
    ):
        cells = np.take(cells, start + step * np.arange(size), axis=axis)
    return _moved(xs[0], cells)


@lowering("concat")
def concat(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The operands one after another along the axis."""
    cells = np.concatenate([x.cells for x in xs], axis=node.attrs["axis"])
    return Value(cells, min(x.lo for x in xs), max(x.hi for x in xs))


@lowering("pad")
def pad(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The cells with a constant around them."""
    widths = list(zip(node.attrs["before"], node.attrs["after"], strict=True))
    fill = p.graph.constant(node.attrs["value"]).cells
    cells = np.pad(xs[0].cells, widths, constant_values=int(fill))
    return Value(cells, node.lo, node.hi)


@lowering("broadcast")
def broadcast(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The cells repeated."""
    return _moved(xs[0], np.broadcast_to(xs[0].cells, node.shape))


@lowering("gather")
def gather(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A movement where the index is constant; else a lookup in the whole flat tensor."""
    x, index = xs
    axis = node.attrs["axis"]
    constant = p.graph.constant_of(index)
    if constant is not None:
        return _moved(x, np.take(x.cells, constant, axis=axis))
    before, size, behind = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    stride = int(np.prod(behind, dtype=np.int64))
    rows = np.arange(int(np.prod(before, dtype=np.int64))) * size * stride
    offsets = rows.reshape(*before, *(1 for _ in index.shape), *(1 for _ in behind))
    offsets = offsets + np.arange(stride).reshape(behind)
    linear = p.times(
        Value(index.cells.reshape(*index.shape, *(1 for _ in behind)), index.lo, index.hi), stride
    )
    linear = p.add(linear, p.graph.constant(offsets))
    return p.select(x, linear, (x.lo, x.hi))


# --- arithmetic ---------------------------------------------------------------------------------------------


@lowering("add")
def add(p: Primitives, xs: list[Value], node: Node) -> Value:
    """a + b."""
    return p.add(*xs)


@lowering("sub")
def sub(p: Primitives, xs: list[Value], node: Node) -> Value:
    """a - b."""
    return p.subtract(*xs)


@lowering("mul")
def mul(p: Primitives, xs: list[Value], node: Node) -> Value:
    """a * b."""
    return p.multiply(*xs)


@lowering("reduce_sum")
def reduce_sum(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The sum over some axes, which stay with size 1."""
    total = p.sum_over(_last_axis(xs[0], node), (node.lo, node.hi))
    return Value(total.cells.reshape(node.shape), node.lo, node.hi)


@lowering("matmul")
def matmul(p: Primitives, xs: list[Value], node: Node) -> Value:
    """Batched matrix product: one matrix where the second operand has no batch, a batched one else."""
    a, b = xs
    *batch, m, n = node.shape
    k = a.shape[-1]
    bound = node.lo, node.hi
    if np.prod(b.shape[:-2], dtype=np.int64) == 1:
        whole = Value(np.broadcast_to(a.cells, (*batch, m, k)).reshape(-1, k), a.lo, a.hi)
        product = p.matmul(whole, Value(b.cells.reshape(k, n), b.lo, b.hi), bound)
    else:
        left = Value(np.broadcast_to(a.cells, (*batch, m, k)).reshape(-1, m, k), a.lo, a.hi)
        right = Value(np.broadcast_to(b.cells, (*batch, k, n)).reshape(-1, k, n), b.lo, b.hi)
        product = p.matmul(left, right, bound)
    return Value(product.cells.reshape(node.shape), *bound)


@lowering("conv")
def conv(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A product of the matrix of all windows (a movement) with the weights; one matrix a group."""
    x, w = xs
    groups, kernel = node.attrs["groups"], w.shape[1:-1]
    zero = p.graph.constant(0).cells
    view = windows(x.cells, kernel, node.attrs, int(zero))
    spatial = len(kernel)
    # [N, *counts, C, *kernel] -> [groups, N * counts, kernel * C / groups]
    view = view.reshape(*view.shape[: 1 + spatial], groups, -1, *kernel)
    view = np.moveaxis(np.moveaxis(view, 1 + spatial, 0), 2 + spatial, -1)
    taps = int(np.prod(w.shape[1:], dtype=np.int64))
    matrix = Value(view.reshape(groups, -1, taps), min(x.lo, 0), max(x.hi, 0))
    weights = Value(w.cells.reshape(groups, -1, taps).transpose(0, 2, 1), w.lo, w.hi)
    if groups == 1:
        matrix, weights = (Value(v.cells[0], v.lo, v.hi) for v in (matrix, weights))
    product = p.matmul(matrix, weights, (node.lo, node.hi))
    cells = product.cells.reshape(groups, -1, w.shape[0] // groups).transpose(1, 0, 2)
    return Value(cells.reshape(node.shape), node.lo, node.hi)


# --- narrowing ----------------------------------------------------------------------------------------------


@lowering("rescale")
def rescale(p: Primitives, xs: list[Value], node: Node) -> Value:
    """clamp(floor((x * mul + half) / 2^shift), lo, hi)."""
    mul, shift, lo, hi = (node.attrs[name] for name in ("mul", "shift", "lo", "hi"))
    y = p.plus(p.times(xs[0], mul), half_of(shift))
    q = p.shift_right(y, shift)
    shown = shift == 0
    if lo is not None and q.lo < lo:
        q, shown = p.plus(p.relu(p.plus(q, -lo)), lo), True
    if hi is not None and q.hi > hi:
        below = p.relu(p.subtract(p.graph.constant(hi), q))
        q, shown = p.subtract(p.graph.constant(hi), below), True
    return q if shown else p.show_small(q)


@lowering("table")
def table(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A lookup in the rows that x can reach."""
    x, rows = xs
    low, high = x.lo - node.attrs["lo"], x.hi - node.attrs["lo"]
    reachable = Value(rows.cells[low : high + 1], rows.lo, rows.hi)
    return p.select(reachable, p.plus(x, -x.lo), (node.lo, node.hi))


@lowering("floor_divide")
def floor_divide(p: Primitives, xs: list[Value], node: Node) -> Value:
    """Long division in base 2: for each bit of q - lo from the top, subtract d * 2^bit where it fits."""
    x, d = xs
    x = Value(np.broadcast_to(x.cells, node.shape), x.lo, x.hi)
    d = Value(np.broadcast_to(d.cells, node.shape), d.lo, d.hi)
    bits = (node.hi - node.lo).bit_length()
    rest = p.subtract(x, p.times(d, node.lo)) if node.lo else x
    rest = Value(rest.cells, 0, max(0, rest.hi))
    q = p.graph.constant(np.full(node.shape, node.lo))
    for bit in reversed(range(bits)):
        part = p.times(d, 1 << bit)
        fits = p.greater(p.plus(rest, 1), part)
        taken = p.multiply(fits, part)
        # Below d * 2^bit remains, so the bound shrinks with each bit.
        rest = Value(p.subtract(rest, taken).cells, 0, min(rest.hi, (d.hi << bit) - 1))
        q = p.add(p.times(fits, 1 << bit), q)
    return Value(q.cells, node.lo, node.hi)


# --- maxima, comparison, order ------------------------------------------------------------------------------


@lowering("max")
def maximum(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The larger of a and b."""
    return p.maximum(*xs)


@lowering("reduce_max")
def reduce_max(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A tournament over some axes, which stay with size 1."""
    best = p.maximum_over(_last_axis(xs[0], node))
    return Value(best.cells.reshape(node.shape), best.lo, best.hi)


@lowering("max_pool")
def max_pool(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A tournament in each window. Padding is minus infinity: a cell of the same window takes its place."""
    x = xs[0]
    kernel: Shape = tuple(node.attrs["kernel"])
    view = windows(x.cells, kernel, node.attrs, -1)
    taps = np.ascontiguousarray(view).reshape(*view.shape[: view.ndim - len(kernel)], -1)
    first = np.take_along_axis(taps, np.argmax(taps >= 0, axis=-1)[..., None], axis=-1)
    best = p.maximum_over(Value(np.where(taps >= 0, taps, first), x.lo, x.hi))
    return Value(best.cells.reshape(node.shape), best.lo, best.hi)


@lowering("greater")
def greater(p: Primitives, xs: list[Value], node: Node) -> Value:
    """1 where a > b, else 0."""
    return p.greater(*xs)


@lowering("where")
def where(p: Primitives, xs: list[Value], node: Node) -> Value:
    """b + c * (a - b)."""
    return p.where(*xs)


@lowering("top_k")
def top_k(p: Primitives, xs: list[Value], node: Node) -> Value:
    """A tournament that carries the index for k = 1; for more, each cell's rank by comparing all pairs."""
    axis, k = node.attrs["axis"], node.attrs["k"]
    x = Value(np.moveaxis(xs[0].cells, axis, -1), xs[0].lo, xs[0].hi)
    indices = _first_of_all(p, x) if k == 1 else _by_rank(p, x, k)
    return Value(np.moveaxis(indices.cells, -1, axis), node.lo, node.hi)


def _first_of_all(p: Primitives, x: Value) -> Value:
    """The index of the largest cell along the last axis, which stays with size 1; the lowest of equals."""
    n = x.shape[-1]
    numbers = p.graph.constant(np.broadcast_to(np.arange(n), x.shape))
    cells, index = x.cells, numbers.cells
    while cells.shape[-1] > 1:
        # Neighbours meet, so the left one always has the lower index and wins a draw.
        pairs = cells.shape[-1] // 2 * 2
        left, right = (Value(cells[..., i:pairs:2], x.lo, x.hi) for i in (0, 1))
        left_index, right_index = (Value(index[..., i:pairs:2], 0, n - 1) for i in (0, 1))
        wins = p.greater(right, left)
        best, best_index = p.where(wins, right, left), p.where(wins, right_index, left_index)
        cells = np.concatenate([best.cells, cells[..., pairs:]], axis=-1)
        index = np.concatenate([best_index.cells, index[..., pairs:]], axis=-1)
    return Value(index, 0, n - 1)


def _by_rank(p: Primitives, x: Value, k: int) -> Value:
    """The indices of the k largest cells along the last axis, largest first, equal cells by rising index."""
    n = x.shape[-1]
    left, right = np.triu_indices(n, 1)
    # behind[i, j] for i < j: cell j comes before cell i.
    behind = p.greater(Value(x.cells[..., right], x.lo, x.hi), Value(x.cells[..., left], x.lo, x.hi))
    ahead = p.subtract(p.graph.constant(1), behind)
    ranks = []
    for i in range(n):
        beaten = np.concatenate([behind.cells[..., left == i], ahead.cells[..., right == i]], axis=-1)
        ranks.append(p.sum_over(Value(beaten, 0, 1), (0, n - 1)).cells)
    rank = Value(np.stack(ranks, axis=-1)[..., None, :], 0, n - 1)
    place = p.graph.constant(np.arange(k)[:, None])
    # [rank = place] = [rank > place - 1] - [rank > place], as [..., k, n]
    here = p.subtract(p.greater(rank, p.plus(place, -1)), p.greater(rank, place))
    weighted = p.multiply(Value(here.cells, 0, 1), p.graph.constant(np.arange(n)))
    return p.sum_over(weighted, (0, n - 1))


def _last_axis(x: Value, node: Node) -> Value:
    """The operand of a reduction with the reduced axes joined as its last."""
    axes = tuple(node.attrs["axes"])
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    cells = x.cells.transpose(*kept, *axes)
    return Value(cells.reshape(*(x.shape[axis] for axis in kept), -1), x.lo, x.hi)


def name_of(node: Node) -> str:
    """How a message names a node."""
    return f"{node.label or 'unnamed node'} ({node.op})"


def lower(p: Primitives, xs: list[Value], node: Node) -> Value:
    """The value of a node, with the circuit's bound.

    Raises
    ------
    UnsupportedError
        Naming the node, if ezkl cannot prove it exactly.
    """
    try:
        value = LOWERINGS[node.op](p, xs, node)
    except UnsupportedError as error:
        raise UnsupportedError(f"{name_of(node)}: {error}") from None
    return Value(value.cells.reshape(node.shape), max(value.lo, node.lo), min(value.hi, node.hi))
