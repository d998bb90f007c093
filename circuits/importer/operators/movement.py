"""Operators that move cells without changing them."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode, handles


@handles("Shape")
def shape(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    stop = node.attrs.get("end", x.rank)
    return b.constant(np.array(x.shape[slice(node.attrs.get("start", 0), stop)], dtype=np.int64))


@handles("Size")
def size(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.constant(np.array(math.prod(x.shape), dtype=np.int64))


@handles("Reshape")
def reshape(b: GraphBuilder, node: OnnxNode, x: Value, shape: Value) -> Value:
    wanted = [int(n) for n in node.array(b, shape, "shape")]
    if not node.attrs.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if -1 in wanted:
        known = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = math.prod(x.shape) // max(known, 1)
    return b.add("reshape", [x], shape=wanted)


@handles("Flatten")
def flatten(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    axis = node.attrs["axis"] + (x.rank if node.attrs["axis"] < 0 else 0)
    return b.add("reshape", [x], shape=[math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


@handles("Transpose")
def transpose(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    return b.add("transpose", [x], perm=list(node.attrs.get("perm", range(x.rank)[::-1])))
