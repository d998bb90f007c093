"""Activation functions: a table each, but for those that clips and products give at once."""

from __future__ import annotations

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import scaled
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.quantisation import dequantised

_FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Acos": ("acos", ()),
    "Acosh": ("acosh", ()),
    "Asin": ("asin", ()),
    "Asinh": ("asinh", ()),
    "Atan": ("atan", ()),
    "Atanh": ("atanh", ()),
    "Celu": ("celu", ("alpha",)),
    "Cos": ("cos", ()),
    "Cosh": ("cosh", ()),
    "Elu": ("elu", ("alpha",)),
    "Erf": ("erf", ()),
    "Exp": ("exp", ()),
    "HardSwish": ("hard_swish", ()),
    "LeakyRelu": ("leaky_relu", ("alpha",)),
    "Log": ("log", ()),
    "Mish": ("mish", ()),
    "Reciprocal": ("reciprocal", ()),
    "Selu": ("selu", ("alpha", "gamma")),
    "Sigmoid": ("sigmoid", ()),
    "Sin": ("sin", ()),
    "Sinh": ("sinh", ()),
    "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()),
    "Sqrt": ("sqrt", ()),
    "Swish": ("swish", ("alpha",)),
    "Tan": ("tan", ()),
    "Tanh": ("tanh", ()),
    "ThresholdedRelu": ("thresholded_relu", ("alpha",)),
}


@handles(*_FUNCTIONS)
def unary(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    name, parameters = _FUNCTIONS[node.op_type]
    return b.add("function", [x], name=name, params=[float(node.attrs[p]) for p in parameters])


@handles("Relu")
def relu(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    known = b.scaled.get(x.id)
    if known is not None:
        return dequantised(b, b.add("clip", [known.integers], lo=0, hi=None), b.constant(known.scale))
    return b.add("clip", [x], lo=0, hi=None)


@handles("PRelu")
def prelu(b: GraphBuilder, node: OnnxNode, x: Value, slope: Value) -> Value:
    factor = b.value_of(slope)
    if factor is not None and factor.size == 1 and x.kind == "real":
        return b.add("function", [x], name="leaky_relu", params=[float(factor.reshape(()))])
    falling = b.add("mul", [b.add("clip", [x], lo=None, hi=0), slope])
    return wrapped(b, b.add("add", [b.add("clip", [x], lo=0, hi=None), falling]), node.dtypes[0])


@handles("HardSigmoid")
def hard_sigmoid(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    line = b.add("add", [scaled(b, x, node.attrs["alpha"]), b.constant(float(node.attrs["beta"]))])
    return b.add("clip", [line], lo=0.0, hi=1.0)


@handles("Gelu")
def gelu(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    name = "gelu_tanh" if node.attrs["approximate"] == "tanh" else "gelu"
    return b.add("function", [x], name=name, params=[])


@handles("SwiGLU")
def swiglu(b: GraphBuilder, node: OnnxNode, gate: Value, x: Value) -> Value:
    opened = b.add("function", [gate], name="swish", params=[float(node.attrs["alpha"])])
    return b.add("mul", [opened, x])


@handles("Shrink")
def shrink(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    params = [float(node.attrs["bias"]), float(node.attrs["lambd"])]
    out = b.add("function", [x], name="shrink", params=params)
    return out if x.kind == "real" else wrapped(b, b.add("round", [out], mode="trunc"), node.dtypes[0])
