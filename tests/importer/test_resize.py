"""Resize and Upsample against onnxruntime, whose rounding of positions they share, and by hand where it
errs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model

RNG = np.random.default_rng(15)
IMAGE = RNG.normal(size=(1, 3, 5, 7)).astype(np.float32)
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def check(
    sizes: list[int] | None, scales: list[float] | None, attrs: dict[str, Any], opset: int = 13
) -> None:
    inputs: dict[str, Array | None] = {"x": IMAGE, "roi": None, "scales": None, "sizes": None}
    constants = []
    if scales is not None:
        inputs["scales"] = np.array(scales, np.float32)
        constants.append("scales")
        del inputs["sizes"]
    else:
        inputs["sizes"] = np.array(sizes, np.int64)
        constants.append("sizes")
    check_against_onnxruntime("Resize", inputs, attrs, constants=constants, opset=opset)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic", *NEAREST])
def test_modes(mode: str, coordinates: str) -> None:
    attrs: dict[str, Any] = {"coordinate_transformation_mode": coordinates, "mode": mode}
    if mode in NEAREST:
        attrs |= {"mode": "nearest", "nearest_mode": mode}
    check([1, 3, 9, 4], None, attrs)
    if mode not in NEAREST:  # onnxruntime's float32 misses positions that are whole numbers
        check([1, 3, 10, 1], None, attrs)
    check(None, [1, 1, 2, 3], attrs)
    if (
        coordinates != "align_corners"
    ):  # onnxruntime stretches to the rounded size there, against the specification
        check(None, [1, 1, 0.6, 1.7], attrs)


def test_cubic_options() -> None:
    attrs = {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}
    check([1, 3, 8, 4], None, attrs)


def test_antialiasing() -> None:
    for mode in ("linear", "cubic"):
        attrs = {"mode": mode, "antialias": 1, "exclude_outside": 1}
        check([1, 3, 3, 4], None, attrs, opset=18)


def test_all_axes_may_be_resized() -> None:
    check([2, 5, 4, 9], None, {"mode": "nearest"})


def test_axes_and_aspect_ratio() -> None:
    for policy in ("stretch", "not_larger", "not_smaller"):
        attrs = {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": policy}
        check([8, 21], None, attrs, opset=18)
    check(None, [2.0, 0.5], {"mode": "nearest", "axes": [3, 1]}, opset=18)


def test_the_first_resize_and_the_old_upsample() -> None:
    inputs = {"x": IMAGE, "s": np.array([1, 1, 2, 1.5], np.float32)}
    for mode in ("nearest", "linear"):
        check_against_onnxruntime("Resize", inputs, {"mode": mode}, constants=["s"], opset=10)
        check_against_onnxruntime("Upsample", inputs, {"mode": mode}, constants=["s"], opset=9)
        attrs = {"mode": mode, "scales": [1.0, 1.0, 2.0, 1.5]}
        check_against_onnxruntime("Upsample", {"x": IMAGE}, attrs, opset=7)


def test_crops_read_a_value_outside() -> None:
    roi = np.array([0, 0, -0.2, 0.3, 1, 1, 0.7, 1.4], np.float32)
    inputs = {"x": IMAGE, "roi": roi, "scales": None, "sizes": np.array([1, 3, 6, 6])}
    attrs = {
        "mode": "linear",
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "extrapolation_value": 9.0,
    }
    check_against_onnxruntime("Resize", inputs, attrs, constants=["roi", "sizes"], opset=13)


def test_integers_are_rounded_and_kept_in_their_type() -> None:
    x = np.array([[[[0, 255, 0, 255]]]], np.uint8)
    inputs = {"x": x, "roi": None, "scales": None, "sizes": np.array([1, 1, 1, 9])}
    (got,) = floats(model("Resize", inputs, {"mode": "cubic"}, constants=["sizes"], opset=13), [x])
    assert got.min() == 0 and got.max() == 255 and np.array_equal(got, np.rint(got))


@pytest.mark.parametrize(
    ("change", "attrs", "message"),
    [
        ({}, {"coordinate_transformation_mode": "elsewhere"}, "not known"),
        ({}, {"nearest_mode": "random"}, "not known"),
        ({}, {"mode": "spline"}, "not known"),
        ({"sizes": np.array([2, 3])}, {}, "should be 4 positive numbers"),
        ({"sizes": None, "scales": np.array([1, 1, 0, 1], np.float32)}, {}, "should be 4 positive numbers"),
        ({"sizes": None, "scales": np.array([1, 1, 0.1, 1], np.float32)}, {}, "without cells"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict[str, Array | None], attrs: dict[str, Any], message: str
) -> None:
    inputs = {"x": IMAGE, "roi": None, "scales": None, "sizes": np.array([1, 3, 6, 6])} | change
    constants = [name for name in ("scales", "sizes") if inputs[name] is not None]
    given = {k: v for k, v in inputs.items() if v is not None}
    graph = helper.make_graph(
        [helper.make_node("Resize", [k if v is not None else "" for k, v in inputs.items()], ["y"], **attrs)],
        "resize",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, IMAGE.shape)],
        [helper.make_value_info("y", onnx.TypeProto())],
        [numpy_helper.from_array(given[name], name) for name in constants],
    )
    with pytest.raises(UnsupportedError, match=message):
        import_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]))
