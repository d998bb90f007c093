"""Softmax, its logarithm, the one-hot maximum: over one axis since opset 13, over all from one on before."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import moved_axis
from circuits.importer.axes import axis_of, reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.softmax import log_softmax, softmax


def _axes(node: OnnxNode, x: Value) -> list[int]:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    return [axis] if node.version >= 13 else list(range(axis, x.rank))


@handles("Softmax")
def softmax_(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return softmax(b, x, _axes(node, x))


@handles("LogSoftmax")
def log_softmax_(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return log_softmax(b, x, _axes(node, x))


@handles("Hardmax")
def hardmax(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """1 where the maximum comes first, 0 elsewhere: the row of the identity matrix that the argmax names."""
    axes = _axes(node, x)
    rows = x if node.version >= 13 else reshaped(b, x, [*x.shape[: axes[0]], math.prod(x.shape[axes[0] :])])
    axis = axes[0]
    size = rows.shape[axis]
    best = b.add("top_k", [rows], axis=axis, k=1)
    identity = b.constant(np.eye(size, dtype=np.int64))
    chosen = b.add(
        "gather", [identity, reshaped(b, best, best.shape[:axis] + best.shape[axis + 1 :])], axis=0
    )
    return b.retyped(reshaped(b, moved_axis(b, chosen, chosen.rank - 1, axis), x.shape), "real")
