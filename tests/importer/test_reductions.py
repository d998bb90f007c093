"""Reductions, softmax, running totals: old and new forms, integers, corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, runtime

RNG = np.random.default_rng(5)
REALS = RNG.normal(size=(2, 3, 5)).astype(np.float32)
POSITIVE = np.abs(REALS) + 0.1
WHOLE = RNG.integers(-9, 10, size=(2, 3, 5)).astype(np.int64)
REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax"),
    *("ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
)


@pytest.mark.parametrize("op_type", REDUCTIONS)
def test_axes_were_an_attribute(op_type: str) -> None:
    for attrs in ({"axes": [1]}, {"axes": [-1, 0], "keepdims": 0}, {}, {"axes": [0, 1, 2], "keepdims": 0}):
        check_against_onnxruntime(op_type, {"x": POSITIVE}, attrs, opset=11)


@pytest.mark.parametrize("op_type", REDUCTIONS)
def test_axes_are_an_input(op_type: str) -> None:
    for axes in ([1], [-1, 0]):
        inputs: dict[str, Array | None] = {"x": POSITIVE, "axes": np.array(axes, np.int64)}
        check_against_onnxruntime(op_type, inputs, {"keepdims": 0}, constants=["axes"], opset=18)
    check_against_onnxruntime(op_type, {"x": POSITIVE}, opset=18)


@pytest.mark.parametrize("op_type", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceMean"])
def test_without_axes_it_may_do_nothing(op_type: str) -> None:
    check_against_onnxruntime(op_type, {"x": REALS}, {"noop_with_empty_axes": 1}, opset=18)


def test_run_time_axes_are_refused() -> None:
    made = model("ReduceSum", {"x": REALS, "axes": np.array([1], np.int64)}, opset=18)
    with pytest.raises(UnsupportedError, match="its axes is computed at run time"):
        import_model(made)


@pytest.mark.parametrize(
    "op_type", ["ReduceL1", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"]
)
def test_integers_reduce_exactly(op_type: str) -> None:
    kernel = {
        "ReduceL1": lambda x: np.abs(x).sum(1),
        "ReduceMax": lambda x: x.max(1),
        "ReduceMin": lambda x: x.min(1),
        "ReduceProd": lambda x: x.prod(1),
        "ReduceSum": lambda x: x.sum(1),
        "ReduceSumSquare": lambda x: (x * x).sum(1),
    }[op_type]
    inputs: dict[str, Array | None] = {"x": WHOLE, "axes": np.array([1], np.int64)}
    made = model(op_type, inputs, {"keepdims": 0}, constants=["axes"], opset=18)
    assert integers(made, [WHOLE])[0].tolist() == kernel(WHOLE).tolist()


def test_integer_means_truncate() -> None:
    x = np.array([[-3, -4], [3, 4], [5, 5]], np.int32)
    made = model("ReduceMean", {"x": x}, {"axes": [1], "keepdims": 0}, opset=13)
    assert integers(made, [x])[0].tolist() == [-3, 3, 5]


def test_roots_of_integers_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="root or a logarithm of integers"):
        import_model(model("ReduceL2", {"x": WHOLE}, opset=13))


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, None])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax_over_one_axis_or_over_all_from_one_on(op_type: str, axis: int | None, opset: int) -> None:
    attrs = {} if axis is None else {"axis": axis}
    check_against_onnxruntime(op_type, {"x": 3 * REALS}, attrs, opset=opset)


def test_of_equal_maxima_the_first_counts() -> None:
    x = np.array([[1, 5, 5], [2, 2, 2], [0, -1, 0]], np.float32)
    check_against_onnxruntime("Hardmax", {"x": x}, {"axis": 1})


def test_the_softmax_of_large_values_stays_finite() -> None:
    x = np.array([[1e4, 1e4 - 1, -1e4]], np.float32)
    np.testing.assert_allclose(floats(model("Softmax", {"x": x}), [x])[0].sum(), 1)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums(exclusive: int, reverse: int, axis: int) -> None:
    inputs: dict[str, Array | None] = {"x": REALS, "axis": np.array(axis, np.int64)}
    attrs = {"exclusive": exclusive, "reverse": reverse}
    check_against_onnxruntime("CumSum", inputs, attrs, constants=["axis"], opset=14)


@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_running_products_of_integers(exclusive: int, reverse: int) -> None:
    x = RNG.integers(1, 4, size=7).astype(np.int64)
    ordered = x[::-1] if reverse else x
    wanted = np.cumprod(np.append(1, ordered[:-1]) if exclusive else ordered)
    inputs: dict[str, Array | None] = {"x": x, "axis": np.array(0, np.int64)}
    made = model(
        "CumProd", inputs, {"exclusive": exclusive, "reverse": reverse}, constants=["axis"], opset=26
    )
    assert (
        integers(made, runtime(inputs, ["axis"]))[0].tolist()
        == (wanted[::-1] if reverse else wanted).tolist()
    )


def test_an_exclusive_sum_over_one_cell_is_zero() -> None:
    x: Any = np.array([[4.0]], np.float32)
    check_against_onnxruntime(
        "CumSum", {"x": x, "a": np.array(1, np.int64)}, {"exclusive": 1}, constants=["a"]
    )
