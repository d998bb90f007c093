"""Square roots, mostly of variances: accurate where values are, however far their bounds reach, and cheap."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from circuits.compile import Compiled, compile_model

WIDTH, HIDDEN, ROWS = 64, 256, 8


def residual_stream(norms: int, spread: float) -> Compiled:
    """Sums of matrix products, normalised again and again; rows differ in size by `spread`."""
    random = np.random.default_rng(0)
    weights = {"factor": np.ones(WIDTH, np.float32)}
    nodes: list[onnx.NodeProto] = []
    x = "x"
    for i in range(norms):
        weights[f"u{i}"] = random.normal(0, WIDTH**-0.5, (WIDTH, HIDDEN)).astype(np.float32)
        weights[f"w{i}"] = random.normal(0, HIDDEN**-0.5, (HIDDEN, WIDTH)).astype(np.float32)
        nodes += [
            helper.make_node("LayerNormalization", [x, "factor"], [f"n{i}"], axis=-1),
            helper.make_node("MatMul", [f"n{i}", f"u{i}"], [f"h{i}"]),
            helper.make_node("Relu", [f"h{i}"], [f"r{i}"]),
            helper.make_node("MatMul", [f"r{i}", f"w{i}"], [f"m{i}"]),
            helper.make_node("Add", [x, f"m{i}"], [f"s{i}"]),
        ]
        x = f"s{i}"
    nodes.append(helper.make_node("LayerNormalization", [x, "factor"], ["y"], axis=-1))
    shape = (1, ROWS, WIDTH)
    graph = helper.make_graph(
        nodes,
        "stream",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data = random.normal(0, 1, (16, *shape)) * spread ** random.uniform(-1, 0, (16, 1, ROWS, 1))
    return compile_model(model, ([data.astype(np.float32)], None, "data"))


def test_roots_are_accurate_far_below_their_bounds() -> None:
    """The worst case of a sum of products grows from layer to layer, the values do not."""
    fidelity = residual_stream(6, 1).fidelity
    assert fidelity.relative_error < 2e-3


def test_small_roots_are_accurate_beside_large_ones() -> None:
    assert residual_stream(1, 16).fidelity.relative_error < 1e-3


def test_roots_share_a_table() -> None:
    circuit = residual_stream(5, 1).circuit
    roots = [node for node in circuit.nodes if node.op == "table"]
    tables = {node.inputs[1] for node in roots}
    assert len(roots) == 6 and len(tables) < 3
    assert sum(circuit.nodes[i].size for i in tables) <= 2 << 14
