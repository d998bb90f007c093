"""RNN, GRU and LSTM against onnxruntime: directions, lengths, states, activations, peepholes, layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, check_against_onnxruntime, model

RNG = np.random.default_rng(14)
STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": 2, "GRU": 2, "LSTM": 3}


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape, scale=0.7).astype(np.float32)


def layer(op_type: str, directions: int = 1, bias: bool = True) -> dict[str, Array | None]:
    rows = GATES[op_type] * HIDDEN
    return {
        "x": reals(STEPS, BATCH, INPUTS),
        "w": reals(directions, rows, INPUTS),
        "r": reals(directions, rows, HIDDEN),
        "b": reals(directions, 2 * rows) if bias else None,
    }


def check(
    op_type: str,
    inputs: dict[str, Array | None],
    constants: list[str] | None = None,
    opset: int = 14,
    **attrs: Any,
) -> None:
    check_against_onnxruntime(
        op_type,
        inputs,
        {"hidden_size": HIDDEN, **attrs},
        constants=["w", "r", "b"] if constants is None else constants,
        opset=opset,
        outputs=OUTPUTS[op_type],
    )


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions(op_type: str, direction: str) -> None:
    both = 2 if direction == "bidirectional" else 1
    check(op_type, layer(op_type, both), direction=direction, opset=7)
    check(op_type, layer(op_type, both, bias=False), ["w", "r"], direction=direction)


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.parametrize("constant", [True, False])
def test_lengths_and_first_states(op_type: str, constant: bool) -> None:
    inputs = layer(op_type, 2)
    inputs["lens"] = np.array([2, 5, 1], np.int32)
    inputs["h"] = reals(2, BATCH, HIDDEN)
    if op_type == "LSTM":
        inputs["c"] = reals(2, BATCH, HIDDEN)
    constants = ["w", "r", "b", "lens"] if constant else []
    check(op_type, inputs, constants, direction="bidirectional")
    inputs["lens"] = np.array([3, 3, 3], np.int32)
    check(op_type, inputs, constants, direction="bidirectional")


def test_peepholes_and_coupled_gates() -> None:
    inputs = layer("LSTM", 2) | {
        "lens": None,
        "h": None,
        "c": reals(2, BATCH, HIDDEN),
        "p": reals(2, 3 * HIDDEN),
    }
    check("LSTM", inputs, ["w", "r", "b", "p"], direction="bidirectional")
    check("LSTM", layer("LSTM"), input_forget=1)


@pytest.mark.parametrize("bias", [True, False])
def test_the_reset_gate_may_come_after_the_product(bias: bool) -> None:
    constants = ["w", "r", "b"] if bias else ["w", "r"]
    check("GRU", layer("GRU", bias=bias), constants, linear_before_reset=1)


def test_clipping() -> None:
    for op_type in GATES:
        check(op_type, layer(op_type), clip=0.3)


def test_activations_take_their_parameters_in_order() -> None:
    check("RNN", layer("RNN"), activations=["Relu"])
    check("RNN", layer("RNN"), activations=["Softsign"])
    check(
        "RNN",
        layer("RNN", 2),
        direction="bidirectional",
        activations=["Elu", "LeakyRelu"],
        activation_alpha=[0.5, 0.2],
    )
    check("RNN", layer("RNN"), activations=["Affine"], activation_alpha=[0.5], activation_beta=[0.1])
    check("RNN", layer("RNN"), activations=["ScaledTanh"], activation_alpha=[0.5], activation_beta=[0.8])
    hard: dict[str, Any] = {
        "activations": ["HardSigmoid", "Tanh", "Softplus"],
        "activation_alpha": [0.3],
        "activation_beta": [0.4],
    }
    check("LSTM", layer("LSTM"), **hard)
    check("GRU", layer("GRU"), activations=["Sigmoid", "ThresholdedRelu"], activation_alpha=[0.2])


def test_a_step_may_be_the_only_one() -> None:
    for op_type in GATES:
        inputs = layer(op_type)
        inputs["x"] = reals(1, BATCH, INPUTS)
        check(op_type, inputs)


@pytest.mark.parametrize(
    ("change", "attrs", "message"),
    [
        ({}, {"direction": "bidirectional"}, "do not fit"),
        ({}, {"direction": "sideways"}, "do not fit"),
        ({}, {"activations": ["Sine", "Tanh", "Tanh"]}, "not known"),
        ({"x": reals(STEPS, INPUTS)}, {}, "do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Array], attrs: dict[str, Any], message: str) -> None:
    made = model(
        "LSTM", layer("LSTM") | change, {"hidden_size": HIDDEN, **attrs}, constants=["w", "r", "b"], opset=14
    )
    with pytest.raises(UnsupportedError, match=message):
        import_model(made)
