"""Pooling against onnxruntime: rounding up, dilations, indices, old operator sets; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, reference

RNG = np.random.default_rng(12)


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


LINE, IMAGE, VOLUME = reals(1, 3, 11), reals(2, 3, 9, 8), reals(1, 2, 6, 5, 7)
WINDOWS: list[tuple[Array, dict[str, Any]]] = [
    (LINE, {"kernel_shape": [3], "strides": [2]}),
    (LINE, {"kernel_shape": [3], "strides": [3], "ceil_mode": 1}),
    (IMAGE, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    (IMAGE, {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    (IMAGE, {"kernel_shape": [2, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    (IMAGE, {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    (IMAGE, {"kernel_shape": [2, 3], "auto_pad": "VALID"}),
    (IMAGE, {"kernel_shape": [9, 8]}),
    (VOLUME, {"kernel_shape": [2, 2, 3], "strides": [2, 1, 2], "pads": [0, 1, 1, 1, 0, 1]}),
]


@pytest.mark.parametrize("case", range(len(WINDOWS)))
@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
def test_windows(op_type: str, case: int) -> None:
    x, attrs = WINDOWS[case]
    check_against_onnxruntime(op_type, {"x": x}, attrs, opset=12)
    if "ceil_mode" not in attrs:
        check_against_onnxruntime(op_type, {"x": x}, attrs, opset=7)


@pytest.mark.parametrize("case", range(len(WINDOWS)))
def test_padding_counts_in_the_mean_if_asked_for(case: int) -> None:
    x, attrs = WINDOWS[case]
    check_against_onnxruntime("AveragePool", {"x": x}, attrs | {"count_include_pad": 1}, opset=19)


def test_dilations() -> None:
    attrs = {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 2, 1]}
    check_against_onnxruntime("MaxPool", {"x": IMAGE}, attrs, opset=12)
    check_against_onnxruntime("AveragePool", {"x": IMAGE}, attrs, opset=19)


@pytest.mark.parametrize("storage_order", [0, 1])
@pytest.mark.parametrize("case", range(len(WINDOWS)))
def test_the_maxima_come_with_their_places(case: int, storage_order: int) -> None:
    x, attrs = WINDOWS[case]
    if (
        x is VOLUME and storage_order
    ):  # onnxruntime numbers the cells of a volume in another order than it says
        return
    attrs = attrs | {"storage_order": storage_order}
    check_against_onnxruntime("MaxPool", {"x": x}, attrs, opset=12, outputs=2)


def test_of_equal_maxima_the_first_is_named() -> None:
    flat = np.zeros((1, 1, 4, 4), dtype=np.float32)
    attrs = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    check_against_onnxruntime("MaxPool", {"x": flat}, attrs, opset=12, outputs=2)


def test_integers_pool_exactly() -> None:
    x = RNG.integers(-128, 128, size=(1, 2, 6, 6)).astype(np.int8)
    attrs = {"kernel_shape": [2, 2], "strides": [2, 2]}
    (got,) = integers(model("MaxPool", {"x": x}, attrs, opset=12), [x])
    np.testing.assert_array_equal(got, x.reshape(1, 2, 3, 2, 3, 2).max(axis=(3, 5)))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norms_over_windows_and_images(p: int) -> None:
    attrs = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "p": p}
    check_against_onnxruntime("LpPool", {"x": IMAGE}, attrs, opset=11)
    check_against_onnxruntime("GlobalLpPool", {"x": IMAGE}, {"p": p}, opset=11)


@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "GlobalMaxPool"])
def test_whole_images(op_type: str) -> None:
    for x in (LINE, IMAGE, VOLUME):
        check_against_onnxruntime(op_type, {"x": x}, opset=7)


@pytest.mark.parametrize("strides", [[2, 2], [1, 1]])
def test_unpooling_puts_the_maxima_back(strides: list[int]) -> None:
    pool: dict[str, Any] = {"kernel_shape": [2, 2], "strides": strides}
    x = reals(2, 3, 8, 6)
    values, places = reference(model("MaxPool", {"x": x}, pool, opset=12, outputs=2), [x])
    check_against_onnxruntime("MaxUnpool", {"x": values, "i": places}, pool, opset=11)


def test_unpooling_may_be_given_a_shape() -> None:
    inputs = {"x": reals(1, 1, 2, 2), "i": np.array([[[[0, 3], [9, 14]]]]), "s": np.array([1, 1, 5, 6])}
    made = model("MaxUnpool", inputs, {"kernel_shape": [2, 2], "strides": [2, 2]}, constants=["s"], opset=11)
    (got,) = floats(made, [inputs["x"], inputs["i"]])
    want = np.zeros((4, 4), dtype=np.float32)
    want.reshape(-1)[[0, 3, 9, 14]] = inputs["x"].reshape(-1)
    np.testing.assert_array_equal(got[0, 0], np.pad(want, ((0, 1), (0, 2))))


@pytest.mark.parametrize(
    ("op_type", "attrs", "message"),
    [
        ("MaxPool", {"kernel_shape": [2]}, "2 positive sizes"),
        ("MaxPool", {"kernel_shape": [2, 0]}, "2 positive sizes"),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [1, 0]}, "at least 1"),
        ("AveragePool", {"kernel_shape": [10**8, 1], "pads": [10**8, 0, 0, 0]}, "are too many"),
        ("LpPool", {"kernel_shape": [2, 2], "p": 0}, "a norm has 1 or more"),
        ("MaxPool", {"kernel_shape": [2, 10]}, "does not fit an axis of 8"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, "negative"),
    ],
)
def test_what_does_not_fit_is_refused(op_type: str, attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model(op_type, {"x": IMAGE}, attrs))
