"""Shifts and bitwise logic on integers, as ONNX's fixed-width types have them.

A shift is a product or a floor division by a power of two. Bitwise logic goes byte by byte through a table of all pairs of
bytes: floor divisions by 256 yield the bytes of a two's complement number of either sign, lowest first.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negative, number
from circuits.importer.casting import integer_bits, integer_range, wrapped
from circuits.importer.handlers import OnnxNode, handles

_LOGIC = {"BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor}


def _width(node: OnnxNode) -> tuple[int, bool]:
    dtype = node.dtypes[0]
    found = None if dtype is None else integer_bits(dtype)
    if found is None:
        raise node.fail(f"it works on the bits of {dtype}, which is no integer type")
    return found


@handles("BitShift")
def shift(b: GraphBuilder, node: OnnxNode, x: Value, amount: Value) -> Value:
    """Amounts outside the type's width leave nothing but copies of the sign."""
    bits, signed = _width(node)
    right = node.attrs["direction"] == "RIGHT"
    most = min(bits, 63) - 1  # 2^63 fits no circuit: shifting right by it leaves the sign, as any longer shift does
    known = b.value_of(amount)
    if bits == 64 and not right and (known is None or np.any(known.astype(np.float64) == 63)):
        raise node.fail("it shifts 64-bit integers left by run-time amounts or by 63 bits: their products do not fit")
    if known is None:
        powers = b.constant(np.int64(1) << np.arange(most + 1, dtype=np.int64))
        factor = b.add("gather", [powers, b.add("clip", [amount], lo=0, hi=most)], axis=0)
        zero, last = number(b, 0, amount), number(b, most, amount)
        outside = b.add("max", [b.add("greater", [zero, amount]), b.add("greater", [amount, last])])
    else:
        wide = known.astype(np.float64)
        beyond = (wide < 0) | (wide > most)
        factor = b.constant(np.int64(1) << np.where(beyond, 0, known).astype(np.int64))
        outside = b.constant(beyond)
    if right:
        moved = b.add("int_divide", [x, factor], mode="floor")
    else:
        moved = wrapped(b, b.add("mul", [x, factor]), node.dtypes[0])
    if known is not None and not beyond.any():
        return moved
    zero = number(b, 0, x)
    sign = negative(b, b.retyped(b.add("greater", [zero, x]), "int")) if right and signed else zero
    return b.add("where", [outside, sign, moved])


@handles("BitwiseNot")
def bitwise_not(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    bits, signed = _width(node)
    if bits == 64 and not signed:
        raise node.fail("it inverts unsigned 64-bit integers, and the result does not fit a circuit: cast to int64 first")
    dtype = node.dtypes[0]
    assert dtype is not None
    limits = integer_range(dtype)
    assert limits is not None
    return b.add("sub", [number(b, limits[0] + limits[1], x), x])  # -1 - x if signed, 2^bits - 1 - x if not


@handles(*_LOGIC)
def bitwise(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    bits, signed = _width(node)
    count = bits // 8
    low = np.arange(256, dtype=np.int64)
    high = low - 128 if signed else low
    logic = _LOGIC[node.op_type]
    parts = []
    for i, (left, right) in enumerate(zip(_bytes(b, x, count, signed), _bytes(b, y, count, signed), strict=True)):
        values = high if i == count - 1 else low
        table = b.constant(logic(values[:, None], values[None, :]).reshape(-1))
        pair = b.add("add", [b.add("mul", [left, number(b, 256, left)]), right])
        parts.append(b.add("gather", [table, pair], axis=0))
    return reduce(lambda total, part: b.add("add", [b.add("mul", [total, number(b, 256, total)]), part]), parts[::-1])


def _bytes(b: GraphBuilder, x: Value, count: int, signed: bool) -> list[Value]:
    """The bytes of x, lowest first, each a row number of its table in 0 .. 255."""
    base = number(b, 256, x)
    found = []
    for _ in range(count - 1):
        rest = b.add("int_divide", [x, base], mode="floor")
        digit = b.add("sub", [x, b.add("mul", [rest, base])])
        found.append(b.add("clip", [digit], lo=0, hi=255))  # it is; the clip lets interval analysis know
        x = rest
    top = b.add("add", [x, number(b, 128, x)]) if signed else x
    return [*found, b.add("clip", [top], lo=0, hi=255)]
