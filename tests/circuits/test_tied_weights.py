"""A matrix that a model reads both ways, as tied embeddings are, is one constant of the circuit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from circuits.circuit import Circuit
from circuits.compile import compile_model
from circuits.graph import GraphBuilder
from circuits.tied_weights import tied

WORDS, WIDTH, TOKENS = 260, 64, 5


def language_model(written_twice: bool) -> Circuit:
    """An embedding, and logits by the same matrix: transposed by a node, or written a second time."""
    table = np.random.default_rng(0).normal(0, 1, (WORDS, WIDTH)).astype(np.float32)
    weights = [numpy_helper.from_array(table, "table")]
    nodes = [helper.make_node("Gather", ["table", "tokens"], ["x"])]
    if written_twice:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(table.T), "head"))
    else:
        nodes.append(helper.make_node("Transpose", ["table"], ["head"], perm=[1, 0]))
    nodes.append(helper.make_node("MatMul", ["x", "head"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "tied",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, (TOKENS,))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (TOKENS, WORDS))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    samples = np.random.default_rng(1).integers(0, WORDS, (8, TOKENS))
    compiled = compile_model(model, ([samples], None, "random tokens"))
    assert compiled.fidelity.relative_error < 2e-3 and compiled.fidelity.argmax_agreement == 1
    compiled.circuit.validate()
    return compiled.circuit


@pytest.mark.parametrize("written_twice", [False, True])
def test_one_matrix_of_parameters(written_twice: bool) -> None:
    circuit = language_model(written_twice)
    assert circuit.parameters == WORDS * WIDTH
    assert [node.op for node in circuit.nodes].count("transpose") == 1


def test_only_large_equal_matrices_are_tied() -> None:
    random = np.random.default_rng(2)
    large, other, small = random.random((200, 100)), random.random((100, 200)), random.random((3, 2))
    builder = GraphBuilder()
    for matrix in (large, other, large.T, small, small.T, large.T.astype(np.float32)):
        builder.constant(matrix)
    graph = tied(builder.graph)
    assert [node.op for node in graph.nodes] == ["constant"] * 2 + ["transpose"] + ["constant"] * 3
    assert set(graph.constants) == {0, 1, 3, 4, 5}
    assert len(builder.graph.constants) == 6, "the graph it was given stays as it was"
