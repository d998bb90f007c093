"""GridSample, AffineGrid, RoiAlign and DeformConv against onnxruntime and NumPy; run-time and constant
positions agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model

RNG = np.random.default_rng(16)


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


IMAGE, VOLUME = reals(2, 3, 5, 4), reals(1, 2, 3, 4, 5)
GRID = RNG.uniform(-1.6, 1.6, size=(2, 6, 7, 2)).astype(np.float32)
VOLUME_GRID = RNG.uniform(-1.6, 1.6, size=(1, 3, 2, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grids(mode: str, padding: str, aligned: int) -> None:
    attrs = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    for constants in ([], ["g"]):
        check_against_onnxruntime("GridSample", {"x": IMAGE, "g": GRID}, attrs, constants=constants, opset=16)
    if mode != "bicubic":
        attrs["mode"] = mode.replace("bi", "")
        check_against_onnxruntime("GridSample", {"x": VOLUME, "g": VOLUME_GRID}, attrs, opset=20)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_positions_far_outside(padding: str) -> None:
    grid = RNG.uniform(-9, 9, size=(2, 4, 4, 2)).astype(np.float32)
    attrs = {"padding_mode": padding, "align_corners": 1}
    check_against_onnxruntime("GridSample", {"x": IMAGE, "g": grid}, attrs, opset=16)


def test_an_axis_of_one_cell() -> None:
    for padding in ("zeros", "border", "reflection"):
        attrs = {"padding_mode": padding, "align_corners": 1, "mode": "nearest"}
        inputs = {"x": reals(1, 2, 1, 4), "g": RNG.uniform(-1, 1, size=(1, 3, 3, 2)).astype(np.float32)}
        check_against_onnxruntime("GridSample", inputs, attrs, opset=16)


@pytest.mark.parametrize("aligned", [0, 1])
def test_affine_grids(aligned: int) -> None:
    for sizes in ([2, 3, 5, 4], [2, 3, 4, 3, 5]):
        axes = len(sizes) - 2
        inputs = {"t": reals(2, axes, axes + 1), "s": np.array(sizes)}
        attrs = {"align_corners": aligned}
        check_against_onnxruntime("AffineGrid", inputs, attrs, constants=["s"], opset=20)


ROIS = np.array([[0.5, 1.2, 3.1, 4.4], [-2.0, 0.3, 2.2, 9.0], [1.0, 1.0, 1.2, 1.3]], np.float32)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
def test_regions(coordinates: str, mode: str, constant: bool) -> None:
    inputs = {"x": IMAGE, "r": ROIS, "i": np.array([1, 0, 1])}
    attrs: dict[str, Any] = {
        "output_height": 2,
        "output_width": 3,
        "spatial_scale": 0.8,
        "sampling_ratio": 2,
        "mode": mode,
        "coordinate_transformation_mode": coordinates,
    }
    constants = ["r", "i"] if constant else []
    check_against_onnxruntime("RoiAlign", inputs, attrs, constants=constants, opset=16)
    if constant:
        check_against_onnxruntime(
            "RoiAlign", inputs, attrs | {"sampling_ratio": 0}, constants=constants, opset=16
        )


def test_the_first_regions_start_at_corners() -> None:
    inputs = {"x": IMAGE, "r": ROIS, "i": np.array([1, 0, 1])}
    attrs = {"output_height": 2, "output_width": 2, "sampling_ratio": 1}
    check_against_onnxruntime("RoiAlign", inputs, attrs, constants=["r", "i"], opset=10)


def test_samples_that_depend_on_run_time_sizes_are_refused() -> None:
    made = model("RoiAlign", {"x": IMAGE, "r": ROIS, "i": np.array([1, 0, 1])}, opset=16)
    with pytest.raises(UnsupportedError, match="give a sampling_ratio"):
        import_model(made)


@pytest.mark.parametrize("constant", [True, False])
def test_deformed_convolutions(constant: bool) -> None:
    inputs = {
        "x": reals(2, 4, 6, 5),
        "w": reals(6, 2, 3, 2),
        "o": reals(2, 2 * 3 * 2 * 2, 3, 6) * 1.5,
        "b": reals(6),
        "m": np.abs(reals(2, 2 * 3 * 2, 3, 6)),
    }
    attrs = {"group": 2, "offset_group": 2, "strides": [2, 1], "pads": [1, 1, 1, 1]}
    check_against_onnxruntime("DeformConv", inputs, attrs, constants=["w", "b"] if constant else [], opset=19)


def test_without_offsets_it_is_a_convolution() -> None:
    x, w = reals(1, 4, 6, 5), reals(3, 4, 3, 3)
    offsets = np.zeros((1, 18, 4, 3), np.float32)
    (got,) = floats(model("DeformConv", {"x": x, "w": w, "o": offsets}, constants=["o"], opset=19), [x, w])
    (want,) = floats(model("Conv", {"x": x, "w": w}), [x, w])
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attrs", "message"),
    [
        ("GridSample", {"x": IMAGE, "g": GRID[:1]}, {}, "does not fit an input"),
        ("GridSample", {"x": IMAGE, "g": GRID}, {"mode": "quintic"}, "not known"),
        (
            "RoiAlign",
            {"x": IMAGE, "r": ROIS, "i": np.zeros(3, np.int64)},
            {"sampling_ratio": 10**5},
            "too many",
        ),
        ("DeformConv", {"x": IMAGE, "w": reals(2, 3, 2, 2), "o": reals(2, 8, 3, 3)}, {}, "do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(
    op_type: str, inputs: dict[str, Array | None], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model(op_type, inputs, attrs, opset=20))
