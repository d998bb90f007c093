"""Gathers with constant and run-time indices, one-hot, compress, reversed sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model

RNG = np.random.default_rng(12)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
BOTH = pytest.mark.parametrize("constants", [["index"], []], ids=["constant", "run-time"])


def within(size: int, *shape: int) -> Array:
    """Indices that ONNX allows on an axis of a size, negative ones too."""
    return RNG.integers(-size, size, size=shape).astype(np.int64)


@BOTH
@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 2)), (1, ()), (-1, (3,)), (1, (1, 2))])
def test_gather(axis: int, shape: tuple[int, ...], constants: list[str]) -> None:
    index = within(X.shape[axis], *shape)
    check_against_onnxruntime("Gather", {"x": X, "index": index}, {"axis": axis}, constants=constants)


@BOTH
@pytest.mark.parametrize(("axis", "shape"), [(0, (6, 4, 5)), (1, (3, 7, 2)), (-1, (2, 1, 3))])
def test_gather_elements(axis: int, shape: tuple[int, ...], constants: list[str]) -> None:
    inputs = {"x": X, "index": within(X.shape[axis], *shape)}
    check_against_onnxruntime("GatherElements", inputs, {"axis": axis}, constants=constants)


@BOTH
@pytest.mark.parametrize(("batch", "depth"), [(0, 1), (0, 3), (1, 1), (1, 2), (2, 1)])
def test_gather_nd(batch: int, depth: int, constants: list[str]) -> None:
    columns = [within(n, *X.shape[:batch], 2) for n in X.shape[batch : batch + depth]]
    inputs = {"x": X, "index": np.stack(columns, axis=-1)}
    check_against_onnxruntime("GatherND", inputs, {"batch_dims": batch}, constants=constants)


@pytest.mark.parametrize("op_type", ["Gather", "GatherElements"])
def test_a_constant_index_outside_is_refused(op_type: str) -> None:
    index = np.full((1, 4, 5), 3, dtype=np.int64)
    with pytest.raises(UnsupportedError, match="leaves an axis of size 3"):
        import_model(model(op_type, {"x": X, "index": index}, {"axis": 0}, constants=["index"]))


def test_a_run_time_index_outside_means_the_nearest_cell() -> None:
    index = np.array([-9, -3, 2, 3, 99], dtype=np.int64)
    made = model("Gather", {"x": X, "index": index}, {"axis": 0})
    np.testing.assert_array_equal(floats(made, [X, index])[0], X[[0, 0, 2, 2, 2]])


def test_a_circuit_looks_up_integers_exactly() -> None:
    table = RNG.integers(-50, 50, size=(7, 3)).astype(np.int64)
    index = within(7, 2, 4)
    made = model("Gather", {"x": table, "index": index}, {"axis": 0}, constants=["x"])
    np.testing.assert_array_equal(integers(made, [index])[0], table[index])


def test_sorted_positions_are_known_to_be_inside() -> None:
    """The positions that TopK yields need neither wrapping nor clamping."""
    graph = import_model(model("TopK", {"x": X, "k": np.array([2])}, constants=["k"], outputs=2))
    assert not {"where", "clip", "greater"} & {node.op for node in graph.nodes}


@pytest.mark.parametrize("attrs", [{}, {"axis": 0}, {"axis": 1}])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_one_hot(attrs: Mapping[str, Any], dtype: type) -> None:
    inputs = {
        "index": RNG.integers(-7, 8, size=(2, 6)).astype(dtype),
        "depth": dtype(6),
        "values": np.array([-1.5, 2.0], np.float32),
    }
    check_against_onnxruntime("OneHot", inputs, attrs, constants=["depth", "values"])


@pytest.mark.parametrize("attrs", [{}, {"axis": -1}, {"axis": 0}])
def test_compress(attrs: Mapping[str, Any]) -> None:
    kept = np.array([True, False, True])
    check_against_onnxruntime("Compress", {"x": X, "kept": kept}, attrs, constants=["kept"])


def test_compress_at_run_time_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="its condition is computed at run time"):
        import_model(model("Compress", {"x": X, "kept": np.array([True, False, True])}, {"axis": 0}))


@pytest.mark.parametrize("constants", [["lengths"], []])
@pytest.mark.parametrize(("batch", "time"), [(0, 1), (1, 0)])
def test_reverse_sequence(batch: int, time: int, constants: list[str]) -> None:
    lengths = np.array([1, 3, 2, 3][: X.shape[batch]] if batch else [4, 1, 3], dtype=np.int64)
    attrs = {"batch_axis": batch, "time_axis": time}
    check_against_onnxruntime("ReverseSequence", {"x": X, "lengths": lengths}, attrs, constants=constants)


@pytest.mark.parametrize("op_type", ["NonZero", "Unique"])
def test_results_whose_number_depends_on_data_are_refused(op_type: str) -> None:
    with pytest.raises(UnsupportedError, match="how many results it has depends on data"):
        import_model(model(op_type, {"x": X}))
