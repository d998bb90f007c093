"""Normalisations and matrix products against onnxruntime, old operator sets among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model

RNG = np.random.default_rng(13)


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


IMAGE = reals(2, 6, 4, 5)
STATISTICS = {"s": reals(6), "b": reals(6), "m": reals(6), "v": np.abs(reals(6)) + 0.1}


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("x", [IMAGE, reals(3, 6), reals(2, 6, 3, 2, 2)], ids=str)
def test_batch_normalisation(x: Array, opset: int) -> None:
    inputs: dict[str, Array | None] = {"x": x, **STATISTICS}
    check_against_onnxruntime(
        "BatchNormalization", inputs, {"epsilon": 1e-3}, constants=[*STATISTICS], opset=opset
    )


def test_batch_statistics_may_be_computed_at_run_time() -> None:
    check_against_onnxruntime("BatchNormalization", {"x": IMAGE, **STATISTICS})


def test_old_batch_normalisation_of_each_cell_on_its_own() -> None:
    shape = IMAGE.shape[1:]
    own = {"s": reals(*shape), "b": reals(*shape), "m": reals(*shape), "v": np.abs(reals(*shape))}
    made = model("BatchNormalization", {"x": IMAGE, **own}, {"spatial": 0}, constants=[*own], opset=7)
    (got,) = floats(made, [IMAGE])
    want = (IMAGE - own["m"]) / np.sqrt(own["v"] + 1e-5) * own["s"] + own["b"]
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(("attrs", "outputs"), [({"training_mode": 1}, 3), ({"training_mode": 1}, 1)])
def test_training_is_refused(attrs: dict[str, Any], outputs: int) -> None:
    made = model("BatchNormalization", {"x": IMAGE, **STATISTICS}, attrs, opset=15, outputs=outputs)
    with pytest.raises(UnsupportedError, match="export the model for inference"):
        import_model(made)


def test_layer_normalisation() -> None:
    for axis, shape in ((-1, (5,)), (2, (4, 5)), (1, (6, 4, 5)), (3, (1,))):
        inputs = {"x": IMAGE, "s": reals(*shape), "b": reals(*shape)}
        check_against_onnxruntime(
            "LayerNormalization", inputs, {"axis": axis}, constants=["s", "b"], outputs=3
        )
    check_against_onnxruntime("LayerNormalization", {"x": IMAGE, "s": reals(5)}, {"epsilon": 0.3}, opset=17)


def test_instance_and_group_normalisation() -> None:
    inputs = {"x": IMAGE, "s": reals(6), "b": reals(6)}
    check_against_onnxruntime("InstanceNormalization", inputs, opset=7)
    check_against_onnxruntime("InstanceNormalization", inputs | {"x": reals(2, 6, 9)}, constants=["s", "b"])
    for groups in (1, 2, 6):
        check_against_onnxruntime("GroupNormalization", inputs, {"num_groups": groups}, opset=21)


def test_neighbouring_channels() -> None:
    for size in (1, 3, 5, 15):
        attrs = {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5}
        check_against_onnxruntime("LRN", {"x": IMAGE}, attrs, opset=7)


def test_norms() -> None:
    for axis, p in ((-1, 2), (1, 1), (0, 2)):
        check_against_onnxruntime("LpNormalization", {"x": IMAGE}, {"axis": axis, "p": p}, opset=7)
    zeros = np.zeros((2, 3), dtype=np.float32)
    (got,) = floats(model("LpNormalization", {"x": zeros}, opset=22), [zeros])
    np.testing.assert_array_equal(got, zeros)


def test_mean_and_variance() -> None:
    for attrs in ({}, {"axes": [1, 3]}, {"axes": [-1]}):
        check_against_onnxruntime("MeanVarianceNormalization", {"x": IMAGE}, attrs, opset=13)


def test_dropout_keeps_everything() -> None:
    check_against_onnxruntime("Dropout", {"x": IMAGE}, opset=7)
    check_against_onnxruntime("Dropout", {"x": IMAGE}, {"ratio": 0.7}, opset=10)
    inputs = {"x": IMAGE, "r": np.array(0.4, np.float32), "t": np.array(False)}
    check_against_onnxruntime("Dropout", inputs, constants=["r", "t"], opset=13, outputs=2)
    made = model("Dropout", inputs | {"t": np.array(True)}, constants=["r", "t"], opset=13)
    with pytest.raises(UnsupportedError, match="at random"):
        import_model(made)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((4,), (4,)),
        ((4,), (4, 3)),
        ((3, 4), (4,)),
        ((2, 5, 3, 4), (4, 2)),
        ((5, 3, 4), (2, 1, 4, 6)),
        ((4,), (2, 4, 3)),
    ],
)
def test_matrix_products(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    inputs = {"x": reals(*left), "y": reals(*right)}
    check_against_onnxruntime("MatMul", inputs, opset=9)
    check_against_onnxruntime("MatMul", inputs, constants=["y"], opset=9)


def test_general_matrix_products() -> None:
    for attrs in ({}, {"transA": 1, "alpha": 0.5}, {"transB": 1, "beta": 2.0}, {"transA": 1, "transB": 1}):
        x = reals(5, 3) if "transA" in attrs else reals(3, 5)
        y = reals(4, 5) if "transB" in attrs else reals(5, 4)
        for c in (reals(4), reals(3, 1), reals(3, 4), np.array(2, np.float32)):
            for constants in ([], ["y"], ["y", "c"]):
                inputs = {"x": x, "y": y, "c": c}
                check_against_onnxruntime("Gemm", inputs, attrs, constants=constants, opset=13)
    check_against_onnxruntime("Gemm", {"x": reals(3, 5), "y": reals(5, 4)}, {"alpha": 3.0}, opset=11)


def test_products_of_other_shapes_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="must be matrices"):
        import_model(model("Gemm", {"x": reals(2, 3, 4), "y": reals(4, 2)}))
    with pytest.raises(UnsupportedError, match="groups do not divide"):
        inputs = {"x": IMAGE, "s": reals(6), "b": reals(6)}
        import_model(model("GroupNormalization", inputs, {"num_groups": 4}))
