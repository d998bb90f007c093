"""Each operation of a circuit in plain Python integers, cell by cell, straight from its formula. Slow on
purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Cells = Any  # an object array of Python integers
Reference = Callable[[Sequence[Cells], Mapping[str, Any], tuple[int, ...]], Cells]


def _cells(shape: tuple[int, ...], cell: Callable[[tuple[int, ...]], int]) -> Cells:
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        out[index] = cell(index)
    return out


def _pick(x: Cells, index: tuple[int, ...]) -> int:
    """x at an index of a shape it broadcasts to."""
    own = index[len(index) - x.ndim :]
    return int(x[tuple(0 if n == 1 else i for i, n in zip(own, x.shape, strict=True))])


def _elementwise(f: Callable[..., int]) -> Reference:
    return lambda xs, attrs, shape: _cells(shape, lambda i: f(*(_pick(x, i) for x in xs)))


def _reshape(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    flat = [int(xs[0][i]) for i in np.ndindex(*xs[0].shape)]
    return _cells(
        shape, lambda i: flat[sum(k * int(np.prod(shape[a + 1 :], dtype=int)) for a, k in enumerate(i))]
    )


def _transpose(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    def cell(i: tuple[int, ...]) -> int:
        j = [0] * len(i)
        for k, p in enumerate(attrs["perm"]):
            j[p] = i[k]
        return int(xs[0][tuple(j)])

    return _cells(shape, cell)


def _slice(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    return _cells(
        shape,
        lambda i: int(
            xs[0][tuple(s + t * k for s, t, k in zip(attrs["starts"], attrs["steps"], i, strict=True))]
        ),
    )


def _concat(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    axis = attrs["axis"]

    def cell(i: tuple[int, ...]) -> int:
        at = i[axis]
        for x in xs:
            if at < x.shape[axis]:
                return int(x[(*i[:axis], at, *i[axis + 1 :])])
            at -= x.shape[axis]
        raise AssertionError("outside")

    return _cells(shape, cell)


def _pad(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    def cell(i: tuple[int, ...]) -> int:
        j = tuple(k - b for k, b in zip(i, attrs["before"], strict=True))
        inside = all(0 <= k < n for k, n in zip(j, xs[0].shape, strict=True))
        return int(xs[0][j]) if inside else attrs["value"]

    return _cells(shape, cell)


def _gather(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    x, index = xs
    axis = attrs["axis"]

    def cell(i: tuple[int, ...]) -> int:
        q = i[axis : axis + index.ndim]
        return int(x[(*i[:axis], int(index[q]), *i[axis + index.ndim :])])

    return _cells(shape, cell)


def _matmul(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    a, b = xs

    def cell(i: tuple[int, ...]) -> int:
        batch, row, column = i[:-2], i[-2], i[-1]
        return sum(_pick(a, (*batch, row, k)) * _pick(b, (*batch, k, column)) for k in range(a.shape[-1]))

    return _cells(shape, cell)


def _reduced(fold: Callable[[list[int]], int]) -> Reference:
    def run(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
        x, axes = xs[0], attrs["axes"]

        def cell(i: tuple[int, ...]) -> int:
            ranges = [range(x.shape[a]) if a in axes else [k] for a, k in enumerate(i)]
            return fold([int(x[j]) for j in itertools.product(*ranges)])

        return _cells(shape, cell)

    return run


def _window(attrs: Mapping[str, Any], p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    rows = zip(p, q, attrs["strides"], attrs["dilations"], attrs["pads_before"], strict=True)
    return tuple(a * s + b * d - before for a, b, s, d, before in rows)


def _conv(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    x, w = xs
    per_group = w.shape[0] // attrs["groups"]

    def cell(i: tuple[int, ...]) -> int:
        n, p, o = i[0], i[1:-1], i[-1]
        total = 0
        for q in np.ndindex(*w.shape[1:-1]):
            at = _window(attrs, p, q)
            if all(0 <= k < m for k, m in zip(at, x.shape[1:-1], strict=True)):
                for c in range(w.shape[-1]):
                    total += int(x[(n, *at, (o // per_group) * w.shape[-1] + c)]) * int(w[(o, *q, c)])
        return total

    return _cells(shape, cell)


def _max_pool(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    x = xs[0]

    def cell(i: tuple[int, ...]) -> int:
        n, p, c = i[0], i[1:-1], i[-1]
        places = (_window(attrs, p, q) for q in itertools.product(*map(range, attrs["kernel"])))
        return max(
            int(x[(n, *at, c)])
            for at in places
            if all(0 <= k < m for k, m in zip(at, x.shape[1:-1], strict=True))
        )

    return _cells(shape, cell)


def _rescale(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    mul, shift, lo, hi = (attrs[k] for k in ("mul", "shift", "lo", "hi"))
    half = 2 ** (shift - 1) if shift else 0

    def cell(i: tuple[int, ...]) -> int:
        y = (int(xs[0][i]) * mul + half) // 2**shift
        y = y if lo is None else max(y, lo)
        return y if hi is None else min(y, hi)

    return _cells(shape, cell)


def _top_k(xs: Sequence[Cells], attrs: Mapping[str, Any], shape: tuple[int, ...]) -> Cells:
    x, axis = xs[0], attrs["axis"]

    def cell(i: tuple[int, ...]) -> int:
        line = [(-int(x[(*i[:axis], k, *i[axis + 1 :])]), k) for k in range(x.shape[axis])]
        return sorted(line)[i[axis]][1]

    return _cells(shape, cell)


REFERENCES: dict[str, Reference] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "concat": _concat,
    "pad": _pad,
    "broadcast": lambda xs, attrs, shape: _cells(shape, lambda i: _pick(xs[0], i)),
    "gather": _gather,
    "add": _elementwise(lambda a, b: a + b),
    "sub": _elementwise(lambda a, b: a - b),
    "mul": _elementwise(lambda a, b: a * b),
    "matmul": _matmul,
    "conv": _conv,
    "reduce_sum": _reduced(sum),
    "reduce_max": _reduced(max),
    "max": _elementwise(max),
    "max_pool": _max_pool,
    "rescale": _rescale,
    "table": lambda xs, attrs, shape: _cells(shape, lambda i: int(xs[1][int(xs[0][i]) - attrs["lo"]])),
    "floor_divide": _elementwise(lambda x, d: x // d),
    "greater": _elementwise(lambda a, b: int(a > b)),
    "where": _elementwise(lambda c, a, b: a if c == 1 else b),
    "top_k": _top_k,
}
