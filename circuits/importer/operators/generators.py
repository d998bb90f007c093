"""Operators that make tensors out of shapes and numbers, and those whose result's shape depends on data.

With constant inputs both are computed when compiling and never get here.
"""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode, handles


@handles("EyeLike")
def eye_like(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    dtype = node.out_dtypes[0] or np.dtype(np.float32)
    return b.constant(np.eye(x.shape[0], x.shape[1], k=node.attrs["k"]).astype(dtype))


@handles("Range")
def range_(b: GraphBuilder, node: OnnxNode, start: Value, limit: Value, delta: Value) -> Value:
    raise node.fail(
        "its start, limit or delta is computed at run time, so its length would depend on data: "
        "make them constant"
    )


@handles("ConstantOfShape")
def constant_of_shape(b: GraphBuilder, node: OnnxNode, shape: Value) -> Value:
    raise node.fail("its shape is computed at run time: export the model with static shapes")


@handles("NonZero", "Unique", "NonMaxSuppression")
def data_dependent(b: GraphBuilder, node: OnnxNode, *inputs: Value | None) -> Value:
    raise node.fail(
        "how many results it has depends on data, and a circuit's shapes cannot: end the model before it, "
        "or keep a fixed number of candidates with TopK"
    )
