"""Movements and padding: old and new forms, corners, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError, VerinferError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("starts", "ends", "axes"),
    [([1], [3], [1]), ([0, -2], [-1, 99], [0, 2]), ([-99], [2], [-1]), ([1, 0, 2], [2, 4, 4], None)],
)
def test_slice_bounds_were_attributes(starts: list[int], ends: list[int], axes: list[int] | None) -> None:
    attrs = {"starts": starts, "ends": ends} | ({} if axes is None else {"axes": axes})
    check_against_onnxruntime("Slice", {"x": X}, attrs, opset=9)


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (4, 0, -1),
        (-1, -99, -2),
        (99, 1, -3),
        (0, 99, 3),
        (-3, -1, 1),
        (np.iinfo(np.int64).max, np.iinfo(np.int64).min, -1),
    ],
)
def test_slice_steps(start: int, end: int, step: int) -> None:
    bounds = {"starts": ints(start), "ends": ints(end), "axes": ints(-1), "steps": ints(step)}
    check_against_onnxruntime("Slice", {"x": X, **bounds}, constants=list(bounds))


def test_slice_with_run_time_bounds_is_refused() -> None:
    made = model("Slice", {"x": X, "starts": ints(1), "ends": ints(2)}, constants=["ends"])
    with pytest.raises(UnsupportedError, match="its starts is computed at run time"):
        import_model(made)


@pytest.mark.parametrize(
    ("opset", "attrs", "lengths", "outputs"),
    [
        (11, {"axis": 1, "split": [1, 3]}, None, 2),
        (11, {"axis": -2}, None, 2),
        (13, {"axis": 2}, ints(2, 1, 2), 3),
        (18, {"axis": 2, "num_outputs": 2}, None, 2),
        (18, {"axis": 2, "num_outputs": 3}, None, 3),
    ],
)
def test_split_forms(opset: int, attrs: Mapping[str, Any], lengths: Array | None, outputs: int) -> None:
    inputs = {"x": X} | ({} if lengths is None else {"split": lengths})
    constants = [] if lengths is None else ["split"]
    check_against_onnxruntime("Split", inputs, attrs, constants=constants, opset=opset, outputs=outputs)


def test_split_that_does_not_add_up_is_refused() -> None:
    made = model("Split", {"x": X, "split": ints(2, 2)}, {"axis": 2}, constants=["split"], outputs=2)
    with pytest.raises(VerinferError, match="do not add up"):
        import_model(made)


def test_squeeze_and_unsqueeze_axes_in_both_forms() -> None:
    thin = X[:, None, :, None]
    check_against_onnxruntime("Squeeze", {"x": thin}, {"axes": [1]}, opset=11)
    check_against_onnxruntime("Squeeze", {"x": thin}, opset=11)
    check_against_onnxruntime("Squeeze", {"x": thin, "axes": ints(-2, 1)}, constants=["axes"])
    check_against_onnxruntime("Unsqueeze", {"x": X}, {"axes": [0, 3]}, opset=11)
    check_against_onnxruntime("Unsqueeze", {"x": X, "axes": ints(-1, 1)}, constants=["axes"])


def test_squeeze_of_a_longer_axis_is_refused() -> None:
    made = model("Squeeze", {"x": X}, opset=11)
    made.graph.node[0].attribute.add(name="axes", type=7, ints=[0])
    with pytest.raises(UnsupportedError, match="not all of them have size 1"):
        import_model(made)


def test_concat_skips_empty_parts() -> None:
    empty = np.zeros((3, 0, 5), np.float32)
    check_against_onnxruntime("Concat", {"e": empty, "x": X, "y": X}, {"axis": -2}, constants=["e", "y"])


def test_expand_and_tile() -> None:
    check_against_onnxruntime("Expand", {"x": X[:, :1], "shape": ints(2, 1, 4, 1)}, constants=["shape"])
    check_against_onnxruntime("Tile", {"x": X, "repeats": ints(2, 1, 3)}, constants=["repeats"])
    wide = X.reshape(1, 1, 3, 1, 4, 5)
    check_against_onnxruntime("Tile", {"x": wide, "repeats": ints(2, 3, 1, 2, 2, 2)}, constants=["repeats"])


PADS = {
    "constant": [(1, 0, 2, 0, 3, 1), (-1, 1, 0, 1, -1, -2), (0, -1, -1, 0, 0, 0)],
    "reflect": [(1, 2, 3, 2, 1, 4), (0, 0, -1, 0, 0, 2)],
    "edge": [(1, 5, 0, 2, 1, 7), (0, -1, 2, 0, 2, 0)],
    "wrap": [(1, 2, 3, 2, 1, 4), (2, 3, 4, 0, 0, 0)],
}


@pytest.mark.parametrize(("mode", "pads"), [(mode, pads) for mode, cases in PADS.items() for pads in cases])
def test_pad_modes(mode: str, pads: tuple[int, ...]) -> None:
    opset = 19 if mode == "wrap" else 13
    check_against_onnxruntime(
        "Pad", {"x": X, "pads": ints(*pads)}, {"mode": mode}, constants=["pads"], opset=opset
    )


def test_pad_widths_and_value_were_attributes() -> None:
    check_against_onnxruntime("Pad", {"x": X}, {"pads": [1, 0, 0, 0, 2, 0], "value": 1.5}, opset=10)


@pytest.mark.parametrize("constants", [["pads", "value"], ["pads"]])
def test_pad_value_known_or_not(constants: list[str]) -> None:
    inputs = {"x": X, "pads": ints(0, 1, 0, 1, 0, 2), "value": np.float32(-2.5)}
    check_against_onnxruntime("Pad", inputs, constants=constants)


def test_pad_of_some_axes() -> None:
    inputs = {"x": X, "pads": ints(1, 2, 0, 1), "value": None, "axes": ints(-1, 0)}
    check_against_onnxruntime("Pad", inputs, {"mode": "edge"}, constants=["pads", "axes"], opset=18)


def test_an_empty_output_is_refused() -> None:
    bounds = {"starts": ints(3), "ends": ints(3), "axes": ints(0)}
    with pytest.raises(UnsupportedError, match="is empty"):
        import_model(model("Slice", {"x": X, **bounds}, constants=list(bounds)))


def test_reshape_copies_and_infers_axes() -> None:
    got = floats(model("Reshape", {"x": X, "shape": ints(0, -1, 2)}, constants=["shape"]), [X])[0]
    np.testing.assert_array_equal(got, X.reshape(3, 10, 2))
    with pytest.raises(VerinferError, match="copies an axis"):
        import_model(model("Reshape", {"x": X, "shape": ints(3, 4, 5, 0)}, constants=["shape"]))
