"""Keeps image tensors channels-last through whole networks, by moving transposes towards the outputs as the
graph grows.

ONNX lays images out as NCHW, circuits as NHWC, so the importer wraps every convolution and pooling in two
transposes. A transpose in front of an elementwise operation, a reduction, a concatenation, a pad or a slice
commutes with it; moved behind it, it meets the next convolution's transpose and the two cancel. One that is
left before a flattening and a constant matrix permutes the matrix's rows instead. Each rule returns the value
that replaces the operation asked for, or None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from circuits.graph import GraphBuilder, Value

ELEMENTWISE = frozenset(
    {"add", "sub", "mul", "max", "greater", "where", "divide", "clip", "function", "round", "int_divide"}
)


def rewritten(
    b: GraphBuilder, name: str, inputs: Sequence[Value], kind: Any, attrs: dict[str, Any]
) -> Value | None:
    """The value of an equal operation in a better layout, or None to take the operation as it stands."""
    if name == "transpose":
        return _transpose(b, inputs[0], list(attrs["perm"]))
    if name == "reshape":
        return _reshape(b, inputs[0], list(attrs["shape"]))
    if name == "matmul":
        return _matmul(b, inputs)
    if name in ELEMENTWISE:
        return _elementwise(b, name, inputs, kind, attrs)
    if name in ("reduce_sum", "reduce_max"):
        return _reduction(b, name, inputs[0], kind, attrs)
    if name in ("pad", "slice"):
        return _per_axis(b, name, inputs[0], kind, attrs)
    if name == "concat":
        return _concat(b, inputs, kind, attrs)
    return None


def _source(b: GraphBuilder, x: Value, name: str) -> Value | None:
    """The input of the operation that made x, if that is `name`."""
    node = b.graph.nodes[x.id]
    return b.value(node.inputs[0]) if node.op == name else None


def _perm(b: GraphBuilder, x: Value) -> list[int] | None:
    """The permutation that made x, if a transpose made it."""
    node = b.graph.nodes[x.id]
    return list(node.attrs["perm"]) if node.op == "transpose" else None


def _transpose(b: GraphBuilder, x: Value, perm: list[int]) -> Value | None:
    if perm == list(range(x.rank)):
        return x
    inner = _perm(b, x)
    if inner is not None:
        source = _source(b, x, "transpose")
        assert source is not None
        return b.add("transpose", [source], perm=[inner[p] for p in perm])
    long = [p for p in perm if x.shape[p] > 1]
    if long == sorted(long):  # only axes of size 1 move
        return b.add("reshape", [x], shape=[x.shape[p] for p in perm])
    return None


def _reshape(b: GraphBuilder, x: Value, shape: list[int]) -> Value | None:
    source = _source(b, x, "reshape")
    return None if source is None else b.add("reshape", [source], shape=shape)


def _elementwise(
    b: GraphBuilder, name: str, inputs: Sequence[Value], kind: Any, attrs: dict[str, Any]
) -> Value | None:
    perms = {tuple(p) for p in (_perm(b, x) for x in inputs) if p is not None}
    if len(perms) != 1:
        return None
    perm = list(perms.pop())
    moved = []
    for x in inputs:
        source = _source(b, x, "transpose")
        if source is not None:
            moved.append(source)
        elif b.value_of(x) is not None and x.rank <= len(perm):
            own = np.asarray(b.value_of(x)).reshape((1,) * (len(perm) - x.rank) + x.shape)
            moved.append(b.constant(own.transpose(np.argsort(perm)), x.kind))
        else:
            return None
    return b.add("transpose", [b.add(name, moved, kind, **attrs)], perm=perm)


def _reduction(b: GraphBuilder, name: str, x: Value, kind: Any, attrs: dict[str, Any]) -> Value | None:
    perm, source = _perm(b, x), _source(b, x, "transpose")
    if perm is None or source is None:
        return None
    out = b.add(name, [source], kind, axes=sorted(perm[axis] for axis in attrs["axes"]))
    return b.add("transpose", [out], perm=perm)


def _per_axis(b: GraphBuilder, name: str, x: Value, kind: Any, attrs: dict[str, Any]) -> Value | None:
    perm, source = _perm(b, x), _source(b, x, "transpose")
    if perm is None or source is None:
        return None
    back = [int(i) for i in np.argsort(perm)]
    own = {
        key: [value[i] for i in back] if isinstance(value, list | tuple) else value
        for key, value in attrs.items()
    }
    return b.add("transpose", [b.add(name, [source], kind, **own)], perm=perm)


def _concat(b: GraphBuilder, inputs: Sequence[Value], kind: Any, attrs: dict[str, Any]) -> Value | None:
    perms = {tuple(p) if p is not None else None for p in (_perm(b, x) for x in inputs)}
    perm = perms.pop()
    if perms or perm is None:
        return None
    sources = [source for source in (_source(b, x, "transpose") for x in inputs) if source is not None]
    return b.add("transpose", [b.add("concat", sources, kind, axis=perm[attrs["axis"]])], perm=list(perm))


def _matmul(b: GraphBuilder, inputs: Sequence[Value]) -> Value | None:
    """flatten(transpose(x)) @ constant = flatten(x) @ constant with its rows permuted."""
    flat, matrix = inputs
    weights = b.value_of(matrix)
    image = _source(b, flat, "reshape")
    if weights is None or weights.ndim != 2 or image is None:
        return None
    perm, source = _perm(b, image), _source(b, image, "transpose")
    if (
        perm is None
        or source is None
        or perm[0] != 0
        or image.shape[0] * weights.shape[0] != int(np.prod(image.shape))
    ):
        return None
    if flat.shape[-1] != weights.shape[0]:
        return None
    rows = weights.reshape(*image.shape[1:], weights.shape[1])
    back = [int(i) for i in np.argsort([p - 1 for p in perm[1:]])]
    own = b.constant(rows.transpose(*back, len(back)).reshape(weights.shape), matrix.kind)
    return b.add("matmul", [b.add("reshape", [source], shape=list(flat.shape)), own])
