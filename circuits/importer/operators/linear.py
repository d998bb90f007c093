"""Matrix products."""

from __future__ import annotations

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import scaled
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.quantisation import integer_product


@handles("MatMul")
def matmul(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    if min(x.rank, y.rank) == 0:
        raise node.fail(f"it multiplies tensors of shapes {x.shape} and {y.shape}: a scalar is no matrix")
    if y.rank > 1:
        exact = integer_product(b, x, y, None, lambda x, y, _: multiplied(b, x, y), (y.rank - 1, -1))
        if exact is not None:
            return exact
    return multiplied(b, x, y)


def multiplied(b: GraphBuilder, x: Value, y: Value) -> Value:
    """The matrix product as NumPy has it: a vector is a row on the left and a column on the right."""
    left = b.add("reshape", [x], shape=[1, *x.shape]) if x.rank == 1 else x
    right = b.add("reshape", [y], shape=[*y.shape, 1]) if y.rank == 1 else y
    out = b.add("matmul", [left, right])
    shape = list(out.shape)
    if y.rank == 1:
        del shape[-1]
    if x.rank == 1:
        del shape[-1 if y.rank == 1 else -2]
    return b.add("reshape", [out], shape=shape)


@handles("Gemm")
def gemm(b: GraphBuilder, node: OnnxNode, x: Value, y: Value, c: Value | None = None) -> Value:
    """alpha * x @ y + beta * c; alpha goes to a constant matrix where there is one, so that it costs
    nothing."""
    if x.rank != 2 or y.rank != 2:
        raise node.fail(f"it multiplies tensors of shapes {x.shape} and {y.shape}: both must be matrices")
    alpha = node.attrs["alpha"]
    if alpha == node.attrs["beta"] == 1:
        exact = integer_product(
            b, x, y, c, lambda x, y, c: _gemm(b, node, x, y, c), (0 if node.attrs["transB"] else 1, -1)
        )
        if exact is not None:
            return exact
    return _gemm(b, node, x, y, c)


def _gemm(b: GraphBuilder, node: OnnxNode, x: Value, y: Value, c: Value | None) -> Value:
    alpha = node.attrs["alpha"]
    x = b.add("transpose", [x], perm=[1, 0]) if node.attrs["transA"] else x
    y = b.add("transpose", [y], perm=[1, 0]) if node.attrs["transB"] else y
    if alpha != 1 and b.value_of(y) is not None:
        y, alpha = scaled(b, y, alpha), 1.0
    out = scaled(b, b.add("matmul", [x, y]), alpha)
    return out if c is None else b.add("add", [out, scaled(b, c, node.attrs["beta"])])
