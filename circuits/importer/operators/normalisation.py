"""Normalisations: by fixed statistics (batch), by those of a sample (layer, group, instance, RMS, ...), by
neighbours (LRN).

    y = (x - mean) / sqrt(variance + epsilon)        variance = mean((x - mean)^2)

The mean is taken off before anything is squared and the quotient is one `divide`: both keep few-bit integers
accurate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import mean, scaled
from circuits.importer.axes import axes_of, axis_of
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.operators.pooling import exponent, magnitude_power, root
from circuits.importer.windows import channels_first, channels_last


@handles("BatchNormalization")
def batch_normalization(
    b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, bias: Value, centre: Value, variance: Value
) -> Value:
    """x * factor + offset with statistics from training. Constant factors fold into a convolution before
    them."""
    if node.attrs.get("training_mode", 0):
        raise node.fail("training_mode=1 updates statistics: export the model for inference")
    if any(node.out_names[1:]):
        raise node.fail("its statistics outputs exist in training only: export the model for inference")
    per_channel = [x.shape[1] if x.rank > 1 else 1, *[1] * (x.rank - 2)]
    shape = per_channel if node.attrs.get("spatial", 1) else list(x.shape[1:])
    deviation = _deviation(b, variance, node.attrs["epsilon"])
    factor = b.add("divide", [scale, deviation], at_least=_least(node.attrs["epsilon"]))
    offset = b.add("sub", [bias, b.add("mul", [centre, factor])])
    factor, offset = (b.add("reshape", [v], shape=shape) for v in (factor, offset))
    return b.add("add", [b.add("mul", [x, factor]), offset])


@handles("LayerNormalization")
def layer_normalization(
    b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, bias: Value | None = None
) -> list[Value | None]:
    axes = range(axis_of(node, node.attrs["axis"], x.rank), x.rank)
    out, centre, deviation = normalised(b, x, axes, node.attrs["epsilon"])
    inverse = None
    if len(node.out_names) > 2 and node.out_names[2]:
        inverse = b.add("divide", [b.constant(1.0), deviation], at_least=_least(node.attrs["epsilon"]))
    return [_affine(b, out, scale, bias), centre, inverse]


@handles("InstanceNormalization")
def instance_normalization(b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, bias: Value) -> Value:
    out, _, _ = normalised(b, x, range(2, x.rank), node.attrs["epsilon"])
    return _affine(b, out, *_per_channel(b, x, scale, bias))


@handles("GroupNormalization")
def group_normalization(b: GraphBuilder, node: OnnxNode, x: Value, scale: Value, bias: Value) -> Value:
    """Statistics over each group of neighbouring channels; before opset 21 scale and bias are by group,
    too."""
    groups, channels = node.attrs["num_groups"], x.shape[1]
    if groups < 1 or channels % groups:
        raise node.fail(f"{groups} groups do not divide {channels} channels")
    cells = b.add("reshape", [x], shape=[x.shape[0], groups, math.prod(x.shape[1:]) // groups])
    out, _, _ = normalised(b, cells, [2], node.attrs["epsilon"])
    return _affine(b, b.add("reshape", [out], shape=list(x.shape)), *_per_channel(b, x, scale, bias))


@handles("RMSNormalization")
def rms_normalization(b: GraphBuilder, node: OnnxNode, x: Value, scale: Value) -> Value:
    axes = range(axis_of(node, node.attrs["axis"], x.rank), x.rank)
    deviation = _deviation(b, mean(b, b.add("mul", [x, x]), axes), node.attrs["epsilon"])
    out = b.add("divide", [x, deviation], at_least=_least(node.attrs["epsilon"]))
    return b.add("mul", [out, scale])


@handles("MeanVarianceNormalization")
def mean_variance_normalization(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Here epsilon, 1e-9, is added to the deviation; as part of the variance it only keeps a constant x from
    0 / 0."""
    axes = sorted(axes_of(node, node.attrs["axes"], x.rank))
    return normalised(b, x, axes, 1e-18)[0]


@handles("LpNormalization")
def lp_normalization(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """x over its p-norm; a vector of zeros stays one."""
    axis = axis_of(node, node.attrs["axis"], x.rank)
    sums = b.add("reduce_sum", [magnitude_power(b, x, exponent(node))], axes=[axis])
    norm = b.add("clip", [root(b, sums, exponent(node))], lo=1e-30, hi=None)
    return b.add("divide", [x, norm], at_least=None)


@handles("LRN")
def local_response_normalization(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """x / (bias + alpha / size * sum of x^2 over neighbouring channels) ^ beta; the sum is a convolution
    along channels."""
    size, alpha, beta, bias = (node.attrs[name] for name in ("size", "alpha", "beta", "bias"))
    if size < 1 or not 0 < bias < 1e6 or not 0 <= beta < 8 or alpha < 0:
        raise node.fail("its size and bias should be positive, alpha and beta not negative, and beta below 8")
    before, after = (min(reach, x.shape[1] - 1) for reach in ((size - 1) // 2, size // 2))
    last = channels_last(b, x)
    squares = b.add(
        "reshape", [b.add("mul", [last, last])], shape=[math.prod(x.shape) // x.shape[1], x.shape[1], 1]
    )
    sums = b.add(
        "conv",
        [squares, b.constant(np.ones((1, before + after + 1, 1), dtype=np.int64))],
        strides=[1],
        pads_before=[before],
        pads_after=[after],
        dilations=[1],
        groups=1,
    )
    sums = b.add("reshape", [sums], shape=list(last.shape))
    base = b.add("add", [scaled(b, sums, alpha / size), b.constant(float(bias))])
    divisor = b.add("function", [base], name="pow", params=[float(beta)])
    return channels_first(b, b.add("divide", [last, divisor], at_least=bias**beta))


@handles("Dropout")
def dropout(
    b: GraphBuilder, node: OnnxNode, x: Value, ratio: Value | None = None, training: Value | None = None
) -> list[Value]:
    """Drops nothing in inference."""
    rate = 0.5 if ratio is None else b.value_of(ratio)
    trains = False if training is None else b.value_of(training)
    if trains is None or (trains and rate != 0):
        raise node.fail("training_mode drops cells at random: export the model for inference")
    return [x, b.constant(np.ones(x.shape, dtype=np.bool_))]


def normalised(b: GraphBuilder, x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value, Value]:
    """x to mean 0 and variance 1 over rising axes; also the mean and the deviation, their axes kept with size
    1."""
    centre = mean(b, x, axes)
    centred = b.add("sub", [x, centre])
    deviation = _deviation(b, mean(b, b.add("mul", [centred, centred]), axes), epsilon)
    return b.add("divide", [centred, deviation], at_least=_least(epsilon)), centre, deviation


def _deviation(b: GraphBuilder, variance: Value, epsilon: float) -> Value:
    """sqrt(variance + epsilon)."""
    return b.add("function", [b.add("add", [variance, b.constant(float(epsilon))])], name="sqrt", params=[])


def _least(epsilon: float) -> float | None:
    """The least that a deviation can be, as `divide` takes it."""
    return math.sqrt(epsilon) if epsilon > 0 else None


def _affine(b: GraphBuilder, x: Value, scale: Value, bias: Value | None) -> Value:
    out = b.add("mul", [x, scale])
    return out if bias is None else b.add("add", [out, bias])


def _per_channel(b: GraphBuilder, x: Value, *vectors: Value) -> list[Value]:
    """Vectors over the channels of x [N, C, *spatial], shaped to broadcast."""
    return [b.add("reshape", [v], shape=[x.shape[1], *[1] * (x.rank - 2)]) for v in vectors]
