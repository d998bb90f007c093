"""Elementwise arithmetic and powers: integer wrap and division, limits, special cases of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, runtime

RNG = np.random.default_rng(7)
REALS = RNG.normal(size=(3, 4)).astype(np.float32)
SIGNED = np.array([-7, -6, -1, 0, 1, 6, 7], dtype=np.int32)
DIVISORS = np.array([2, -4, 3, -5, -7, 4, -2], dtype=np.int32)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
def test_narrow_integers_wrap(op_type: str, dtype: Any) -> None:
    limits = np.iinfo(dtype)
    top, low = min(limits.max, 1 << 29), max(limits.min, -(1 << 29))
    x = np.array([top, top // 3, low, low, 5], dtype=dtype)
    y = np.array([top, 7, 1, top, top], dtype=dtype)
    wanted = {"Add": x + y, "Sub": x - y, "Mul": x * y}[op_type]
    assert integers(model(op_type, {"x": x, "y": y}), [x, y])[0].tolist() == wanted.tolist()


@pytest.mark.parametrize("constants", [(), ("y",)])
def test_integer_division_truncates(constants: tuple[str, ...]) -> None:
    inputs: dict[str, Array | None] = {"x": SIGNED, "y": DIVISORS}
    check_against_onnxruntime("Div", inputs, constants=constants)
    made = model("Div", inputs, constants=constants)
    assert integers(made, runtime(inputs, constants))[0].tolist() == [-3, 1, 0, 0, 0, 1, -3]


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("constants", [(), ("y",)])
def test_integer_remainder_has_the_right_sign(fmod: int, constants: tuple[str, ...]) -> None:
    inputs: dict[str, Array | None] = {"x": SIGNED, "y": DIVISORS}
    check_against_onnxruntime("Mod", inputs, {"fmod": fmod}, constants=constants)
    made = model("Mod", inputs, {"fmod": fmod}, constants=constants)
    wanted = (np.fmod if fmod else np.mod)(SIGNED, DIVISORS)
    assert integers(made, runtime(inputs, constants))[0].tolist() == wanted.tolist()


def test_real_remainder() -> None:
    y = np.array([0.7], dtype=np.float32)
    check_against_onnxruntime("Mod", {"x": REALS, "y": y}, {"fmod": 1}, constants=["y"])
    check_against_onnxruntime("Mod", {"x": REALS, "y": y}, {"fmod": 1})


def test_division_by_a_constant_zero_is_refused() -> None:
    made = model("Div", {"x": REALS, "y": np.array([1, 0, 2, 3], np.float32)}, constants=["y"])
    with pytest.raises(UnsupportedError, match="divides by a constant that is zero"):
        import_model(made)


@pytest.mark.parametrize("constants", [("x",), ("y",), ()])
def test_real_division(constants: tuple[str, ...]) -> None:
    y = np.array([0.5, -3, 7, 1.5], dtype=np.float32)
    check_against_onnxruntime("Div", {"x": REALS, "y": y}, constants=constants)
    check_against_onnxruntime("Div", {"x": np.array([2.5], np.float32), "y": y}, constants=constants)


@pytest.mark.parametrize("op_type", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("constants", [(), ("y",), ("x",)])
def test_many_inputs_broadcast(op_type: str, constants: tuple[str, ...]) -> None:
    z = RNG.normal(size=(2, 1, 4)).astype(np.float32)
    inputs: dict[str, Array | None] = {"x": REALS, "y": np.array([[[0.1]]], np.float32), "z": z}
    check_against_onnxruntime(op_type, inputs, constants=constants)


def test_a_maximum_with_a_constant_number_is_a_clip() -> None:
    made = model("Max", {"x": REALS, "y": np.array(0.1, np.float32)}, constants=["y"])
    assert [node.op for node in import_model(made).nodes][-1] == "clip"


def test_limits_were_attributes_before_opset_11() -> None:
    check_against_onnxruntime("Clip", {"x": REALS}, {"min": -0.5, "max": 0.25}, opset=7)
    check_against_onnxruntime("Clip", {"x": REALS}, {"max": 0.25}, opset=10)


@pytest.mark.parametrize("constants", [(), ("lo", "hi"), ("lo",)])
def test_limits_are_inputs_since(constants: tuple[str, ...]) -> None:
    lo, hi = np.array(-0.5, np.float32), np.array(0.25, np.float32)
    check_against_onnxruntime("Clip", {"x": REALS, "lo": lo, "hi": hi}, constants=constants)
    check_against_onnxruntime(
        "Clip", {"x": REALS, "lo": None, "hi": hi}, constants=constants and ("hi",)[: "hi" in constants]
    )


def test_limits_at_the_end_of_the_type_are_none() -> None:
    lowest = np.array(np.finfo(np.float32).min, np.float32)
    made = model("Clip", {"x": REALS, "lo": lowest, "hi": np.array(6, np.float32)}, constants=["lo", "hi"])
    clips = [node for node in import_model(made).nodes if node.op == "clip"]
    assert [(clip.attrs["lo"], clip.attrs["hi"]) for clip in clips] == [(None, 6.0)]


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 1.7])
def test_constant_exponents(exponent: float) -> None:
    x = np.abs(REALS) + 0.1
    check_against_onnxruntime("Pow", {"x": x, "y": np.array(exponent, np.float32)}, constants=["y"])


@pytest.mark.parametrize("exponents", [[0, 1, 2, 3], [0.5, 1, 2.5, 1], list(np.linspace(0.1, 3, 12))])
def test_constant_exponents_for_each_cell(exponents: list[float]) -> None:
    x = np.full((2, len(exponents)), 1.3, np.float32)
    check_against_onnxruntime("Pow", {"x": x, "y": np.array(exponents, np.float32)}, constants=["y"])
    scalar = np.array(1.3, np.float32)
    check_against_onnxruntime("Pow", {"x": scalar, "y": np.array(exponents, np.float32)}, constants=["y"])


def test_integer_powers_are_exact() -> None:
    x, y = np.array([-3, 2, 5], np.int64), np.array([[9], [4]], np.int64)
    made = model("Pow", {"x": x, "y": y}, constants=["y"])
    assert integers(made, [x])[0].tolist() == (x**y).tolist()


def test_integer_powers_wrap() -> None:
    x, y = np.array([77, 300], np.int32), np.array(7, np.int32)
    made = model("Pow", {"x": x, "y": y}, constants=["y"])
    assert integers(made, [x])[0].tolist() == (x**y).tolist()


def test_a_constant_base_is_one_table() -> None:
    made = model("Pow", {"x": np.array(2, np.float32), "y": REALS}, constants=["x"])
    assert [node.attrs["name"] for node in import_model(made).nodes if node.op == "function"] == ["exp_base"]
    np.testing.assert_allclose(floats(made, [REALS])[0], 2.0**REALS, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "constants", "why"),
    [
        (np.array([2], np.int64), np.array([3], np.int64), (), "exponent that is computed at run time"),
        (np.array([2], np.int64), np.array([0.5], np.float32), ("y",), "integers to the power 0.5"),
        (np.array([-2.0], np.float32), np.array([3.0], np.float32), ("x",), "base is not positive"),
    ],
)
def test_powers_without_a_meaning_are_refused(
    x: Array, y: Array, constants: tuple[str, ...], why: str
) -> None:
    with pytest.raises(UnsupportedError, match=why):
        import_model(model("Pow", {"x": x, "y": y}, constants=constants))


@pytest.mark.parametrize("op_type", ["Abs", "Neg", "Sign"])
def test_signs_of_integers(op_type: str) -> None:
    check_against_onnxruntime(op_type, {"x": SIGNED})
    wanted = {"Abs": np.abs, "Neg": np.negative, "Sign": np.sign}[op_type](SIGNED)
    assert integers(model(op_type, {"x": SIGNED}), [SIGNED])[0].tolist() == wanted.tolist()
