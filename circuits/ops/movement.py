"""Data movement: every output cell is one input cell (or a fixed number, for `pad`). Exact; bounds do not
grow.

    reshape(x; shape)[flat i]      = x[flat i], row-major
    transpose(x; perm)[i_0, ...]   = x[j] with j_perm[k] = i_k
    slice(x; starts, steps, sizes) = x[starts_k + steps_k * i_k]; a step may be negative, not zero
    concat(x_1, ..., x_n; axis)    = the inputs one after another along the axis
    pad(x; before, after, value)   = x[i - before] inside x, `value` elsewhere
    broadcast(x; shape)            = x[i_k, or 0 where x's axis has size 1], new axes in front
    gather(x, index; axis)[p, q, r] = x[p, index[q], r] with p the axes before `axis` and r those behind it;
                                     0 <= index < the axis' size, by bounds

A prover shows nothing for the fixed movements but the wiring, which is public; `gather` with a runtime index
is a lookup of (index, value) in x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from circuits.ops.base import Attrs, check, register
from circuits.tensor import Bound, Operand, Shape, dtype_of

Array = Any  # the same movements serve integer arrays here and float arrays in the float graph's evaluation


class _Movement:
    arity = 1

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return min(x.lo for x in xs), max(x.hi for x in xs)


@register
class Reshape(_Movement):
    name = "reshape"
    attrs = ("shape",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        shape = tuple(attrs["shape"])
        check(math.prod(shape) == math.prod(xs[0].shape), f"cannot reshape {xs[0].shape} to {shape}")
        return shape

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        return xs[0].reshape(xs[0].shape[:1] + shape)


@register
class Transpose(_Movement):
    name = "transpose"
    attrs = ("perm",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        perm = attrs["perm"]
        check(
            sorted(perm) == list(range(len(xs[0].shape))), f"{perm} does not permute {len(xs[0].shape)} axes"
        )
        return tuple(xs[0].shape[p] for p in perm)

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        return xs[0].transpose(0, *(p + 1 for p in attrs["perm"]))


@register
class Slice(_Movement):
    name = "slice"
    attrs = ("starts", "steps", "sizes")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        rank = len(xs[0].shape)
        starts, steps, sizes = attrs["starts"], attrs["steps"], attrs["sizes"]
        check(
            len(starts) == len(steps) == len(sizes) == rank,
            "slice needs a start, a step and a size for each axis",
        )
        for axis, (start, step, size, dim) in enumerate(zip(starts, steps, sizes, xs[0].shape, strict=True)):
            last = start + step * (size - 1)
            inside = step != 0 and size >= 1 and 0 <= start < dim and 0 <= last < dim
            check(inside, f"slice leaves axis {axis} of {xs[0].shape}")
        return tuple(sizes)

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        window = [slice(None)]
        for start, step, size in zip(attrs["starts"], attrs["steps"], attrs["sizes"], strict=True):
            stop = start + step * size
            window.append(slice(start, None if stop < 0 else stop, step))
        return xs[0][tuple(window)]


@register
class Concat(_Movement):
    name = "concat"
    arity = -1
    attrs = ("axis",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        axis = attrs["axis"]
        first = xs[0].shape
        check(0 <= axis < len(first), f"there is no axis {axis} to concatenate along")
        for x in xs:
            same = (
                len(x.shape) == len(first)
                and x.shape[:axis] + x.shape[axis + 1 :] == first[:axis] + first[axis + 1 :]
            )
            check(same, f"cannot concatenate {first} and {x.shape} along axis {axis}")
        return first[:axis] + (sum(x.shape[axis] for x in xs),) + first[axis + 1 :]

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        batch = max(x.shape[0] for x in xs)
        return np.concatenate([np.broadcast_to(x, (batch, *x.shape[1:])) for x in xs], axis=attrs["axis"] + 1)


@register
class Pad(_Movement):
    name = "pad"
    attrs = ("before", "after", "value")

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        before, after = attrs["before"], attrs["after"]
        check(len(before) == len(after) == len(xs[0].shape), "pad needs two widths for each axis")
        check(min([0, *before, *after]) == 0, "pad widths cannot be negative")
        return tuple(b + n + a for b, n, a in zip(before, xs[0].shape, after, strict=True))

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return min(xs[0].lo, attrs["value"]), max(xs[0].hi, attrs["value"])

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        x = xs[0]
        dtype = dtype_of(*bound) if x.dtype.kind == "i" else x.dtype
        out = np.zeros((x.shape[0], *shape), dtype=dtype, like=x)
        out[...] = attrs["value"]
        inside = tuple(slice(b, b + n) for b, n in zip(attrs["before"], x.shape[1:], strict=True))
        out[(slice(None), *inside)] = x
        return out


@register
class Broadcast(_Movement):
    name = "broadcast"
    attrs = ("shape",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        shape = tuple(attrs["shape"])
        own = (1,) * (len(shape) - len(xs[0].shape)) + xs[0].shape
        fits = len(own) == len(shape) and all(n in (1, m) for n, m in zip(own, shape, strict=True))
        check(fits, f"cannot broadcast {xs[0].shape} to {shape}")
        return shape

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        x = xs[0]
        x = x.reshape(x.shape[:1] + (1,) * (len(shape) + 1 - x.ndim) + x.shape[1:])
        return np.broadcast_to(x, (x.shape[0], *shape))


@register
class Gather(_Movement):
    name = "gather"
    arity = 2
    attrs = ("axis",)

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        x, index = xs
        axis = attrs["axis"]
        check(0 <= axis < len(x.shape), f"there is no axis {axis} to gather along")
        inside = 0 <= index.lo and index.hi < x.shape[axis]
        check(inside, f"an index within [{index.lo}, {index.hi}] may leave an axis of size {x.shape[axis]}")
        return x.shape[:axis] + index.shape + x.shape[axis + 1 :]

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        return xs[0].lo, xs[0].hi

    def execute(self, xs: Sequence[Array], attrs: Attrs, shape: Shape, bound: Bound) -> Array:
        x, index = xs
        axis = attrs["axis"] + 1
        index = index.astype(np.int64, copy=False)
        if index.shape[0] == 1:
            return np.take(x, index[0], axis=axis)
        batch, size = index.shape[0], x.shape[axis]
        rows = np.moveaxis(np.broadcast_to(x, (batch, *x.shape[1:])), axis, 1)
        table = rows.reshape(batch * size, *rows.shape[2:])
        base = (np.arange(batch, like=index) * size).reshape(batch, *(1,) * (index.ndim - 1))
        taken = np.take(table, index + base, axis=0)
        before = axis - 1
        # taken: batch, index axes, axes before, axes behind -> the axes before move in front of the index
        # axes
        own = index.ndim - 1
        order = [
            0,
            *range(1 + own, 1 + own + before),
            *range(1, 1 + own),
            *range(1 + own + before, taken.ndim),
        ]
        return taken.transpose(order)
