"""Quantisation, dequantisation and products of quantised tensors: their integers are the circuit's own."""

from __future__ import annotations

import numpy as np
from onnx import helper

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import minimum, negative, number, scaled
from circuits.importer.axes import reshaped
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.operators.convolution import conv
from circuits.importer.operators.linear import matmul
from circuits.importer.quantisation import centred, dequantised, quantised, spread

_EXACT_DEPTH = (1 << 31) // 255**2
"""Sums of fewer products of two 8-bit differences stay inside int32."""
_INT32 = np.dtype(np.int32)
_UINT8 = np.dtype(np.uint8)


@handles("QuantizeLinear")
def quantize(
    b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, zero_point: Value | None = None
) -> Value:
    axis, block = node.attrs.get("axis", 1), node.attrs.get("block_size", 0)
    output = node.attrs.get("output_dtype", 0)
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(output)) if output else _UINT8
    if zero_point is not None:
        assert node.dtypes[2] is not None
        dtype, zero_point = node.dtypes[2], spread(b, node, zero_point, x, axis, block)
    return quantised(b, node, x, spread(b, node, scale, x, axis, block), zero_point, dtype)


@handles("DequantizeLinear")
def dequantize(
    b: GraphBuilder, node: OnnxNode, q: Value, scale: Value, zero_point: Value | None = None
) -> Value:
    axis, block = node.attrs.get("axis", 1), node.attrs.get("block_size", 0)
    offset = None if zero_point is None else spread(b, node, zero_point, q, axis, block)
    return dequantised(b, centred(b, q, offset), spread(b, node, scale, q, axis, block))


@handles("DynamicQuantizeLinear")
def dynamic_quantize(b: GraphBuilder, node: OnnxNode, x: Value) -> list[Value]:
    """Scale and zero point from the tensor's own range, widened to hold 0."""
    axes, zero = list(range(x.rank)), number(b, 0, x)
    top = b.add("max", [reshaped(b, b.add("reduce_max", [x], axes=axes), []), zero])
    least = reshaped(b, negative(b, b.add("reduce_max", [negative(b, x)], axes=axes)), [])
    bottom = minimum(b, least, zero)
    scale = scaled(b, b.add("sub", [top, bottom]), 1 / 255)
    zero_point = quantised(b, node, negative(b, bottom), scale, None, _UINT8)
    return [quantised(b, node, x, scale, zero_point, _UINT8), scale, zero_point]


@handles("MatMulInteger")
def matmul_integer(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    y: Value,
    x_zero_point: Value | None = None,
    y_zero_point: Value | None = None,
) -> Value:
    out = matmul(b, node, _centred_rows(b, node, x, x_zero_point), _centred_columns(b, node, y, y_zero_point))
    return out if x.shape[-1] <= _EXACT_DEPTH else wrapped(b, out, _INT32)


@handles("QLinearMatMul")
def qlinear_matmul(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    x_scale: Value,
    x_zero_point: Value,
    y: Value,
    y_scale: Value,
    y_zero_point: Value,
    scale: Value,
    zero_point: Value,
) -> Value:
    total = matmul(
        b, node, _centred_rows(b, node, x, x_zero_point), _centred_columns(b, node, y, y_zero_point)
    )
    left = x_scale if x_scale.rank > 1 else spread(b, node, x_scale, total, -2)
    right = y_scale if y_scale.rank > 1 else spread(b, node, y_scale, total, -1)
    return _requantised(b, node, total, b.add("mul", [left, right]), scale, zero_point, -2)


@handles("ConvInteger")
def conv_integer(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    w: Value,
    x_zero_point: Value | None = None,
    w_zero_point: Value | None = None,
) -> Value:
    """Padding adds cells of x's zero point, which are 0 once it is taken off."""
    return conv(b, node, _centred(b, node, x, x_zero_point, 1), _centred(b, node, w, w_zero_point, 0))


@handles("QLinearConv")
def qlinear_conv(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    x_scale: Value,
    x_zero_point: Value,
    w: Value,
    w_scale: Value,
    w_zero_point: Value,
    scale: Value,
    zero_point: Value,
    bias: Value | None = None,
) -> Value:
    data, weights = _centred(b, node, x, x_zero_point, 1), _centred(b, node, w, w_zero_point, 0)
    total = conv(b, node, data, weights, bias)
    factor = b.add("mul", [reshaped(b, x_scale, []), spread(b, node, w_scale, total, 1)])
    return _requantised(b, node, total, factor, scale, zero_point, 1)


def _requantised(
    b: GraphBuilder, node: OnnxNode, total: Value, factor: Value, scale: Value, zero_point: Value, axis: int
) -> Value:
    """An exact sum of products, whose unit is `factor`, in the output's scale and type."""
    step, offset = (v if v.rank > 1 else spread(b, node, v, total, axis) for v in (scale, zero_point))
    dtype = node.dtypes[7]
    assert dtype is not None
    real = b.retyped(total, "real")
    if b.value_of(factor) is not None and b.value_of(step) is not None:
        return quantised(b, node, real, b.add("divide", [step, factor], at_least=None), offset, dtype)
    return quantised(b, node, b.add("mul", [real, factor]), step, offset, dtype)


def _centred(b: GraphBuilder, node: OnnxNode, q: Value, zero_point: Value | None, axis: int) -> Value:
    return q if zero_point is None else centred(b, q, spread(b, node, zero_point, q, axis))


def _centred_rows(b: GraphBuilder, node: OnnxNode, x: Value, zero_point: Value | None) -> Value:
    """x less its zero point: one, one for each row, or in a shape that broadcasts already."""
    return (
        centred(b, x, zero_point)
        if zero_point is not None and zero_point.rank > 1
        else _centred(b, node, x, zero_point, -2)
    )


def _centred_columns(b: GraphBuilder, node: OnnxNode, y: Value, zero_point: Value | None) -> Value:
    return (
        centred(b, y, zero_point)
        if zero_point is not None and zero_point.rank > 1
        else _centred(b, node, y, zero_point, -1)
    )
