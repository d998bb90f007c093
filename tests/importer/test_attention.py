"""Attention against onnxruntime and NumPy: masks of every kind, caches, shared heads; what the weights of
masked keys are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from circuits.calibrate import calibrate
from circuits.data import quantise_inputs, real_outputs
from circuits.errors import UnsupportedError
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model

RNG = np.random.default_rng(18)
NEVER = -np.inf


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def heads(q: int = 4, kv: int = 2, length: int = 3, keys: int = 5) -> dict[str, Array | None]:
    return {"q": reals(2, q, length, 8), "k": reals(2, kv, keys, 8), "v": reals(2, kv, keys, 6)}


def by_hand(inputs: dict[str, Array | None], bias: Array) -> Array:
    """softmax(q k / sqrt(d) + bias) v with repeated heads; a row without a key gives 0."""
    q, k, v = (np.asarray(inputs[name], np.float64) for name in ("q", "k", "v"))
    k, v = (x.repeat(q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + bias
    weights = np.exp(scores - np.maximum(scores.max(-1, keepdims=True), -1e30))
    return np.asarray(weights / np.maximum(weights.sum(-1, keepdims=True), 1e-30) @ v)


def test_plain_and_packed() -> None:
    check_against_onnxruntime("Attention", heads(), opset=23)
    check_against_onnxruntime("Attention", heads(), {"scale": 0.3, "softcap": 1.5}, opset=23)
    packed: dict[str, Array | None] = {"q": reals(2, 3, 32), "k": reals(2, 5, 16), "v": reals(2, 5, 12)}
    check_against_onnxruntime("Attention", packed, {"q_num_heads": 4, "kv_num_heads": 2}, opset=23)


@pytest.mark.parametrize("constant", [True, False])
def test_masks_of_truth_values(constant: bool) -> None:
    mask = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 1]], bool)
    constants = ["m"] if constant else []
    check_against_onnxruntime("Attention", heads() | {"m": mask}, constants=constants, opset=23)
    check_against_onnxruntime(
        "Attention", heads() | {"m": mask}, {"is_causal": 1}, constants=constants, opset=24
    )


@pytest.mark.parametrize("low", [NEVER, -1e4, float(np.finfo(np.float32).min)])
def test_masks_of_numbers(low: float) -> None:
    mask = np.array([[0, low, 0.5, 0, low], [low, low, low, -2, low], [0, 0, 0, 0, 0]], np.float32)
    inputs = heads() | {"m": mask}
    made = model("Attention", inputs, constants=["m"], opset=23)
    given = [np.asarray(inputs[name]) for name in ("q", "k", "v")]
    np.testing.assert_allclose(floats(made, given)[0], by_hand(inputs, mask), rtol=1e-5, atol=1e-6)


def test_a_row_masked_by_finite_numbers_is_not_masked_at_all() -> None:
    mask = np.full((3, 5), -1e4, np.float32)
    inputs = heads() | {"m": mask}
    given = [np.asarray(inputs[name]) for name in ("q", "k", "v")]
    for constants in ([], ["m"]):
        made = model("Attention", inputs, constants=constants, opset=23)
        (got,) = floats(made, given if constants else [*given, mask])
        np.testing.assert_allclose(got, by_hand(inputs, np.zeros((3, 5))), rtol=1e-5, atol=1e-6)


def test_caches_and_causality() -> None:
    inputs = heads() | {"m": None, "pk": reals(2, 2, 4, 8), "pv": reals(2, 2, 4, 6)}
    check_against_onnxruntime("Attention", inputs, opset=23, outputs=3)
    made = model("Attention", inputs, {"is_causal": 1}, opset=24, outputs=3)
    given = [np.asarray(x) for x in inputs.values() if x is not None]
    whole = inputs | {p: np.concatenate([inputs["p" + p], inputs[p]], axis=2) for p in ("k", "v")}
    ahead = np.arange(9)[None] - np.arange(3)[:, None]
    got = floats(made, given)
    np.testing.assert_allclose(got[0], by_hand(whole, np.where(ahead > 4, NEVER, 0)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1], whole["k"])


@pytest.mark.parametrize("constant", [True, False])
def test_partly_filled_caches(constant: bool) -> None:
    inputs = heads() | {"m": None, "pk": None, "pv": None, "n": np.array([4, 2])}
    made = model("Attention", inputs, {"is_causal": 1}, constants=["n"] if constant else [], opset=24)
    given = [np.asarray(inputs[name]) for name in ("q", "k", "v")]
    (got,) = floats(made, given if constant else [*given, np.array([4, 2])])
    ahead = np.arange(5)[None] - np.arange(3)[:, None]
    bias = np.stack([np.where((ahead > n - 3) | (np.arange(5) >= n), NEVER, 0) for n in (4, 2)])[:, None]
    np.testing.assert_allclose(got, by_hand(inputs, bias), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1, :, 0], 0)  # the second sample's first query stands before all keys


def test_windows() -> None:
    ahead = np.arange(5)[None] - np.arange(3)[:, None]
    inputs = heads()
    given = [np.asarray(x) for x in inputs.values()]
    for left, right in ((1, -1), (-1, 0), (0, 1)):
        attrs = {"left_window_size": left, "right_window_size": right}
        (got,) = floats(model("Attention", inputs, attrs, opset=25), given)
        hidden = ((left >= 0) & (-ahead > left)) | ((right >= 0) & (ahead > right))
        np.testing.assert_allclose(got, by_hand(inputs, np.where(hidden, NEVER, 0)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_the_scores_may_be_shown(mode: int) -> None:
    inputs = heads(2, 2) | {"m": reals(3, 9), "pk": reals(2, 2, 4, 8), "pv": reals(2, 2, 4, 6)}
    attrs = {"qk_matmul_output_mode": mode, "softcap": 1.2}
    check_against_onnxruntime("Attention", inputs, attrs, opset=23, outputs=4)


def test_a_circuit_gives_masked_keys_no_weight() -> None:
    """Whatever stands behind the mask, the circuit's outputs are the same integers; a row without a key gives
    zeros."""
    mask = np.ones((3, 5), bool)
    mask[0, 3:], mask[1] = False, False
    inputs = heads(2, 2) | {"m": mask}
    graph = import_model(model("Attention", inputs, opset=23))
    batch = [np.asarray(inputs[name])[None] for name in ("q", "k", "v", "m")]
    circuit = quantise(graph, calibrate(graph, batch), Options(), {})
    integers = quantise_inputs(circuit, batch)
    (first,) = execute(circuit, integers)
    changed = [x.copy() for x in integers]
    changed[2][:, :, :, 3:] = circuit.nodes[circuit.inputs[2].node].hi
    (second,) = execute(circuit, changed)
    np.testing.assert_array_equal(first[..., 0, :], second[..., 0, :])
    assert not np.array_equal(first[..., 2, :], second[..., 2, :])
    assert not first[..., 1, :].any()
    (real,) = real_outputs(circuit, [first])
    (want,) = evaluate(graph, batch)
    np.testing.assert_allclose(real, want, atol=0.01 * np.abs(want).max())


def test_flex_attention_runs_its_subgraphs() -> None:
    def subgraph(name: str, op_type: str, factor: float) -> onnx.GraphProto:
        shape = [2, 4, 3, 5]
        return helper.make_graph(
            [helper.make_node(op_type, ["s", f"{name}_c"], ["t"])],
            name,
            [helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("t", onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor(f"{name}_c", onnx.TensorProto.FLOAT, [], [factor])],
        )

    inputs = heads()
    graph = helper.make_graph(
        [
            helper.make_node(
                "FlexAttention",
                ["q", "k", "v"],
                ["y"],
                domain="ai.onnx.preview",
                score_mod=subgraph("score", "Mul", 2.0),
                prob_mod=subgraph("prob", "Sub", 0.25),
            )
        ],
        "flex",
        [
            helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, np.asarray(x).shape)
            for n, x in inputs.items()
        ],
        [helper.make_value_info("y", onnx.TypeProto())],
    )
    opsets = [helper.make_opsetid("", 26), helper.make_opsetid("ai.onnx.preview", 1)]
    (got,) = floats(helper.make_model(graph, opset_imports=opsets), [np.asarray(x) for x in inputs.values()])
    q, k, v = (np.asarray(x, np.float64) for x in inputs.values())
    doubled = by_hand(inputs | {"q": 2 * q}, np.zeros((3, 5)))
    np.testing.assert_allclose(got, doubled - 0.25 * v.repeat(2, axis=1).sum(2, keepdims=True), atol=1e-5)
    assert k.shape == (2, 2, 5, 8)


@pytest.mark.parametrize(
    ("change", "attrs", "message"),
    [
        ({"q": reals(2, 3, 3, 8)}, {}, "do not fit keys"),
        (
            {"q": reals(2, 3, 30), "k": reals(2, 5, 16), "v": reals(2, 5, 12)},
            {"q_num_heads": 4, "kv_num_heads": 2},
            "heads",
        ),
        ({"m": None, "pk": reals(2, 2, 4, 8)}, {}, "come together"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict[str, Array | None], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model("Attention", heads() | change, attrs, opset=24))
