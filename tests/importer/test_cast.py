"""Conversions between element types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model

INTEGERS = np.array([-70000, -129, -128, -1, 0, 1, 127, 128, 255, 256, 40000, 2**31 - 1], dtype=np.int64)
REALS = np.array([-3.7, -1.0, -0.5, 0.0, 0.5, 0.99, 2.0, 120.9], dtype=np.float32)


def tensor_type(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@pytest.mark.parametrize("target", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64])
def test_integers_keep_their_low_bits_in_a_narrower_type(target: Any) -> None:
    made = model("Cast", {"x": INTEGERS}, {"to": tensor_type(target)})
    assert floats(made, [INTEGERS])[0].tolist() == INTEGERS.astype(target).tolist()
    assert integers(made, [INTEGERS])[0].tolist() == INTEGERS.astype(target).tolist()


@pytest.mark.parametrize("target", [np.int8, np.int32, np.int64, np.bool_, np.float64])
def test_reals_go_towards_zero(target: Any) -> None:
    check_against_onnxruntime("Cast", {"x": REALS}, {"to": tensor_type(target)})


@pytest.mark.parametrize("target", [np.float32, np.int32, np.uint8])
def test_truth_values_are_0_and_1(target: Any) -> None:
    check_against_onnxruntime("Cast", {"x": REALS > 0}, {"to": tensor_type(target)})


@pytest.mark.parametrize("name", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"])
def test_reals_take_the_nearest_value_of_a_small_float_format(name: str) -> None:
    x = np.concatenate(
        [np.random.default_rng(1).normal(size=300) * 10.0 ** np.arange(-4, 6).repeat(30), [0, 1e9]]
    )
    x = x.astype(np.float32)
    target = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name))
    got = floats(model("Cast", {"x": x}, {"to": getattr(TensorProto, name)}), [x])[0]
    assert got.tolist() == numpy_helper.saturate_cast(x, target).astype(np.float64).tolist()


@pytest.mark.parametrize("mode", ["up", "down", "nearest"])
def test_reals_become_powers_of_two(mode: str) -> None:
    x = np.array([0.3, 0.5, 0.6, 0.75, 1.0, 1.4, 1.6, 3.1, 1e20], dtype=np.float32)
    attrs = {"to": TensorProto.FLOAT8E8M0, "round_mode": mode}
    got = floats(model("Cast", {"x": x}, attrs, opset=25), [x])[0]
    assert got.tolist() == numpy_helper.to_float8e8m0(x, True, mode).astype(np.float64).tolist()


def test_cast_like_reads_only_the_type_of_its_second_input() -> None:
    like = np.zeros(3, dtype=np.uint8)
    made = model("CastLike", {"x": INTEGERS, "like": like})
    assert floats(made, [INTEGERS, like])[0].tolist() == INTEGERS.astype(np.uint8).tolist()


@pytest.mark.parametrize(
    ("x", "target"), [(np.array([-1, -128, 5], np.int8), np.uint8), (np.array([True, False]), np.uint8)]
)
def test_bits_of_integers_are_read_as_another_integer(x: Array, target: Any) -> None:
    got = integers(model("BitCast", {"x": x}, {"to": tensor_type(target)}, opset=26), [x])[0]
    assert got.tolist() == x.view(target).tolist()


def test_bits_of_floats_are_refused() -> None:
    made = model("BitCast", {"x": REALS}, {"to": TensorProto.INT32}, opset=26)
    with pytest.raises(UnsupportedError, match="BitCast node 'y0': the bits of a float have no meaning"):
        import_model(made)
