"""Writing updates at constant and run-time indices, with every reduction."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, reference

RNG = np.random.default_rng(13)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
BOTH = pytest.mark.parametrize("constants", [["index"], []], ids=["constant", "run-time"])
REDUCTIONS = pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])


def distinct(size: int, *shape: int, axis: int) -> Array:
    """Indices that never name a cell twice along an axis, some of them negative."""
    index = np.argsort(RNG.random(shape[:axis] + (size,) + shape[axis + 1 :]), axis=axis)
    index = np.take(index, np.arange(shape[axis]), axis=axis)
    return np.where(RNG.random(index.shape) < 0.5, index, index - size).astype(np.int64)


@BOTH
@REDUCTIONS
@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 4, 5)), (1, (2, 3, 4)), (-1, (3, 1, 5))])
def test_scatter_elements(reduction: str, axis: int, shape: tuple[int, ...], constants: list[str]) -> None:
    if reduction == "none":  # ONNX leaves open which of two updates for one cell stays
        index = distinct(X.shape[axis], *shape, axis=axis % 3)
    else:
        index = RNG.integers(-X.shape[axis], X.shape[axis], size=shape)
    updates = RNG.normal(size=shape).astype(np.float32)
    check_against_onnxruntime(
        "ScatterElements",
        {"x": X, "index": index, "updates": updates},
        {"axis": axis, "reduction": reduction},
        constants=constants,
        opset=18,
    )


@BOTH
@REDUCTIONS
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd(reduction: str, depth: int, constants: list[str]) -> None:
    sizes = X.shape[:depth]
    if reduction == "none":
        flat = RNG.permutation(int(np.prod(sizes)))[:3]
    else:
        flat = RNG.integers(0, int(np.prod(sizes)), size=3)
    index = np.stack(np.unravel_index(flat, sizes), axis=-1).astype(np.int64)
    index[0] -= np.array(sizes)
    updates = RNG.normal(size=(3, *X.shape[depth:])).astype(np.float32)
    check_against_onnxruntime(
        "ScatterND",
        {"x": X, "index": index, "updates": updates},
        {"reduction": reduction},
        constants=constants,
        opset=18,
    )


@BOTH
def test_the_last_update_of_a_cell_stays(constants: list[str]) -> None:
    index = np.array([[1, 1, 0, 1]], dtype=np.int64)
    updates = np.array([[5.0, 6.0, 7.0, 8.0]], dtype=np.float32)
    x = np.zeros((1, 3), np.float32)
    given = {"x": x, "index": index, "updates": updates}
    made = model("ScatterElements", given, {"axis": 1}, constants=constants, opset=18)
    run_time = [x, updates] if constants else [x, index, updates]
    np.testing.assert_array_equal(floats(made, run_time)[0], [[7.0, 8.0, 0.0]])


@REDUCTIONS
def test_circuits_write_integers_exactly(reduction: str) -> None:
    x = RNG.integers(-9, 10, size=(4, 3)).astype(np.int64)
    index = np.array([[2], [0], [2]] if reduction != "none" else [[2], [0], [3]], dtype=np.int64)
    updates = RNG.integers(-9, 10, size=(3, 3)).astype(np.int64)
    made = model(
        "ScatterND", {"x": x, "index": index, "updates": updates}, {"reduction": reduction}, opset=18
    )
    inputs = [x, index, updates]
    np.testing.assert_array_equal(integers(made, inputs)[0], reference(made, inputs)[0])


def test_before_opset_11_it_was_called_scatter() -> None:
    index, updates = np.array([[1], [0], [3]], dtype=np.int64), np.ones((3, 1), np.float32)
    inputs = {"x": X[0, :3], "index": index, "updates": updates}
    check_against_onnxruntime("Scatter", inputs, {"axis": 1}, constants=["index"], opset=10)


def test_no_updates_change_nothing() -> None:
    inputs = {"x": X, "index": np.zeros((0, 1), np.int64), "updates": np.zeros((0, 4, 5), np.float32)}
    check_against_onnxruntime("ScatterND", inputs, constants=["index", "updates"], opset=18)


def test_too_many_comparisons_are_refused() -> None:
    x, index = np.zeros((1, 1 << 13), np.float32), np.zeros((1, 1 << 12), np.int64)
    made = model(
        "ScatterElements", {"x": x, "index": index, "updates": x[:, : 1 << 12]}, {"axis": 1}, opset=18
    )
    with pytest.raises(UnsupportedError, match="comparisons: make its indices constant"):
        import_model(made)


@pytest.mark.parametrize("constants", [["starts"], []])
@pytest.mark.parametrize(("mode", "starts"), [("linear", [1, 0]), ("circular", [3, 2])])
def test_tensor_scatter(mode: str, starts: list[int], constants: list[str]) -> None:
    cache = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    news = RNG.normal(size=(2, 3, 2, 5)).astype(np.float32)
    given = {"x": cache, "updates": news, "starts": np.array(starts, dtype=np.int64)}
    made = model("TensorScatter", given, {"mode": mode}, constants=constants, opset=24)
    want = cache.copy()
    for sample, start in enumerate(starts):
        for row in range(2):
            want[sample, :, (start + row) % 4] = news[sample, :, row]
    got = floats(made, [x for name, x in given.items() if name not in constants])[0]
    np.testing.assert_array_equal(got, want)
