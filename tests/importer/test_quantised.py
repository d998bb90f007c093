"""Quantised operators: the circuit's integers are onnxruntime's, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import (
    Array,
    check_against_onnxruntime,
    floats,
    integers,
    model,
    reference,
    runtime,
)

RNG = np.random.default_rng(23)


def bytes_of(shape: tuple[int, ...], dtype: Any = np.uint8) -> Array:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def f32(*values: float) -> Array:
    return np.array(values if len(values) > 1 else values[0], np.float32)


def check_as_circuit(
    op_type: str, inputs: dict[str, Array | None], attrs: dict[str, Any] | None = None, **how: Any
) -> None:
    """All inputs but the first constant: the circuit's output integers are onnxruntime's."""
    constants = [name for name, x in inputs.items() if x is not None][1:]
    made = model(op_type, inputs, attrs, constants=constants, **how)
    given = runtime(inputs, constants)
    assert integers(made, given)[0].tolist() == reference(made, given)[0].tolist()


@pytest.mark.parametrize(("x_zero", "y_zero"), [(0, 0), (3, 250)])
def test_matmul_integer(x_zero: int, y_zero: int) -> None:
    x, y = bytes_of((4, 6)), bytes_of((6, 5))
    check_as_circuit("MatMulInteger", {"x": x, "y": y, "xz": np.uint8(x_zero), "yz": np.uint8(y_zero)})  # type: ignore[dict-item]
    check_as_circuit("MatMulInteger", {"x": x, "y": y})


def test_matmul_integer_with_a_zero_point_for_each_column() -> None:
    x, y, zero = bytes_of((4, 6)), bytes_of((6, 5), np.int8), bytes_of((5,), np.int8)
    check_as_circuit("MatMulInteger", {"x": x, "y": y, "xz": np.array(7, np.uint8), "yz": zero})


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 2, 0, 1]])
def test_conv_integer_pads_with_the_zero_point(pads: list[int]) -> None:
    x, w = bytes_of((1, 2, 5, 6)), bytes_of((3, 2, 3, 2))
    inputs: dict[str, Array | None] = {
        "x": x,
        "w": w,
        "xz": np.array(100, np.uint8),
        "wz": np.array(9, np.uint8),
    }
    check_as_circuit("ConvInteger", inputs, {"pads": pads, "strides": [1, 2]})


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_qlinear_matmul(dtype: Any) -> None:
    zero = np.array(5, dtype)
    inputs: dict[str, Array | None] = {
        "x": bytes_of((4, 16), dtype),
        "xs": f32(0.021),
        "xz": zero,
        "y": bytes_of((16, 5), dtype),
        "ys": f32(0.013),
        "yz": zero,
        "s": f32(0.11),
        "z": np.array(17, dtype),
    }
    check_as_circuit("QLinearMatMul", inputs)


@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(per_channel: bool) -> None:
    w_scale = f32(0.01, 0.02, 0.005) if per_channel else f32(0.012)
    w_zero = np.zeros(3, np.int8) if per_channel else np.array(0, np.int8)
    inputs: dict[str, Array | None] = {
        "x": bytes_of((2, 4, 6, 5)),
        "xs": f32(0.03),
        "xz": np.array(128, np.uint8),
        "w": bytes_of((3, 4, 3, 3), np.int8),
        "ws": w_scale,
        "wz": w_zero,
        "s": f32(0.7),
        "z": np.array(120, np.uint8),
        "bias": RNG.integers(-9999, 9999, 3).astype(np.int32),
    }
    check_as_circuit("QLinearConv", inputs, {"pads": [1, 1, 1, 1], "strides": [2, 1]})


@pytest.mark.parametrize(
    ("scale", "axis"), [(f32(0.05), 1), (f32(0.05, 0.1, 0.2), 1), (f32(0.05, 0.1), 0), (f32(0.3, 0.1), -2)]
)
def test_scales_of_a_tensor_or_an_axis(scale: Array, axis: int) -> None:
    shape = (2, 3) if axis != -2 else (3, 2, 4)
    x = RNG.normal(size=shape).astype(np.float32) * 5
    zero = np.full(scale.shape, 3, np.int8)
    inputs: dict[str, Array | None] = {"x": x, "s": scale, "z": zero}
    for constants in (("s", "z"), ("z",), ()):
        check_against_onnxruntime("QuantizeLinear", inputs, {"axis": axis}, constants=constants, opset=13)
    q: dict[str, Array | None] = {"q": bytes_of(shape, np.int8), "s": scale, "z": zero}
    for constants in (("s", "z"), ()):
        check_against_onnxruntime("DequantizeLinear", q, {"axis": axis}, constants=constants, opset=13)


def test_scales_of_blocks_the_last_one_short() -> None:
    q, scale = bytes_of((2, 5), np.int8), RNG.uniform(0.1, 1, (2, 3)).astype(np.float32)
    made = model("DequantizeLinear", {"q": q, "s": scale}, {"axis": 1, "block_size": 2}, constants=["s"])
    np.testing.assert_allclose(floats(made, [q])[0], q * scale.repeat(2, axis=1)[:, :5], rtol=1e-6)


def test_a_scale_that_fits_no_axis_is_refused() -> None:
    x: dict[str, Array | None] = {"x": np.ones((2, 3), np.float32), "s": f32(0.1, 0.2)}
    with pytest.raises(UnsupportedError, match=r"shape \(2,\) does not fit axis 1"):
        import_model(model("QuantizeLinear", x, {"axis": 1}, constants=["s"], opset=13))


def chain(
    nodes: list[onnx.NodeProto], x: Array, constants: dict[str, Array], out_type: int = TensorProto.UINT8
) -> onnx.ModelProto:
    """A model of several nodes from `x` to `y`."""
    ports = [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)]
    graph = helper.make_graph(
        nodes,
        "chain",
        ports,
        [helper.make_tensor_value_info("y", out_type, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def dequantise(name: str, **attrs: int) -> onnx.NodeProto:
    return helper.make_node("DequantizeLinear", [name, f"{name}_s", f"{name}_z"], [f"{name}_real"], **attrs)


WEIGHTS = {"per channel": f32(0.011, 0.02, 0.007), "one": f32(0.013)}


@pytest.mark.parametrize("scale", WEIGHTS)
@pytest.mark.parametrize("activation", ["Relu", None])
def test_a_convolution_of_dequantised_tensors_is_one_of_integers(scale: str, activation: str | None) -> None:
    w_scale = WEIGHTS[scale]
    bias_scale = (w_scale * np.float32(0.03)).astype(np.float32)
    constants = {
        "x_s": f32(0.03),
        "x_z": np.array(128, np.uint8),
        "w": bytes_of((3, 2, 3, 3), np.int8),
        "w_s": w_scale,
        "w_z": np.zeros(w_scale.shape, np.int8),
        "c": RNG.integers(-3000, 3000, 3).astype(np.int32),
        "c_s": bias_scale,
        "c_z": np.zeros(w_scale.shape, np.int32),
        "y_s": f32(0.4),
        "y_z": np.array(100, np.uint8),
    }
    nodes = [dequantise("x"), dequantise("w", axis=0), dequantise("c", axis=0)]
    nodes.append(helper.make_node("Conv", ["x_real", "w_real", "c_real"], ["sum"], pads=[1, 1, 1, 1]))
    nodes += [helper.make_node(activation, ["sum"], ["out"])] if activation else []
    nodes.append(helper.make_node("QuantizeLinear", ["out" if activation else "sum", "y_s", "y_z"], ["y"]))
    x = bytes_of((1, 2, 9, 8))
    made = chain(nodes, x, constants)
    assert [n.kind for n in import_model(made).nodes if n.op == "conv"] == ["int"]
    assert integers(made, [x])[0].tolist() == reference(made, [x])[0].tolist()


@pytest.mark.parametrize("scale", WEIGHTS)
@pytest.mark.parametrize("op_type", ["MatMul", "Gemm"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_matrix_product_of_dequantised_tensors_is_one_of_integers(
    op_type: str, scale: str, transposed: int
) -> None:
    if op_type == "MatMul" and transposed:
        return
    w_scale = WEIGHTS[scale]
    constants = {
        "x_s": f32(0.03),
        "x_z": np.array(3, np.int8),
        "w": bytes_of((3, 6) if transposed else (6, 3), np.int8),
        "w_s": w_scale,
        "w_z": np.zeros(w_scale.shape, np.int8),
        "y_s": f32(0.2113),
        "y_z": np.array(-9, np.int8),
    }
    attrs = {"transB": transposed} if op_type == "Gemm" else {}
    nodes = [
        dequantise("x"),
        dequantise("w", axis=0 if transposed else 1),
        helper.make_node(op_type, ["x_real", "w_real"], ["sum"], **attrs),
        helper.make_node("QuantizeLinear", ["sum", "y_s", "y_z"], ["y"]),
    ]
    x = bytes_of((40, 6), np.int8)
    made = chain(nodes, x, constants, TensorProto.INT8)
    assert [n.kind for n in import_model(made).nodes if n.op == "matmul"] == ["int"]
    assert integers(made, [x])[0].tolist() == reference(made, [x])[0].tolist()


def test_a_bias_on_a_scale_of_its_own_is_added_as_reals() -> None:
    constants = {
        "x_s": f32(0.03),
        "x_z": np.array(3, np.int8),
        "w": bytes_of((6, 3), np.int8),
        "w_s": f32(0.01),
        "w_z": np.array(0, np.int8),
        "y_s": f32(0.2113),
        "y_z": np.array(-9, np.int8),
        "c": bytes_of((3,), np.int8),
        "c_s": f32(0.05),
        "c_z": np.array(0, np.int8),
    }
    nodes = [dequantise(name) for name in "xwc"]
    nodes.append(helper.make_node("Gemm", ["x_real", "w_real", "c_real"], ["sum"]))
    nodes.append(helper.make_node("QuantizeLinear", ["sum", "y_s", "y_z"], ["y"]))
    x = bytes_of((40, 6), np.int8)
    made = chain(nodes, x, constants, TensorProto.INT8)
    got, want = integers(made, [x])[0], reference(made, [x])[0]
    assert np.abs(got.astype(int) - want).max() <= 1


def test_a_pooled_tensor_quantised_by_its_own_scale_rounds_halves_to_even() -> None:
    """The scale cancels to 1 but for float64's rounding, and the mean of two bytes often ends in a half."""
    constants = {"x_s": f32(0.0371), "x_z": np.array(0, np.uint8)}
    nodes = [
        dequantise("x"),
        helper.make_node("ReduceMean", ["x_real"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("QuantizeLinear", ["mean", "x_s", "x_z"], ["y"]),
    ]
    x = bytes_of((50, 2))
    assert integers(chain(nodes, x, constants), [x])[0].tolist() == np.rint(x.mean(axis=1)).tolist()


def test_the_range_of_the_data_gives_the_scale() -> None:
    x = RNG.normal(size=(3, 7)).astype(np.float32)
    check_against_onnxruntime("DynamicQuantizeLinear", {"x": x}, outputs=3)
    check_against_onnxruntime("DynamicQuantizeLinear", {"x": np.abs(x) + 1}, outputs=3)
