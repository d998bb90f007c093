"""The order of cells: ties, both directions, old forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import check_against_onnxruntime, integers, model, reference

RNG = np.random.default_rng(14)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
TIES = RNG.integers(-2, 3, size=(3, 4, 5)).astype(np.int64)


@pytest.mark.parametrize("op_type", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize(
    "attrs", [{}, {"axis": -1}, {"axis": 1, "keepdims": 0}, {"axis": 2, "select_last_index": 1}]
)
def test_ties_go_to_the_first_or_last(op_type: str, attrs: Mapping[str, Any]) -> None:
    check_against_onnxruntime(op_type, {"x": TIES.astype(np.float32)}, attrs, opset=13)
    made = model(op_type, {"x": TIES.astype(np.int32)}, attrs, opset=13)
    given = [TIES.astype(np.int32)]
    np.testing.assert_array_equal(integers(made, given)[0], reference(made, given)[0])


@pytest.mark.parametrize("attrs", [{}, {"axis": 0}, {"axis": 1, "largest": 0}, {"largest": 0, "sorted": 1}])
def test_top_k(attrs: Mapping[str, Any]) -> None:
    count = np.array([2], dtype=np.int64)
    check_against_onnxruntime("TopK", {"x": X, "k": count}, attrs, constants=["k"], outputs=2)
    made = model("TopK", {"x": TIES, "k": count}, attrs, constants=["k"], outputs=2)
    for got, want in zip(integers(made, [TIES]), reference(made, [TIES]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_k_was_an_attribute() -> None:
    check_against_onnxruntime("TopK", {"x": X}, {"k": 3, "axis": 1}, opset=9, outputs=2)


def test_k_at_run_time_or_too_large_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="its K is computed at run time"):
        import_model(model("TopK", {"x": X, "k": np.array([2])}, outputs=2))
    with pytest.raises(UnsupportedError, match="takes 6 of the 5 cells"):
        import_model(model("TopK", {"x": X, "k": np.array([6])}, constants=["k"], outputs=2))
