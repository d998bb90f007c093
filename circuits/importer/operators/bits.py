"""Shifts and bitwise logic on integers, as ONNX's fixed-width types have them.

A shift is a product or a floor division by a power of two. Bitwise logic goes byte by byte through a table of
all pairs of bytes: floor divisions by 256 yield the bytes of a two's complement number of either sign, lowest
first.
"""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negative, number
from circuits.importer.casting import integer_bits, integer_range, wrapped
from circuits.importer.handlers import OnnxNode, handles

STEP = 31
"""The longest shift done at once; longer ones take two steps, so that no factor outgrows a circuit."""
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
    if bits == 64 and not right and b.value_of(amount) is None:
        raise node.fail(
            "it shifts 64-bit integers left by amounts known at run time only: the results do not fit"
        )
    moved = x
    for start in range(0, bits - 1, STEP):
        part = b.add("sub", [amount, number(b, start, amount)]) if start else amount
        exponent = b.add("clip", [part], lo=0, hi=min(bits - 1 - start, STEP))
        factor = b.add("gather", [b.constant(1 << np.arange(STEP + 1, dtype=np.int64)), exponent], axis=0)
        if right:
            moved = b.add("int_divide", [moved, factor], mode="floor")
        else:
            moved = wrapped(b, b.add("mul", [moved, factor]), node.dtypes[0])
    zero, last = number(b, 0, amount), number(b, bits - 1, amount)
    outside = b.add("max", [b.add("greater", [zero, amount]), b.add("greater", [amount, last])])
    known = b.value_of(outside)
    if known is not None and not known.any():
        return moved
    negatives = b.retyped(b.add("greater", [number(b, 0, x), x]), "int")
    sign = negative(b, negatives) if right and signed else number(b, 0, x)
    return b.add("where", [outside, sign, moved])


@handles("BitwiseNot")
def bitwise_not(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    bits, signed = _width(node)
    if bits == 64 and not signed:
        raise node.fail(
            "it inverts unsigned 64-bit integers, and the result does not fit a circuit: cast to int64 first"
        )
    dtype = node.dtypes[0]
    assert dtype is not None
    limits = integer_range(dtype)
    assert limits is not None
    return b.add("sub", [number(b, limits[0] + limits[1], x), x])  # -1 - x if signed, 2^bits - 1 - x if not


@handles(*_LOGIC)
def bitwise(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    bits, signed = _width(node)
    count = bits // 8
    top = 127 if bits == 64 and not signed else 255  # a circuit's integers stay below 2^63
    low = np.arange(256, dtype=np.int64)
    high = low - 128 if signed else np.minimum(low, top)
    logic = _LOGIC[node.op_type]
    parts = []
    pairs = zip(_bytes(b, x, count, signed, top), _bytes(b, y, count, signed, top), strict=True)
    for i, (left, right) in enumerate(pairs):
        values = high if i == count - 1 else low
        table = b.constant(logic(values[:, None], values[None, :]).reshape(-1))
        pair = b.add("add", [b.add("mul", [left, number(b, 256, left)]), right])
        parts.append(b.add("gather", [table, pair], axis=0))
    total = parts[-1]
    for part in reversed(parts[:-1]):
        total = b.add("add", [b.add("mul", [total, number(b, 256, total)]), part])
    return total


def _bytes(b: GraphBuilder, x: Value, count: int, signed: bool, highest: int) -> list[Value]:
    """The bytes of x, lowest first, each a row number of its table in 0 .. 255."""
    base = number(b, 256, x)
    found = []
    for _ in range(count - 1):
        rest = b.add("int_divide", [x, base], mode="floor")
        digit = b.add("sub", [x, b.add("mul", [rest, base])])
        found.append(b.add("clip", [digit], lo=0, hi=255))  # it is; the clip lets interval analysis know
        x = rest
    top = b.add("add", [x, number(b, 128, x)]) if signed else x
    return [*found, b.add("clip", [top], lo=0, hi=highest)]
