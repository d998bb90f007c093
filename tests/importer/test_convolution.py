"""Convolutions against onnxruntime: one to three spatial axes, groups, paddings, run-time weights, old
operator sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, model

RNG = np.random.default_rng(11)


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


IMAGE = reals(2, 4, 9, 8)

CONVOLUTIONS: list[tuple[Array, Array, dict[str, Any]]] = [
    (reals(1, 3, 10), reals(5, 3, 4), {"strides": [3], "pads": [2, 1]}),
    (IMAGE, reals(6, 4, 3, 2), {"dilations": [2, 3], "pads": [2, 1, 0, 3]}),
    (IMAGE, reals(6, 2, 3, 3), {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    (IMAGE, reals(8, 1, 2, 2), {"group": 4, "auto_pad": "SAME_LOWER"}),
    (IMAGE, reals(3, 4, 5, 3), {"auto_pad": "VALID", "strides": [2, 1]}),
    (reals(1, 2, 5, 6, 7), reals(4, 2, 2, 3, 3), {"pads": [1, 1, 0, 0, 1, 2], "strides": [2, 1, 3]}),
]


@pytest.mark.parametrize("opset", [7, 22])
@pytest.mark.parametrize("case", range(len(CONVOLUTIONS)))
def test_convolutions(case: int, opset: int) -> None:
    x, w, attrs = CONVOLUTIONS[case]
    check_against_onnxruntime("Conv", {"x": x, "w": w}, attrs, constants=["w"], opset=opset)


def test_weights_and_bias_may_be_computed_at_run_time() -> None:
    check_against_onnxruntime("Conv", {"x": IMAGE, "w": reals(6, 2, 3, 3), "b": reals(6)}, {"group": 2})
    check_against_onnxruntime(
        "ConvTranspose", {"x": IMAGE, "w": reals(4, 3, 3, 3), "b": reals(6)}, {"group": 2}
    )


TRANSPOSED: list[tuple[Array, Array, dict[str, Any]]] = [
    (reals(1, 3, 6), reals(3, 2, 4), {"strides": [3], "pads": [2, 1], "output_padding": [2]}),
    (IMAGE, reals(4, 3, 3, 2), {"dilations": [2, 3], "strides": [1, 2]}),
    (
        IMAGE,
        reals(4, 2, 3, 3),
        {"group": 4, "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    ),
    (IMAGE, reals(4, 2, 2, 2), {"pads": [3, 2, 2, 3], "strides": [2, 2]}),
    (IMAGE, reals(4, 2, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    (IMAGE, reals(4, 2, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    (IMAGE, reals(4, 2, 3, 3), {"strides": [2, 2], "auto_pad": "VALID"}),
    (IMAGE, reals(4, 2, 3, 3), {"strides": [3, 3], "output_shape": [26, 24]}),
    (IMAGE, reals(4, 2, 3, 3), {"strides": [3, 3], "output_shape": [25, 23]}),
    (reals(1, 2, 3, 3, 2), reals(2, 2, 2, 2, 3), {"strides": [2, 2, 2]}),
]


@pytest.mark.parametrize("opset", [7, 22])
@pytest.mark.parametrize("case", range(len(TRANSPOSED)))
def test_transposed_convolutions(case: int, opset: int) -> None:
    x, w, attrs = TRANSPOSED[case]
    check_against_onnxruntime("ConvTranspose", {"x": x, "w": w}, attrs, constants=["w"], opset=opset)


@pytest.mark.parametrize(
    ("inputs", "attrs", "message"),
    [
        ({"x": IMAGE, "w": reals(6, 3, 3, 3)}, {}, "1 groups do not fit"),
        ({"x": IMAGE, "w": reals(6, 4, 3, 3)}, {"pads": [-1, 0, 0, 0]}, "negative"),
        ({"x": IMAGE, "w": reals(6, 4, 3, 3)}, {"strides": [2]}, "strides"),
        ({"x": IMAGE, "w": reals(6, 4, 12, 3)}, {}, "does not fit an axis of 9"),
        ({"x": reals(2, 4), "w": reals(6, 4)}, {}, "spatial axes"),
    ],
)
def test_what_does_not_fit_is_refused(
    inputs: dict[str, Array | None], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model("Conv", inputs, attrs))


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"output_shape": [9]}, "2 positive sizes"),
        ({"output_padding": [-1, 0]}, "at least 0"),
        ({"dilations": [1, 1, 1]}, "should hold 2 numbers"),
    ],
)
def test_what_does_not_fit_a_transposed_convolution_is_refused(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model("ConvTranspose", {"x": IMAGE, "w": reals(4, 2, 3, 3)}, attrs))
