"""Elementwise arithmetic and activation functions."""

from __future__ import annotations

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode, handles

_PLAIN = {"Add": "add", "Sub": "sub", "Mul": "mul"}


@handles(*_PLAIN)
def arithmetic(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return b.add(_PLAIN[node.op_type], [x, y])


@handles("Relu")
def relu(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.add("clip", [x], lo=0.0, hi=None)


@handles("Identity")
def identity(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return x
