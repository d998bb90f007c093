"""Which integer inputs of a float graph are indices, and into how many cells: without an index from outside
the axis in the calibration data, a circuit need not make room for one.

The importer reads a run-time index i into n cells as clip(where(0 > i, i + n, i); 0, n - 1), perhaps moved
around and perhaps scaled to a flat index before a gather takes it.
"""

from __future__ import annotations

from circuits.graph import Graph
from circuits.real_ops import MOVEMENTS

_LEADING = frozenset({*MOVEMENTS, "add", "mul", "clip", "where"})
"""Operations through which an index reaches its gather."""
_WRAPPING = frozenset({*MOVEMENTS, "add", "where"})
"""Operations between an input and the clip that keeps it inside its axis."""


def index_sizes(graph: Graph) -> dict[int, int]:
    """For each input that is read as an index, the size of the smallest axis that it is an index of."""
    leads: dict[int, int | None] = {}
    for node in graph.nodes:
        if node.op == "gather" and graph.nodes[node.inputs[1]].kind == "int":
            leads[node.inputs[1]] = graph.nodes[node.inputs[0]].shape[int(node.attrs["axis"])]
    sizes: dict[int, int] = {}
    for i in range(len(graph.nodes) - 1, -1, -1):
        if i not in leads:
            continue
        node, size = graph.nodes[i], leads[i]
        if node.op == "input" and size is not None:
            sizes[i] = size
        elif node.op in _LEADING:
            within = node.attrs["hi"] + 1 if node.op == "clip" and node.attrs["lo"] == 0 else None
            passed = within or (size if node.op in _WRAPPING else None)
            for x in node.inputs[1:] if node.op == "where" else node.inputs:
                known = leads.get(x)
                if graph.nodes[x].kind == "int" and x not in graph.constants:
                    leads[x] = passed if known is None or passed is None else min(known, passed)
    return sizes
