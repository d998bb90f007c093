"""Conversion between ONNX's element types, as integers and reals see it.

    integer -> narrower integer    the low bits, read as the target's two's complement
    real -> integer                towards zero; out of range, undefined in ONNX, the low bits
    anything -> bool               x != 0
    integer, bool -> real          the same number
    real -> float of 8 bits        the nearest value of that format, saturated; likewise 6 and 4 bits
    real -> wider float            the same number: a circuit does not round as floats do

64-bit integers are not wrapped: a circuit's bounds prove that they do not overflow.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from circuits.errors import UnsupportedError
from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import different, number

MINIFLOATS: dict[str, tuple[int, int, float]] = {
    "float8_e4m3fn": (3, -6, 448.0),
    "float8_e4m3fnuz": (3, -7, 240.0),
    "float8_e5m2": (2, -14, 57344.0),
    "float8_e5m2fnuz": (2, -15, 57344.0),
    "float6_e2m3fn": (3, 0, 7.5),
    "float6_e3m2fn": (2, -2, 28.0),
    "float4_e2m1fn": (1, 0, 6.0),
}
"""Mantissa bits, least exponent of a normal number, largest value."""
POWERS_OF_TWO = "float8_e8m0fnu"
ROUND_MODES = {"nearest": 0, "up": 1, "down": 2}


def integer_bits(dtype: np.dtype[Any]) -> tuple[int, bool] | None:
    """The width of an integer type in bits and whether it is signed; None for other types."""
    match = re.fullmatch(r"(u?)int(\d+)", dtype.name)
    return (int(match[2]), not match[1]) if match else None


def integer_range(dtype: np.dtype[Any]) -> tuple[int, int] | None:
    """The least and the largest value of an integer type; None for other types."""
    found = integer_bits(dtype)
    if found is None:
        return None
    bits, signed = found
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def wrapped(b: GraphBuilder, x: Value, dtype: np.dtype[Any] | None) -> Value:
    """An integer modulo 2^bits in the range of its ONNX type; 64-bit types and reals stay as they are."""
    limits = None if dtype is None or x.kind == "real" else integer_range(dtype)
    if limits is None or limits[1] >= 1 << 62:
        return x
    lo, hi = limits
    span = number(b, hi - lo + 1, x)
    turns = b.add("int_divide", [b.add("sub", [x, number(b, lo, x)]) if lo else x, span], mode="floor")
    return b.add(
        "clip", [b.add("sub", [x, b.add("mul", [turns, span])])], lo=lo, hi=hi
    )  # the clip tells the bound


def cast(
    b: GraphBuilder, x: Value, source: np.dtype[Any] | None, target: np.dtype[Any], round_mode: str = "up"
) -> Value:
    """x of ONNX type `source` converted to `target`.

    Raises
    ------
    UnsupportedError
        If the target is a type that no circuit holds.
    """
    if "O" in (target.kind, None if source is None else source.kind):
        if source == target:
            return x
        raise UnsupportedError(
            f"a conversion from {source} to {target} reads or writes strings, which a circuit cannot"
        )
    if target.kind == "b":
        return x if x.kind == "bool" else different(b, x, number(b, 0, x))
    limits = integer_range(target)
    if limits is not None:
        return _to_integer(b, x, source, target, limits)
    if target.name in MINIFLOATS or target.name == POWERS_OF_TWO:
        return _to_minifloat(b, b.retyped(x, "real"), source, target, round_mode)
    if target.kind == "f" or target.name == "bfloat16":
        return b.retyped(x, "real")
    raise UnsupportedError(f"a conversion to {target} has no meaning in an integer circuit")


def _to_integer(
    b: GraphBuilder, x: Value, source: np.dtype[Any] | None, target: np.dtype[Any], limits: tuple[int, int]
) -> Value:
    if x.kind == "bool":
        return b.retyped(x, "int")
    if x.kind == "real":
        return wrapped(b, b.add("round", [x], mode="trunc"), target)
    known = None if source is None else integer_range(source)
    fits = known is not None and limits[0] <= known[0] and known[1] <= limits[1]
    return x if fits else wrapped(b, x, target)


def _to_minifloat(
    b: GraphBuilder, x: Value, source: np.dtype[Any] | None, target: np.dtype[Any], round_mode: str
) -> Value:
    if source == target:
        return x
    if target.name == POWERS_OF_TWO:
        return b.add("function", [x], name="power_of_two", params=[ROUND_MODES[round_mode]])
    return b.add("function", [x], name="minifloat", params=list(MINIFLOATS[target.name]))
