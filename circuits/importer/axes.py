"""Axes, windows and empty tensors: what the handlers that move cells share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from circuits.circuit import Kind
from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode

_DTYPES = {"real": np.float32, "int": np.int64, "bool": np.bool_}


def axis_of(node: OnnxNode, axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises
    ------
    UnsupportedError
        If there is no such axis.
    """
    if not -rank <= axis < rank:
        raise node.fail(f"its axis {axis} does not exist in a tensor of {rank} axes")
    return int(axis) % max(rank, 1)


def axes_of(node: OnnxNode, axes: Iterable[int], rank: int) -> list[int]:
    """Distinct axes counted from the front, in the order given.

    Raises
    ------
    UnsupportedError
        If an axis does not exist or comes twice.
    """
    found = [axis_of(node, int(axis), rank) for axis in axes]
    if len(set(found)) != len(found):
        raise node.fail(f"its axes {found} name one axis twice")
    return found


def zeros(b: GraphBuilder, shape: Sequence[int], kind: Kind) -> Value:
    """A constant of zeros. An empty tensor depends on no input, so an empty result is one of these."""
    return b.constant(np.zeros(shape, dtype=_DTYPES[kind]), kind)


def window(b: GraphBuilder, x: Value, ranges: Sequence[range]) -> Value:
    """The cells of x whose index along each axis is in that axis' range; x itself if that is all of it."""
    if all(r == range(n) for r, n in zip(ranges, x.shape, strict=True)):
        return x
    if not all(ranges):
        return zeros(b, [len(r) for r in ranges], x.kind)
    starts, steps = [r.start for r in ranges], [r.step for r in ranges]
    return b.add("slice", [x], starts=starts, steps=steps, sizes=[len(r) for r in ranges])


def along(b: GraphBuilder, x: Value, axis: int, chosen: range) -> Value:
    """The cells of x whose index along one axis is in `chosen`."""
    return window(b, x, [chosen if k == axis else range(n) for k, n in enumerate(x.shape)])


def joined(b: GraphBuilder, parts: Sequence[Value], axis: int) -> Value:
    """The parts one after another along an axis, without those that are empty there."""
    filled = [part for part in parts if math.prod(part.shape)] or parts[:1]
    return filled[0] if len(filled) == 1 else b.add("concat", filled, axis=axis)


def reshaped(b: GraphBuilder, x: Value, shape: Iterable[int]) -> Value:
    """x with another shape."""
    return b.add("reshape", [x], shape=[int(n) for n in shape])


def transposed(b: GraphBuilder, x: Value, perm: Sequence[int]) -> Value:
    """x with its axes permuted; x itself if they stay where they are."""
    return x if list(perm) == sorted(perm) else b.add("transpose", [x], perm=list(perm))
