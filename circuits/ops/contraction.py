"""Sums of products: matrix product and convolution. Exact; the bound is the L1 norm of the weights' rows
times the input's.

    matmul(a, b)[..., i, j] = sum_k a[..., i, k] * b[..., k, j]           batch axes broadcast as NumPy's do
    conv(x, w)[n, p, o]     = sum_{q, c} x[n, p*stride + q*dilation - pad_before, g*C' + c] * w[o, q, c]

with p and q running over one or more spatial axes, x [N, *spatial, C] (channels last), w [O, *kernel, C'],
C' = C / groups, g = o // (O / groups), and cells outside x counting as 0.

Exactness. Each bound is widened to hold 0, so every partial sum, in whatever order a BLAS takes them, is an
integer inside the output's bound: float32 is exact below 2^24, float64 below 2^53, int64 below 2^63. A prover
shows one sumcheck over the contracted axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from circuits.errors import BoundError
from circuits.ops.base import Attrs, broadcast_shapes, check, register
from circuits.tensor import LIMIT, Bound, IntArray, Operand, Shape

Array = Any
PATCH_BYTES = 1 << 25
"""Convolution windows are laid out this many bytes at a time: enough for BLAS, little enough for the
cache."""


def product_bound(x: Operand, w: Operand, terms: int, axes: tuple[int, ...]) -> Bound:
    """The bound of sums of `terms` products of a cell of x and a cell of w, with w's contracted axes where w
    is constant."""
    lo, hi = x.zero_hull
    if w.value is None:
        wlo, whi = w.zero_hull
        corners = [lo * wlo, lo * whi, hi * wlo, hi * whi]
        return terms * min(corners), terms * max(corners)
    if w.magnitude * math.prod(w.value.shape[axis] for axis in axes) >= LIMIT:
        raise BoundError(f"weights up to {w.magnitude} have row sums beyond 64 bits: compile with fewer bits")
    total = w.value.sum(axis=axes, dtype=np.int64)
    size = np.abs(w.value, dtype=np.int64).sum(axis=axes)
    positive, negative = (size + total) // 2, (size - total) // 2
    # exact integers of at most 63 bits each: the few distinct extremes are combined in Python integers
    highs = [int(p) * hi - int(n) * lo for p, n in _extremes(positive, negative, hi, -lo)]
    lows = [int(p) * lo - int(n) * hi for p, n in _extremes(positive, negative, -lo, hi)]
    return min(lows), max(highs)


def _extremes(p: IntArray, n: IntArray, a: int, b: int) -> list[tuple[int, int]]:
    """The pair (p_i, n_i) with the largest a*p_i + b*n_i, for a, b >= 0; decided in exact integers."""
    p, n = p.ravel(), n.ravel()
    if (a + b) * int(max(p.max(), n.max())) < LIMIT:
        best = int(np.argmax(p * a + n * b))
        return [(int(p[best]), int(n[best]))]
    pairs = zip(p.tolist(), n.tolist(), strict=True)
    return [max(pairs, key=lambda pair: pair[0] * a + pair[1] * b)]


def exact_type(bound: Bound) -> np.dtype[Any]:
    """The fastest arithmetic in which sums inside the bound are exact."""
    magnitude = max(abs(bound[0]), abs(bound[1]))
    if magnitude < 1 << 24:
        return np.dtype(np.float32)
    return np.dtype(np.float64 if magnitude < 1 << 53 else np.int64)


MAX_PADDED = 1 << 28
"""The most cells of a channel with its padding, which the executor writes out."""
MAX_WINDOW = 1 << 20
"""The most cells along an axis by which a window may reach, stride or be padded."""


@register
class MatMul:
    name = "matmul"
    arity = 2
    attrs: tuple[str, ...] = ()

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        a, b = xs[0].shape, xs[1].shape
        check(
            len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], f"cannot multiply matrices of shapes {a} and {b}"
        )
        return (*broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        a, b = xs
        terms = a.shape[-1]
        if a.value is not None and b.value is None:
            return product_bound(b, a, terms, (a.value.ndim - 1,))
        return product_bound(a, b, terms, (len(b.shape) - 2,))

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        dtype = exact_type(bound)
        a, b = (x.astype(dtype, copy=False) for x in xs)
        out: IntArray = matmul(a, b, len(shape)).astype(np.int64, copy=False)
        return out


def matmul(a: Array, b: Array, rank: int) -> Array:
    """Batched matrix product; each array has one batch axis in front; integers or floats."""
    a = a.reshape(a.shape[:1] + (1,) * (rank + 1 - a.ndim) + a.shape[1:])
    b = b.reshape(b.shape[:1] + (1,) * (rank + 1 - b.ndim) + b.shape[1:])
    if math.prod(b.shape[:-2]) == 1:  # one matrix for the whole batch: a single large product
        return (a.reshape(-1, a.shape[-1]) @ b.reshape(b.shape[-2:])).reshape(*a.shape[:-1], b.shape[-1])
    return a @ b


@register
class Conv:
    name = "conv"
    arity = 2
    attrs = ("strides", "pads_before", "pads_after", "dilations", "groups")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        x, w = xs[0].shape, xs[1].shape
        spatial = len(x) - 2
        check(
            spatial >= 1 and len(w) == len(x),
            f"a convolution of {x} with {w}: ranks differ, or no spatial axis",
        )
        per_axis = all(
            len(attrs[name]) == spatial for name in ("strides", "pads_before", "pads_after", "dilations")
        )
        check(per_axis, f"a convolution over {spatial} axes needs as many strides, pads and dilations")
        groups = attrs["groups"]
        fits = groups >= 1 and w[-1] * groups == x[-1] and w[0] % groups == 0
        check(fits, f"{groups} groups do not fit {x[-1]} channels and weights {w}")
        return (x[0], *window_counts(x[1:-1], w[1:-1], attrs), w[0])

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        w = xs[1]
        return product_bound(xs[0], w, math.prod(w.shape[1:]), tuple(range(1, len(w.shape))))

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        dtype = exact_type(bound)
        x, w = (x.astype(dtype, copy=False) for x in xs)
        out: IntArray = conv(x, w, attrs).astype(np.int64, copy=False)
        return out


def window_counts(spatial: Shape, kernel: Shape, attrs: Attrs) -> Shape:
    """How many windows fit along each spatial axis; raises CircuitError where none does."""
    counts = []
    names = ("strides", "pads_before", "pads_after", "dilations")
    rows = list(zip(spatial, kernel, *(attrs[name] for name in names), strict=True))
    for n, k, stride, before, after, dilation in rows:
        check(
            min(stride, dilation, k) >= 1 and min(before, after) >= 0,
            "strides, dilations and pads out of range",
        )
        check(
            max(k, stride, before, after, dilation) <= MAX_WINDOW, f"a window reaches over {MAX_WINDOW} cells"
        )
        count = (n + before + after - (dilation * (k - 1) + 1)) // stride + 1
        check(count >= 1, f"a window of {k} cells does not fit an axis of {n}")
        counts.append(count)
    padded = math.prod(n + before + after for n, _, _, before, after, _ in rows)
    check(padded <= MAX_PADDED, f"padded, an image has over {MAX_PADDED} cells")
    return tuple(counts)


def windows(x: Array, kernel: Shape, attrs: Attrs, fill: int | float) -> Array:
    """Every window of x [N, *spatial, C] as a view [N, *counts, C, *kernel]; x is padded with `fill`
    first."""
    pads = [(0, 0), *zip(attrs["pads_before"], attrs["pads_after"], strict=True), (0, 0)]
    if any(width != (0, 0) for width in pads):
        x = np.pad(x, pads, constant_values=fill)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, attrs["dilations"], strict=True))
    axes = tuple(range(1, x.ndim - 1))
    view = sliding_window_view(x, spans, axis=axes)
    steps = [slice(None, None, s) for s in attrs["strides"]]
    taps = [slice(None, None, d) for d in attrs["dilations"]]
    return view[(slice(None), *steps, slice(None), *taps)]


def conv(x: Array, w: Array, attrs: Attrs) -> Array:
    """Convolution of [B, N, *spatial, C] with [1 or B, O, *kernel, C / groups]; integers or floats."""
    if w.shape[0] > 1:  # weights that differ within the batch
        x = np.broadcast_to(x, (w.shape[0], *x.shape[1:]))
        return np.stack([conv(x[i : i + 1], w[i : i + 1], attrs)[0] for i in range(w.shape[0])])
    batch, w = x.shape[:2], w[0]
    out = _conv(x.reshape(-1, *x.shape[2:]), w, attrs)
    return out.reshape(*batch, *out.shape[1:])


def _conv(x: Array, w: Array, attrs: Attrs) -> Array:
    groups, kernel = attrs["groups"], w.shape[1:-1]
    if groups == x.shape[-1] and w.shape[-1] == 1:
        return _depthwise(x, w, attrs)
    view = windows(x, kernel, attrs, 0)
    counts = view.shape[1 : 1 + len(kernel)]
    taps, inner, outer = math.prod(kernel), w.shape[-1], w.shape[0] // groups
    # [N, *counts, C, *kernel] -> [N, *counts, *kernel, C]
    view = np.moveaxis(view, 1 + len(kernel), -1)
    out = np.empty((view.shape[0], *counts, w.shape[0]), dtype=np.result_type(x, w))
    rows = max(1, PATCH_BYTES // max(1, math.prod(counts[1:]) * taps * x.shape[-1] * x.itemsize))
    matrices = [w[g * outer : (g + 1) * outer].reshape(outer, taps * inner).T for g in range(groups)]
    for n in range(view.shape[0]):
        for top in range(0, counts[0], rows):
            part = view[n, top : top + rows]
            for g, matrix in enumerate(matrices):
                patch = part[..., g * inner : (g + 1) * inner].reshape(-1, taps * inner)
                cells = out[n, top : top + rows, ..., g * outer : (g + 1) * outer]
                cells[...] = (patch @ matrix).reshape(cells.shape)
    return out


def _depthwise(x: Array, w: Array, attrs: Attrs) -> Array:
    """One input channel for each group: a multiply-add for each kernel position, over whole arrays."""
    kernel = w.shape[1:-1]
    multiple = w.shape[0] // x.shape[-1]
    view = windows(x, kernel, attrs, 0)
    total: Array = 0
    for tap in np.ndindex(*kernel):
        cells = view[(..., *tap)]
        weight = w[(slice(None), *tap, 0)].reshape(x.shape[-1], multiple)
        total = total + cells[..., None] * weight
    return total.reshape(*total.shape[:-2], w.shape[0])
