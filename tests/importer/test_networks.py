"""The image networks that the onnx package carries, at full size, with random weights: our float graph
against onnxruntime.

Their own weights are all alike, which would hide a wrong order of channels or cells.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from circuits.affine_folding import folded
from circuits.evaluate import evaluate
from circuits.importer.importer import import_model
from circuits.importer.load import load_model

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
QUICK = ("squeezenet", "shufflenet")
LONG = ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "vgg19", "zfnet512")


def with_random_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with initializers in place of the nodes that make its weights; vectors are positive, as
    variances are."""
    random = np.random.default_rng(3)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(n) for n in shapes[node.input[0]])
        if len(shape) > 1:
            weights = random.normal(size=shape, scale=math.sqrt(2 / math.prod(shape[1:])))
        else:
            weights = random.uniform(0.5, 1.0, size=shape)
        model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), node.output[0]))
    if kept[-1].op_type == "Softmax":
        last = kept.pop()
        model.graph.output[0].name = last.input[0]
        model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_light_networks(name: str) -> None:
    model = with_random_weights(load_model(LIGHT / f"light_{name}.onnx"))
    graph = folded(import_model(model))
    assert sum(node.op == "conv" for node in graph.nodes) >= 7
    x = np.random.default_rng(4).normal(size=graph.inputs[0].value.shape).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {graph.inputs[0].name: x})
    (got,) = evaluate(graph, [x[None]])
    assert np.unique(want).size > 100
    np.testing.assert_allclose(got[0], want, rtol=0, atol=1e-4 * np.ptp(want))
