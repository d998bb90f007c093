"""Conversions between element types."""

from __future__ import annotations

import numpy as np
from onnx import helper

from circuits.graph import GraphBuilder, Value
from circuits.importer.casting import cast, integer_bits, wrapped
from circuits.importer.handlers import OnnxNode, handles


@handles("Cast")
def cast_(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    target = np.dtype(helper.tensor_dtype_to_np_dtype(node.attrs["to"]))
    return cast(b, x, node.dtypes[0], target, node.attrs.get("round_mode", "up"))


@handles("CastLike")
def cast_like(b: GraphBuilder, node: OnnxNode, x: Value, like: Value) -> Value:
    target = node.dtypes[1]
    assert target is not None
    return cast(b, x, node.dtypes[0], target, node.attrs.get("round_mode", "up"))


@handles("BitCast")
def bit_cast(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    source, target = node.dtypes[0], np.dtype(helper.tensor_dtype_to_np_dtype(node.attrs["to"]))
    assert source is not None
    if source == target:
        return x
    if target.kind == "b":
        return cast(b, x, source, target)
    if integer_bits(target) is None or (integer_bits(source) is None and source.kind != "b"):
        raise node.fail(
            "the bits of a float have no meaning in an integer circuit: reinterpret integers only"
        )
    return wrapped(b, b.retyped(x, "int"), target)
