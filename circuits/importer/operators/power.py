"""Powers: a constant exponent gives products, roots and tables, a constant base an exponential.

With neither constant it is exp(y * log(x)), for a base above 0.
"""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles

MAX_DISTINCT = 8
"""So many different constant exponents are each computed and chosen between; more go by the logarithm."""


@handles("Pow")
def power(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    exponents = b.value_of(y)
    if exponents is not None:
        distinct = np.unique(exponents.astype(np.float64))
        if distinct.size <= MAX_DISTINCT or x.kind != "real":
            return _chosen(b, node, x, exponents, distinct)
    if x.kind != "real":
        raise node.fail(
            "it raises integers to an exponent that is computed at run time: cast the base to float first"
        )
    y = b.retyped(y, "real")
    base = b.value_of(x)
    if base is not None:
        if not np.all(base > 0):
            raise node.fail(
                "its constant base is not positive, so the power is no real number for most exponents"
            )
        if base.size == 1 and x.rank <= y.rank:
            return b.add("function", [y], name="exp_base", params=[float(base.reshape(()))])
    log = b.add("function", [x], name="log", params=[])
    return b.add("function", [b.add("mul", [y, log])], name="exp", params=[])


def _chosen(b: GraphBuilder, node: OnnxNode, x: Value, exponents: np.ndarray, distinct: np.ndarray) -> Value:
    """x to each of a few constant exponents, the right one chosen for each cell."""
    out = raised(b, node, x, float(distinct[0]))
    for exponent in distinct[1:]:
        here = b.constant(exponents.astype(np.float64) == exponent)
        out = b.add("where", [here, raised(b, node, x, float(exponent)), out])
    return b.add("broadcast", [out], shape=list(np.broadcast_shapes(x.shape, exponents.shape)))


def raised(b: GraphBuilder, node: OnnxNode, x: Value, exponent: float) -> Value:
    """x to a constant power."""
    if exponent == 0:
        return b.constant(np.ones(x.shape, dtype=np.float64 if x.kind == "real" else np.int64))
    if exponent == 1:
        return x
    if x.kind != "real":
        return _whole_power(b, node, x, exponent)
    if exponent == 2:
        return b.add("mul", [x, x])
    names = {0.5: "sqrt", -1.0: "reciprocal"}
    if exponent in names:
        return b.add("function", [x], name=names[exponent], params=[])
    return b.add("function", [x], name="pow", params=[exponent])


def _whole_power(b: GraphBuilder, node: OnnxNode, x: Value, exponent: float) -> Value:
    """Exact: by squaring, wrapped to the integer's type at each step."""
    if exponent < 0 or exponent != int(exponent):
        raise node.fail(f"it raises integers to the power {exponent}: cast the base to float first")
    out: Value | None = None
    for bit in bin(int(exponent))[2:]:
        if out is not None:
            out = wrapped(b, b.add("mul", [out, out]), node.dtypes[0])
        if bit == "1":
            out = x if out is None else wrapped(b, b.add("mul", [out, x]), node.dtypes[0])
    assert out is not None
    return out
