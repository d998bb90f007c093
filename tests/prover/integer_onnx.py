"""Evaluates the exporter's ONNX on integers as ezkl does, and checks all that a proof would need."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from prover.ezkl.export import Export

Ints = NDArray[np.int64]


def evaluate(made: Export, inputs: list[Ints]) -> list[int]:
    """The outputs of the model, all flat and one after another.

    Fails if a value that is looked up leaves the table, or one that is decomposed has too many digits.
    """
    model = onnx.load_from_string(made.model)
    values = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.int64) for tensor in model.graph.initializer
    }
    values |= {port.name: array for port, array in zip(model.graph.input, inputs, strict=True)}
    quotients: dict[str, tuple[Ints, Ints]] = {}
    for node in model.graph.node:
        xs = [values.get(name) for name in node.input]
        if node.op_type == "Div":
            quotients[node.output[0]] = xs[0], xs[1]
        elif node.op_type == "Neg":
            values[node.output[0]] = -_divided(made, *quotients[node.input[0]])
        else:
            values[node.output[0]] = _apply(made, node, xs)
    return [int(x) for port in model.graph.output for x in values[port.name].ravel()]


def _apply(made: Export, node: onnx.NodeProto, xs: list[Ints]) -> Ints:
    low, high = made.table_range
    match node.op_type:
        case "Add":
            return xs[0] + xs[1]
        case "Sub":
            return xs[0] - xs[1]
        case "Mul":
            return xs[0] * xs[1]
        case "MatMul":
            return np.asarray(xs[0] @ xs[1])
        case "ReduceSum":
            return np.asarray(xs[0].sum(axis=int(xs[1][0])))
        case "Reshape":
            return xs[0].reshape(xs[1])
        case "Concat":
            return np.concatenate(xs)
        case "Gather":
            assert 0 <= xs[1].min() and xs[1].max() < len(xs[0])
            return np.asarray(xs[0][xs[1]])
        case "HardSwish":
            assert low <= xs[0].min() and xs[0].max() <= high, "a value leaves the lookup table"
            return np.maximum(xs[0], 0)
        case "Relu":
            _decomposed(made, xs[0])
            return np.maximum(xs[0], 0)
        case "Greater":
            _decomposed(made, xs[0] - xs[1])
            return (xs[0] > xs[1]).astype(np.int64)
        case "Cast" | "Identity":
            return xs[0]
    raise AssertionError(f"the exporter emitted {node.op_type}")


def _divided(made: Export, y: Ints, d: Ints) -> Ints:
    """ezkl's division: rounded to nearest, halves away from zero; it decomposes all of these."""
    quotient = np.sign(y) * ((2 * np.abs(y) + d) // (2 * d))
    distance = np.abs(y - quotient * d)
    for value in (quotient, distance, d - distance):
        _decomposed(made, value)
    return quotient


def _decomposed(made: Export, value: Ints) -> None:
    assert np.abs(value).max() < made.digit_base**made.digits, "a value has too many digits"
