"""How finely an input must be kept for its comparisons with constants to be exact.

Models compare in float32. Around a threshold t float32 numbers lie ulp(t) apart, and data often does so too:
a tree's threshold halfway between two values of a decimal grid may be the float32 neighbour of a third. On a
grid of steps of ulp(t) every float32 number near t is a point, and x > t comes out as in the model.
"""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import Graph
from circuits.real_ops import MOVEMENTS


def exact_exponents(graph: Graph) -> dict[int, int]:
    """For each input that meets constant thresholds, with only movements between, the least e such that a
    grid of steps of 2^-e is exact for all thresholds but 0."""
    sources: dict[int, set[int]] = {}
    steps: dict[int, float] = {}
    for i, node in enumerate(graph.nodes):
        if node.op == "input":
            sources[i] = {i}
        elif node.op in MOVEMENTS:
            sources[i] = set().union(*(sources.get(x, set()) for x in node.inputs))
        elif node.op == "greater":
            values = [graph.constants[x] for x in node.inputs if x in graph.constants]
            met = set().union(*(sources.get(x, set()) for x in node.inputs))
            thresholds = np.abs(np.concatenate([value.reshape(-1) for value in values] or [np.zeros(0)]))
            thresholds = thresholds[(thresholds > 0) & np.isfinite(thresholds)].astype(np.float32)
            if thresholds.size:
                step = float(np.spacing(thresholds.min()))
                steps |= {source: min(step, steps.get(source, step)) for source in met}
    return {source: -math.floor(math.log2(step)) for source, step in steps.items()}
