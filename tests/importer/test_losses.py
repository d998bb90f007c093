"""Losses, determinants, n-gram counts, activations, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model

RNG = np.random.default_rng(31)
SCORES = RNG.normal(size=(4, 5, 2)).astype(np.float32)
TARGET = RNG.integers(0, 5, size=(4, 2))
WEIGHT = RNG.uniform(0.1, 2, 5).astype(np.float32)


@pytest.mark.parametrize("op_type", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("ignored", [None, 2, -1])
def test_losses(op_type: str, reduction: str, weight: Array | None, ignored: int | None) -> None:
    target = TARGET.copy()
    if ignored is not None:
        target[0, 0] = ignored
    attrs = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
    inputs: dict[str, Array | None] = {"x": SCORES, "t": target, "w": weight}
    outputs = 2 if op_type.startswith("Softmax") else 1
    for constants in ((), ("t",)):
        check_against_onnxruntime(op_type, inputs, attrs, constants=constants, opset=13, outputs=outputs)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_determinants(size: int) -> None:
    x = RNG.normal(size=(2, 3, size, size)).astype(np.float32)
    np.testing.assert_allclose(
        floats(model("Det", {"x": x}), [x])[0], np.linalg.det(x.astype(np.float64)), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "why"), [((7, 7), "up to 6 x 6, and these are 7 x 7"), ((2, 3), "no square matrices")]
)
def test_determinants_that_are_refused(shape: tuple[int, ...], why: str) -> None:
    made = model("Det", {"x": np.ones((2, 2), np.float32)})
    for dim, n in zip(made.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = n
    with pytest.raises(UnsupportedError, match=why):
        import_model(made)


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("shape", [(12,), (3, 12)])
def test_counts_of_n_grams(mode: str, shape: tuple[int, ...]) -> None:
    attrs = {
        "mode": mode,
        "min_gram_length": 1,
        "max_gram_length": 3,
        "max_skip_count": 2,
        "ngram_counts": [0, 3, 9],
        "ngram_indexes": [0, 1, 2, 3, 4, 5, 6, 7],
        "pool_int64s": [1, 2, 3, 1, 2, 2, 3, 3, 3, 1, 2, 3, 4, 4, 1],
        "weights": [0.5, 0.25, 1, 2, 3, 4, 5, 6.0],
    }
    check_against_onnxruntime("TfIdfVectorizer", {"x": RNG.integers(0, 6, shape)}, attrs, opset=18)


UNARY: dict[str, list[dict[str, Any]]] = {
    "Celu": [{}, {"alpha": 0.4}],
    "Elu": [{}, {"alpha": 0.4}],
    "Erf": [{}],
    "Gelu": [{}, {"approximate": "tanh"}],
    "HardSigmoid": [{}, {"alpha": 0.3, "beta": 0.2}],
    "HardSwish": [{}],
    "LeakyRelu": [{}, {"alpha": 0.3}],
    "Mish": [{}],
    "Relu": [{}],
    "Selu": [{}, {"alpha": 1.2, "gamma": 1.5}],
    "Shrink": [{"lambd": 0.7, "bias": 0.2}],
    "Sigmoid": [{}],
    "Softplus": [{}],
    "Softsign": [{}],
    "Tanh": [{}],
    "ThresholdedRelu": [{}, {"alpha": 0.3}],
}


@pytest.mark.parametrize("op_type", UNARY)
def test_activations(op_type: str) -> None:
    x = np.linspace(-5, 5, 41).astype(np.float32)
    for attrs in UNARY[op_type]:
        check_against_onnxruntime(op_type, {"x": x}, attrs, opset=20)


@pytest.mark.parametrize(
    "slope", [np.array([0.2], np.float32), RNG.uniform(-1, 2, (5, 1)).astype(np.float32)]
)
@pytest.mark.parametrize("constants", [(), ("s",)])
def test_slopes_of_one_number_or_of_each_channel(slope: Array, constants: tuple[str, ...]) -> None:
    check_against_onnxruntime("PRelu", {"x": SCORES, "s": slope}, constants=constants, opset=16)


def test_shrunk_integers_are_integers() -> None:
    x = np.array([-5, -1, 0, 1, 5], np.int32)
    assert integers(model("Shrink", {"x": x}, {"lambd": 1.5, "bias": 1.5}), [x])[0].tolist() == [
        -3,
        0,
        0,
        0,
        3,
    ]


@pytest.mark.parametrize(
    ("op_type", "attrs", "why"),
    [
        ("Bernoulli", {}, "draws random numbers"),
        ("RandomUniformLike", {}, "draws random numbers"),
        ("Multinomial", {"sample_size": 2}, "draws random numbers"),
        ("ImageDecoder", {}, "decodes an image file"),
    ],
)
def test_operators_without_a_meaning_say_why(op_type: str, attrs: dict[str, Any], why: str) -> None:
    x = RNG.integers(0, 255, 9).astype(np.uint8) if op_type == "ImageDecoder" else SCORES[0]
    with pytest.raises(UnsupportedError, match=f"{op_type} node 'y0': it {why}"):
        import_model(model(op_type, {"x": x}, attrs))
