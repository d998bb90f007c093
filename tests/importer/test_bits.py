"""Comparisons, logic, shifts and bitwise logic: exact as integer circuits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, runtime

RNG = np.random.default_rng(3)
NUMBERS = np.array([-2, -1, 0, 0, 1, 5], dtype=np.int64)
OTHERS = np.array([-2, 1, 0, -1, 1, 4], dtype=np.int64)
TRUTHS = np.array([[True], [False]])
ALL_BYTES = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("op_type", ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
@pytest.mark.parametrize("constants", [(), ("y",)])
def test_comparisons(op_type: str, dtype: Any, constants: tuple[str, ...]) -> None:
    inputs: dict[str, Array | None] = {"x": NUMBERS.astype(dtype), "y": OTHERS.astype(dtype)}
    check_against_onnxruntime(op_type, inputs, constants=constants)
    made = model(op_type, inputs, constants=constants)
    compare = {
        "Equal": np.equal,
        "Greater": np.greater,
        "Less": np.less,
        "GreaterOrEqual": np.greater_equal,
        "LessOrEqual": np.less_equal,
    }[op_type]
    assert integers(made, runtime(inputs, constants))[0].tolist() == compare(NUMBERS, OTHERS).tolist()


@pytest.mark.parametrize("op_type", ["And", "Or", "Xor", "Equal"])
def test_logic(op_type: str) -> None:
    check_against_onnxruntime(op_type, {"x": TRUTHS, "y": TRUTHS.T})


def test_a_comparison_is_a_truth_value_to_interval_analysis() -> None:
    """`where` takes only conditions whose bound is within 0 and 1."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Equal", ["x", "y"], ["same"]),
        helper.make_node("Xor", ["same", "c"], ["either"]),
        helper.make_node("Where", ["either", "x", "y"], ["z"]),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.INT64, [6]) for name in "xy"]
    ports.append(helper.make_tensor_value_info("c", TensorProto.BOOL, [6]))
    out = [helper.make_tensor_value_info("z", TensorProto.INT64, [6])]
    made = helper.make_model(
        helper.make_graph(nodes, "choice", ports, out),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    c = np.array([True, False, True, False, True, False])
    wanted = np.where((NUMBERS == OTHERS) ^ c, NUMBERS, OTHERS)
    assert integers(made, [NUMBERS, OTHERS, c])[0].tolist() == wanted.tolist()


@pytest.mark.parametrize("op_type", ["IsNaN", "IsInf"])
def test_every_value_is_finite(op_type: str) -> None:
    check_against_onnxruntime(op_type, {"x": NUMBERS.astype(np.float32)}, opset=20)


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("constants", [(), ("amount",)])
def test_shifts_of_bytes_are_onnxruntimes(direction: str, constants: tuple[str, ...]) -> None:
    inputs: dict[str, Array | None] = {"x": ALL_BYTES, "amount": ALL_BYTES % 8}
    check_against_onnxruntime("BitShift", inputs, {"direction": direction}, constants=constants, opset=11)
    made = model("BitShift", inputs, {"direction": direction}, constants=constants, opset=11)
    wanted = (np.left_shift if direction == "LEFT" else np.right_shift)(ALL_BYTES, ALL_BYTES % 8)
    assert integers(made, runtime(inputs, constants))[0].tolist() == wanted.tolist()


@pytest.mark.parametrize("amount", [-1, 16, 17, 100])
def test_a_shift_beyond_the_width_leaves_the_sign(amount: int) -> None:
    x = np.array([-300, -1, 0, 1, 300], np.int16)
    inputs: dict[str, Array | None] = {"x": x, "amount": np.array(amount, np.int16)}
    for direction, wanted in (("RIGHT", [-1, -1, 0, 0, 0]), ("LEFT", [0] * 5)):
        for constants in ((), ("amount",)):
            made = model("BitShift", inputs, {"direction": direction}, constants=constants, opset=28)
            assert integers(made, runtime(inputs, constants))[0].tolist() == wanted


@pytest.mark.parametrize("amount", [0, 30, 31, 32, 40, 62, 63])
def test_long_shifts_take_two_steps(amount: int) -> None:
    x = np.array([1 << 45, 12345, 1 << 50], np.uint64)
    made = model(
        "BitShift",
        {"x": x, "a": np.array(amount, np.uint64)},
        {"direction": "RIGHT"},
        constants=["a"],
        opset=11,
    )
    assert floats(made, [x])[0].tolist() == (x >> np.uint64(amount)).tolist()


def test_a_left_shift_of_64_bits_by_run_time_amounts_is_refused() -> None:
    x = np.array([1, 2], np.uint64)
    with pytest.raises(UnsupportedError, match="shifts 64-bit integers left by amounts known at run time"):
        import_model(model("BitShift", {"x": x, "a": x}, {"direction": "LEFT"}, opset=11))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("op_type", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bitwise_logic(op_type: str, dtype: Any) -> None:
    limits = np.iinfo(dtype)
    x, y = RNG.integers(limits.min, limits.max, (2, 40), dtype=dtype, endpoint=True)
    x[:2], y[:2] = [limits.min, limits.max], [limits.max, limits.max]
    logic = {"BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor}[op_type]
    assert integers(model(op_type, {"x": x, "y": y}), [x, y])[0].tolist() == logic(x, y).tolist()
    mask = np.array(limits.max // 3, dtype)
    made = model(op_type, {"x": x, "y": mask}, constants=["y"])
    assert integers(made, [x])[0].tolist() == logic(x, mask).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_bitwise_not(dtype: Any) -> None:
    x = np.array([0, 1, 100, 127], dtype)
    assert integers(model("BitwiseNot", {"x": x}), [x])[0].tolist() == (~x).tolist()


def test_inverted_unsigned_64_bit_integers_are_refused() -> None:
    x = np.array([0, 1], np.uint64)
    with pytest.raises(UnsupportedError, match="inverts unsigned 64-bit integers"):
        import_model(model("BitwiseNot", {"x": x}))
