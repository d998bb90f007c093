"""Evaluates a float graph in float64, for calibration and for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from circuits.graph import Graph
from circuits.real_ops import apply
from circuits.tensor import FloatArray


def evaluate(
    graph: Graph, inputs: Sequence[FloatArray], observe: Callable[[int, FloatArray], None] | None = None
) -> list[FloatArray]:
    """The outputs of the float graph for a batch.

    Parameters
    ----------
    inputs
        One array for each input, of shape (batch, *input's shape).
    observe
        Called with each tensor's number and value as soon as it is known.
    """
    given = {port.value.id: x for port, x in zip(graph.inputs, inputs, strict=True)}
    last = {x: i for i, node in enumerate(graph.nodes) for x in (i, *node.inputs)}
    wanted = {port.value.id for port in graph.outputs}
    values: dict[int, FloatArray] = {}
    for i, node in enumerate(graph.nodes):
        if node.op == "input":
            values[i] = np.asarray(given[i], dtype=np.float64)
        elif node.op == "constant":
            values[i] = graph.constants[i][None].astype(np.float64)
        else:
            values[i] = apply(node.op, [values[x] for x in node.inputs], node.attrs, node.shape)
        if observe is not None:
            observe(i, values[i])
        for x in {i, *node.inputs}:
            if last[x] == i and x not in wanted:
                del values[x]
    batch = inputs[0].shape[0]
    return [np.broadcast_to(values[p.value.id], (batch, *p.value.shape)) for p in graph.outputs]
