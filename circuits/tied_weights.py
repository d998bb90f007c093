"""Finds constant matrices that repeat another one transposed, and reads them from it.

Language models tie the matrix that gives logits to the embedding of tokens, and exporters or the import write
both. A transposition costs a proof nothing, a second matrix is as many parameters again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.builder import LARGE
from circuits.graph import Graph, GraphNode


def tied(graph: Graph) -> Graph:
    """An equal graph in which each large matrix that is a former one's transpose is a transposition of it."""
    nodes, constants = list(graph.nodes), dict(graph.constants)
    former: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, matrix in sorted(graph.constants.items()):
        if matrix.ndim != 2 or matrix.size < LARGE:
            continue
        source = next((j for j in former[matrix.shape[::-1]] if _transposes(constants[j], matrix)), None)
        if source is None or nodes[source].kind != nodes[i].kind:
            former[matrix.shape].append(i)
            continue
        node = nodes[i]
        nodes[i] = GraphNode("transpose", (source,), {"perm": [1, 0]}, node.shape, node.kind, node.label)
        del constants[i]
    return replace(graph, nodes=nodes, constants=constants)


def _transposes(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether b is the transpose of a; most pairs differ in their first row already."""
    return a.dtype == b.dtype and np.array_equal(a[:, 0], b[0]) and np.array_equal(a.T, b)
