"""Matrix products and convolutions."""

from __future__ import annotations

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode, handles


@handles("MatMul")
def matmul(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    left = b.add("reshape", [x], shape=[1, *x.shape]) if x.rank == 1 else x
    right = b.add("reshape", [y], shape=[*y.shape, 1]) if y.rank == 1 else y
    out = b.add("matmul", [left, right])
    shape = list(out.shape)
    if x.rank == 1:
        del shape[-2]
    if y.rank == 1:
        del shape[-1]
    return b.add("reshape", [out], shape=shape)


@handles("Gemm")
def gemm(b: GraphBuilder, node: OnnxNode, x: Value, y: Value, c: Value | None = None) -> Value:
    x = b.add("transpose", [x], perm=[1, 0]) if node.attrs["transA"] else x
    y = b.add("transpose", [y], perm=[1, 0]) if node.attrs["transB"] else y
    out = scaled(b, b.add("matmul", [x, y]), node.attrs["alpha"])
    return out if c is None else b.add("add", [out, scaled(b, c, node.attrs["beta"])])


def scaled(b: GraphBuilder, x: Value, factor: float) -> Value:
    """x times a number."""
    return x if factor == 1 else b.add("mul", [x, b.constant(float(factor))])
