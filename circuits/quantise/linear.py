"""Rules for sums and products: exact on the integers they get."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.errors import ModelError
from circuits.graph import GraphNode
from circuits.quantise.quantiser import WIDE, Quantised, Quantiser, rule, sums_only

MULTIPLIER_BITS = 24
GUARD_BITS = 8
"""Bits beyond a weight's that constants of different sizes must at least have room for."""
PRODUCT_BITS = 52
"""The widest product with a constant: what every backend can still bring back to few bits."""


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
    if factor is not None:
        return scaled(q, a, factor, q.graph.nodes[i].label)
    x = q.narrowed(a)
    y = x if a == b else q.narrowed(b)
    return Quantised(q.op("mul", [x.id, y.id]), x.scale * y.scale)


def scaled(q: Quantiser, i: int, factors: NDArray[Any], label: str) -> Quantised:
    """Tensor i times constants, without narrowing it first where the products have room: a product with a
    constant costs a prover nothing. The constants get a weight's bits for the smallest of them, so that the
    columns of a table in different units all keep their resolution."""
    _check_finite(factors, label)
    x, bits = q.tensor(i), q.bits(q.graph.nodes[i])
    sizes = np.abs(factors.astype(np.float64))
    largest = float(sizes.max())
    if largest == 0:
        return Quantised(q.op("mul", [x.id, q.integers(np.zeros(factors.shape), label)]), x.scale)
    spread = math.ceil(math.log2(largest / float(sizes[sizes > 0].min())))
    exact = q.graph.nodes[i].kind != "real"
    wanted = min(MULTIPLIER_BITS if exact else bits + spread, PRODUCT_BITS // 2)
    if q.operand(x).magnitude.bit_length() + min(wanted, bits + GUARD_BITS) > PRODUCT_BITS:
        x = q.narrowed(i)
    room = max(8, min(wanted, PRODUCT_BITS - q.operand(x).magnitude.bit_length()))
    scale = 2.0 ** -math.floor(math.log2(((1 << room) - 1) / largest))
    return Quantised(q.op("mul", [x.id, q.integers(np.rint(factors / scale), label)]), x.scale * scale)


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
        _check_finite(own, q.circuit.label)
        return q.constant(i, 1.0 if sums_only(own) else q.weight_scale(i, channel_axis))
    x = q.tensor(i)
    if sums_only(q.constant_of(other)):
        terms = q.graph.constants[other].size
        if q.operand(x).magnitude * terms < 1 << WIDE:
            return x
    return q.narrowed(i)


def _check_finite(factors: NDArray[Any], label: str) -> None:
    """Check that no factor is infinite: infinity may be a mask where it is added, not where it multiplies."""
    if not np.isfinite(factors).all():
        raise ModelError(f"node {label!r} multiplies by infinity: there is no integer for it")


@rule("reduce_sum")
def reduce_sum(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Exact; narrowed first only where the sum would outgrow exact arithmetic."""
    x = q.tensor(node.inputs[0])
    terms = math.prod(q.shape(node.inputs[0])[axis] for axis in node.attrs["axes"])
    if q.operand(x).magnitude * terms >= 1 << WIDE:
        x = q.narrowed(node.inputs[0], 8)
    return Quantised(q.op("reduce_sum", [x.id], axes=list(node.attrs["axes"])), x.scale)
