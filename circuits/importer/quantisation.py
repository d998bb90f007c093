"""ONNX's linear quantisation, whose scales a model brings along and a circuit keeps.

    quantised(x)     = clip(round(x / scale) + zero_point)      ties to even
    dequantised(q)   = (q - zero_point) * scale

Scale and zero point are one number, one for each index of an axis, or one for each block along an axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import quotient
from circuits.importer.axes import along, axis_of, reshaped
from circuits.importer.casting import cast, integer_range
from circuits.importer.handlers import OnnxNode


def spread(b: GraphBuilder, node: OnnxNode, s: Value, x: Value, axis: int, block: int = 0) -> Value:
    """A scale or zero point in a shape that broadcasts with x.

    Raises
    ------
    UnsupportedError
        If it fits neither the axis nor the blocks along it.
    """
    if math.prod(s.shape) == 1:
        return reshaped(b, s, [])
    axis = axis_of(node, axis, x.rank)
    size = x.shape[axis]
    if not block:
        if s.rank != 1 or s.shape[0] != size:
            raise node.fail(
                f"its scale or zero point of shape {s.shape} does not fit axis {axis} of {x.shape}"
            )
        return reshaped(b, s, [size if k == axis else 1 for k in range(x.rank)])
    count = s.shape[axis] if s.rank == x.rank else 0
    if not count or -(-size // block) != count or s.shape != (*x.shape[:axis], count, *x.shape[axis + 1 :]):
        raise node.fail(
            f"its scale of shape {s.shape} does not fit blocks of {block} along axis {axis} of {x.shape}"
        )
    head, tail = s.shape[:axis], s.shape[axis + 1 :]
    repeated = b.add(
        "broadcast", [reshaped(b, s, [*head, count, 1, *tail])], shape=[*head, count, block, *tail]
    )
    return along(b, reshaped(b, repeated, [*head, count * block, *tail]), axis, range(size))


def centred(b: GraphBuilder, q: Value, zero_point: Value | None) -> Value:
    """q - zero_point, where there is one and it is not 0."""
    return q if zero_point is None or is_zero(b, zero_point) else b.add("sub", [q, zero_point])


def quantised(
    b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, zero_point: Value | None, dtype: np.dtype[Any]
) -> Value:
    """A real tensor in an ONNX type of few bits; scale and zero point broadcast with it."""
    ratio = quotient(b, node, b.retyped(x, "real"), scale)
    offset = None if zero_point is None or is_zero(b, zero_point) else zero_point
    limits = integer_range(dtype)
    if limits is None:
        return cast(b, ratio if offset is None else b.add("add", [ratio, offset]), None, dtype)
    q = b.add("round", [ratio], mode="even")
    q = q if offset is None else b.add("add", [q, offset])
    return b.add("clip", [q], lo=limits[0], hi=limits[1])


def is_zero(b: GraphBuilder, value: Value) -> bool:
    """Whether it is a constant of zeros."""
    array = b.value_of(value)
    return array is not None and not array.any()
