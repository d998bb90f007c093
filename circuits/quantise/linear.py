"""Rules for sums and products: exact on the integers they get."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphNode
from circuits.quantise.quantiser import WIDE, Quantised, Quantiser, rule, sums_only

MULTIPLIER_BITS = 24


@rule("add", "sub")
def add(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Both sides at the finer scale."""
    ids, scale = q.aligned(node.inputs, i)
    return Quantised(q.op(node.op, ids), scale)


@rule("mul")
def mul(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Scales multiply. A scalar that is a power of two, or that gives integers a scale (dequantisation),
    costs nothing."""
    a, b = node.inputs
    if q.constant_of(a) is not None:
        a, b = b, a
    factor = q.constant_of(b)
    if factor is not None and factor.size == 1:
        relabelled = _relabelled(q, i, node, a, float(factor.reshape(-1)[0]))
        if relabelled is not None:
            return relabelled
    if node.kind != "real":
        ids = [q.tensor(a).id, q.tensor(b).id]
        return Quantised(q.op("mul", ids), 1.0)
    x = q.narrowed(a)
    if factor is not None and q.graph.nodes[a].kind != "real":
        y = q.constant(b, _fine_scale(factor, q.operand(x).magnitude))
        return Quantised(q.op("mul", [x.id, y.id]), x.scale * y.scale)
    y = x if a == b else q.narrowed(b) if factor is None else q.constant(b, q.weight_scale(b))
    return Quantised(q.op("mul", [x.id, y.id]), x.scale * y.scale)


def _relabelled(q: Quantiser, i: int, node: GraphNode, x: int, factor: float) -> Quantised | None:
    """x times a positive scalar as the same integers with another scale, where that keeps later operations
    exact."""
    if node.kind != "real" or factor <= 0 or not math.isfinite(factor):
        return None
    rounded_next = any(n.op == "round" and n.inputs[0] == i for n in q.graph.nodes)
    if math.frexp(factor)[0] == 0.5 or q.graph.nodes[x].kind != "real" or rounded_next:
        tensor = q.tensor(x)
        out = q.op("reshape", [tensor.id], shape=list(node.shape))
        return Quantised(out, _snapped(tensor.scale * factor))
    return None


def _snapped(scale: float) -> float:
    """A scale that misses a power of two by float64's rounding alone, as s * (1 / s) does, is that power:
    only then are halves seen as halves."""
    power = 2.0 ** round(math.log2(scale))
    return power if abs(scale / power - 1) < 1e-12 else scale


def _fine_scale(factors: NDArray[Any], magnitude: int) -> float:
    """The scale of factors that give integers up to `magnitude` a scale for each channel: a model's own
    scales, with as many bits as a multiplier of `rescale` has, where the products have room."""
    bits = max(8, min(MULTIPLIER_BITS, WIDE - magnitude.bit_length()))
    largest = float(np.abs(factors.astype(np.float64)).max())
    return 2.0 ** -math.floor(math.log2(((1 << bits) - 1) / largest)) if largest else 1.0


@rule("matmul")
def matmul(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Narrow operands; a constant one is quantised with its output channels in view."""
    a, b = node.inputs
    left = factor(q, a, b, len(q.shape(a)) - 2)
    right = factor(q, b, a, len(q.shape(b)) - 1)
    return Quantised(q.op("matmul", [left.id, right.id]), left.scale * right.scale)


@rule("conv")
def conv(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Narrow operands; constant weights are quantised with their output channels in view."""
    x, w = node.inputs
    data, weights = factor(q, x, w, len(q.shape(x)) - 1), factor(q, w, x, 0)
    attrs = {name: value if name == "groups" else list(value) for name, value in node.attrs.items()}
    return Quantised(q.op("conv", [data.id, weights.id], **attrs), data.scale * weights.scale)


def factor(q: Quantiser, i: int, other: int, channel_axis: int) -> Quantised:
    """One side of a sum of products."""
    own = q.constant_of(i)
    if own is not None:
        return q.constant(i, 1.0 if sums_only(own) else q.weight_scale(i, channel_axis))
    x = q.tensor(i)
    if sums_only(q.constant_of(other)):
        terms = q.graph.constants[other].size
        if q.operand(x).magnitude * terms < 1 << WIDE:
            return x
    return q.narrowed(i)


@rule("reduce_sum")
def reduce_sum(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Exact; narrowed first only where the sum would outgrow exact arithmetic."""
    x = q.tensor(node.inputs[0])
    terms = math.prod(q.shape(node.inputs[0])[axis] for axis in node.attrs["axes"])
    if q.operand(x).magnitude * terms >= 1 << WIDE:
        x = q.narrowed(node.inputs[0], 8)
    return Quantised(q.op("reduce_sum", [x.id], axes=list(node.attrs["axes"])), x.scale)
