"""ONNX's linear quantisation, whose scales a model brings along and a circuit keeps.

    quantised(x)     = clip(round(x / scale) + zero_point)      ties to even
    dequantised(q)   = (q - zero_point) * scale

Scale and zero point are one number, one for each index of an axis, or one for each block along an axis.

A product of two dequantised tensors is computed as the product of their integers, scaled: that is exact, and
the weights need no second quantisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from circuits.graph import GraphBuilder, ScaledIntegers, Value
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
    known, step = b.scaled.get(x.id), b.value_of(scale)
    if known is not None and step is not None:
        factor = known.scale.astype(np.float64) / step.astype(np.float64)
        ratio = b.add("mul", [b.retyped(known.integers, "real"), b.constant(factor)])
    else:
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


def dequantised(b: GraphBuilder, integers: Value, scale: Value) -> Value:
    """integers * scale, remembered as such where the scale is a positive constant."""
    out = b.add("mul", [b.retyped(integers, "real"), scale])
    known = b.value_of(scale)
    exact = integers.kind != "real" and out.shape == integers.shape
    if exact and known is not None and (known > 0).all():
        b.scaled[out.id] = ScaledIntegers(integers, known.astype(np.float64))
    return out


def integer_product(
    b: GraphBuilder,
    x: Value,
    w: Value,
    bias: Value | None,
    product: Callable[[Value, Value, Value | None], Value],
    axes: tuple[int, int],
) -> Value | None:
    """A sum of products of dequantised tensors by way of their integers; None where they do not allow it.

    Parameters
    ----------
    product
        The operation on x, w and the bias.
    axes
        The axis of the output channels in w, and in the result, there counted from the last backwards.
    """
    left, right = b.scaled.get(x.id), b.scaled.get(w.id)
    if left is None or right is None or left.scale.size != 1:
        return None
    whole = [1] * w.rank
    whole[axes[0]] = right.scale.size
    if right.scale.size != 1 and list(right.scale.shape) != whole[w.rank - right.scale.ndim :]:
        return None
    scale = left.scale.reshape(()) * right.scale.reshape(-1)
    offset = None
    if bias is not None:
        known = b.scaled.get(bias.id)
        if known is None or not _same(known.scale, scale):
            return None
        offset = known.integers
    total = product(left.integers, right.integers, offset)
    shape = scale.shape if scale.size > 1 else ()
    return dequantised(b, total, b.constant(scale.reshape(shape + (1,) * (-1 - axes[1]) if shape else ())))


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether two scales, computed in float32 by different ways, are meant to be one."""
    return a.size in (1, b.size) and bool(np.allclose(a.reshape(-1), b, rtol=1e-5, atol=0))
