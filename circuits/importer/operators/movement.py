"""Operators that move cells without changing them, to places known when compiling."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import along, axes_of, axis_of, joined, reshaped, transposed, window
from circuits.importer.handlers import OnnxNode, handles


@handles("Shape")
def shape(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    stop = node.attrs.get("end", x.rank)
    return b.constant(np.array(x.shape[slice(node.attrs.get("start", 0), stop)], dtype=np.int64))


@handles("Size")
def size(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.constant(np.array(math.prod(x.shape), dtype=np.int64))


@handles("Reshape")
def reshape(b: GraphBuilder, node: OnnxNode, x: Value, shape: Value) -> Value:
    wanted = [int(n) for n in node.array(b, shape, "shape")]
    if not node.attrs.get("allowzero", 0):
        if any(n == 0 for n in wanted[x.rank :]):
            raise node.fail(f"its shape {wanted} copies an axis that {x.shape} does not have")
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if -1 in wanted:
        known = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = math.prod(x.shape) // max(known, 1)
    return reshaped(b, x, wanted)


@handles("Flatten")
def flatten(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    axis = node.attrs["axis"] + (x.rank if node.attrs["axis"] < 0 else 0)
    return reshaped(b, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


@handles("Transpose")
def transpose(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return transposed(b, x, list(node.attrs.get("perm", range(x.rank)[::-1])))


@handles("Squeeze")
def squeeze(b: GraphBuilder, node: OnnxNode, x: Value, axes: Value | None = None) -> Value:
    given = node.attrs.get("axes") if axes is None else node.array(b, axes, "axes")
    drop = [k for k, n in enumerate(x.shape) if n == 1] if given is None else axes_of(node, given, x.rank)
    if any(x.shape[axis] != 1 for axis in drop):
        raise node.fail(f"it would drop axes {drop} of {x.shape}, and not all of them have size 1")
    return reshaped(b, x, [n for k, n in enumerate(x.shape) if k not in drop])


@handles("Unsqueeze")
def unsqueeze(b: GraphBuilder, node: OnnxNode, x: Value, axes: Value | None = None) -> Value:
    given = node.attrs["axes"] if axes is None else node.array(b, axes, "axes").reshape(-1)
    new = axes_of(node, given, x.rank + len(given))
    sizes = iter(x.shape)
    return reshaped(b, x, [1 if k in new else next(sizes) for k in range(x.rank + len(new))])


@handles("Concat")
def concat(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    return joined(b, xs, axis_of(node, node.attrs["axis"], xs[0].rank))


@handles("Split")
def split(b: GraphBuilder, node: OnnxNode, x: Value, lengths: Value | None = None) -> list[Value]:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    given = node.attrs.get("split") if lengths is None else node.array(b, lengths, "split")
    if given is None:
        parts = node.attrs.get("num_outputs", len(node.out_names))
        given = even_parts(x.shape[axis], -(-x.shape[axis] // parts), parts)
    if sum(given) != x.shape[axis] or min(given) < 0:
        raise node.fail(f"its parts {list(given)} do not add up to axis {axis} of {x.shape}")
    return pieces(b, x, axis, [int(n) for n in given])


def even_parts(total: int, length: int, parts: int) -> list[int]:
    """Lengths of the parts of an axis: all of `length` but the last ones, which take what is left."""
    return [min(length, max(total - i * length, 0)) for i in range(parts)]


def pieces(b: GraphBuilder, x: Value, axis: int, lengths: list[int]) -> list[Value]:
    """x cut along an axis into parts of the given lengths."""
    ends = np.cumsum([0, *lengths]).tolist()
    return [along(b, x, axis, range(start, stop)) for start, stop in pairwise(ends)]


@handles("Slice")
def slice_(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    starts: Value | None = None,
    ends: Value | None = None,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    if starts is None:  # up to opset 9 they are attributes
        first, stop = node.attrs["starts"], node.attrs["ends"]
        chosen, stride = node.attrs.get("axes"), None
    else:
        first, stop = node.array(b, starts, "starts").tolist(), node.array(b, ends, "ends").tolist()
        chosen = None if axes is None else node.array(b, axes, "axes").tolist()
        stride = None if steps is None else node.array(b, steps, "steps").tolist()
    where = axes_of(node, range(len(first)) if chosen is None else chosen, x.rank)
    ranges = [range(n) for n in x.shape]
    for axis, start, end, step in zip(where, first, stop, stride or [1] * len(first), strict=True):
        if step == 0:
            raise node.fail("its step is 0")
        ranges[axis] = range(x.shape[axis])[slice(int(start), int(end), int(step))]
    return window(b, x, ranges)


@handles("Expand")
def expand(b: GraphBuilder, node: OnnxNode, x: Value, shape: Value) -> Value:
    wanted = tuple(int(n) for n in node.array(b, shape, "shape"))
    try:
        return b.add("broadcast", [x], shape=list(np.broadcast_shapes(x.shape, wanted)))
    except ValueError:
        raise node.fail(f"{x.shape} does not expand to {wanted}") from None


@handles("Tile")
def tile(b: GraphBuilder, node: OnnxNode, x: Value, repeats: Value) -> Value:
    out = x
    for axis, times in enumerate(int(n) for n in node.array(b, repeats, "repeats")):
        if times != 1:
            before, behind = math.prod(out.shape[:axis]), math.prod(out.shape[axis:])
            rows = b.add("broadcast", [reshaped(b, out, [before, 1, behind])], shape=[before, times, behind])
            out = reshaped(b, rows, [*out.shape[:axis], out.shape[axis] * times, *out.shape[axis + 1 :]])
    return out
