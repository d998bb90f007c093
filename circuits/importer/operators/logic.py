"""Comparisons and logic: truth values are the integers 0 and 1."""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import different, equal, negated
from circuits.importer.handlers import OnnxNode, handles


@handles("And")
def and_(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return b.add("mul", [x, y])


@handles("Or")
def or_(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return b.add("max", [x, y])


@handles("Xor")
def xor(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return different(b, x, y)


@handles("Not")
def not_(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return negated(b, x)


@handles("Equal")
def equal_(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    return equal(b, x, y)


@handles("Greater", "LessOrEqual")
def greater(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    above = b.add("greater", [x, y])
    return above if node.op_type == "Greater" else negated(b, above)


@handles("Less", "GreaterOrEqual")
def less(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    below = b.add("greater", [y, x])
    return below if node.op_type == "Less" else negated(b, below)


@handles("Where")
def where(b: GraphBuilder, node: OnnxNode, condition: Value, x: Value, y: Value) -> Value:
    return b.add("where", [condition, x, y])


@handles("IsNaN", "IsInf")
def never(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Every value of a circuit is finite."""
    return b.constant(np.zeros(x.shape, dtype=np.bool_))
