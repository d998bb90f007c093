"""Models of one node: built, imported, evaluated as float graphs, run as circuits and by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from circuits.calibrate import calibrate
from circuits.data import quantise_inputs
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise

Array = NDArray[Any]
ML_OPSET = 3


def model(
    op_type: str,
    inputs: Mapping[str, Array | None],
    attrs: Mapping[str, Any] | None = None,
    *,
    constants: Sequence[str] = (),
    opset: int = 21,
    outputs: int = 1,
    domain: str = "",
) -> onnx.ModelProto:
    """A model of one node. An input named in `constants` is an initializer; one that is None is left out."""
    names = [name if array is not None else "" for name, array in inputs.items()]
    given = {name: np.asarray(array) for name, array in inputs.items() if array is not None}
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, domain=domain, **dict(attrs or {}))],
        "one node",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in given.items()
            if name not in constants
        ],
        [helper.make_value_info(name, onnx.TypeProto()) for name in results],
        [numpy_helper.from_array(given[name], name) for name in constants],
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, ML_OPSET)] if domain else [])]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10 if opset < 25 else 12)
    return onnx.shape_inference.infer_shapes(made)


def runtime(inputs: Mapping[str, Array | None], constants: Sequence[str]) -> list[Array]:
    """The arrays that the model takes when it runs."""
    return [np.asarray(x) for name, x in inputs.items() if x is not None and name not in constants]


def floats(made: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The float graph's outputs."""
    return [y[0] for y in evaluate(import_model(made), [x[None] for x in inputs])]


def integers(made: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The circuit's output integers, the circuit calibrated on these inputs."""
    graph = import_model(made)
    batch = [x[None] for x in inputs]
    circuit = quantise(graph, calibrate(graph, batch), Options(), {})
    return [np.asarray(y[0]) for y in execute(circuit, quantise_inputs(circuit, batch))]


def reference(made: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """What onnxruntime computes."""
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    return [np.asarray(y) for y in session.run(None, dict(zip(names, inputs, strict=True)))]


def check_against_onnxruntime(
    op_type: str,
    inputs: Mapping[str, Array | None],
    attrs: Mapping[str, Any] | None = None,
    *,
    constants: Sequence[str] = (),
    opset: int = 21,
    outputs: int = 1,
    domain: str = "",
) -> None:
    """The float graph agrees with onnxruntime: integers exactly, reals to float32's precision."""
    made = model(op_type, inputs, attrs, constants=constants, opset=opset, outputs=outputs, domain=domain)
    given = runtime(inputs, constants)
    for got, want in zip(floats(made, given), reference(made, given), strict=True):
        assert got.shape == want.shape
        if want.dtype.kind in "iub":
            np.testing.assert_array_equal(got, want.astype(np.float64))
        else:
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)
