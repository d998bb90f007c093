"""Sets the statistics of batch normalisations to what a network's own activations have, as training would.

In training each layer is normalised by the statistics of the samples at hand, so one run shows them all: on
one image at a time that is InstanceNormalization, and the mean and variance of each layer's input are then
the layer's statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper


def with_measured_statistics(model: onnx.ModelProto, samples: NDArray[Any]) -> onnx.ModelProto:
    """The model, its batch normalisations with statistics over samples (number, *input's shape)."""
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    if not norms:
        return model
    measured = _inputs_of(model, norms, samples)
    values = {}
    for node, (mean, variance) in zip(norms, measured, strict=True):
        values[node.input[3]], values[node.input[4]] = mean, variance
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return model


def _inputs_of(
    model: onnx.ModelProto, norms: list[onnx.NodeProto], samples: NDArray[Any]
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Mean and variance by channel of what each normalisation reads, all layers normalised."""
    training = onnx.ModelProto()
    training.CopyFrom(model)
    for node in training.graph.node:
        if node.op_type == "BatchNormalization":
            epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            node.CopyFrom(
                helper.make_node("InstanceNormalization", node.input[:3], node.output[:1], epsilon=epsilon)
            )
    del training.graph.output[:]
    training.graph.output.extend(
        helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, None) for node in norms
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it would name each statistic that is not read now
    session = onnxruntime.InferenceSession(
        training.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    moments = [
        [(x.mean(axis=(0, 2, 3)), (x**2).mean(axis=(0, 2, 3))) for x in session.run(None, {name: sample})]
        for sample in samples
    ]
    results = []
    for of_layer in zip(*moments, strict=True):
        mean = np.mean([m for m, _ in of_layer], axis=0)
        results.append((mean, np.mean([s for _, s in of_layer], axis=0) - mean**2))
    return results
