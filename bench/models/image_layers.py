"""The layers that image networks are made of, on tensors [1, channels, height, width] and [1, features]."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto

from bench.models.graph_writer import GraphWriter

IMAGE = "image"
LOGITS = "logits"


def convolution(
    g: GraphWriter,
    x: str,
    channels: tuple[int, int],
    name: str,
    kernel: int = 3,
    stride: int = 1,
    pad: int | None = None,
    bias: bool = False,
) -> str:
    """A square convolution from channels[0] to channels[1], padded to keep the size unless `pad` says
    otherwise."""
    pad = kernel // 2 if pad is None else pad
    fan_in = channels[0] * kernel * kernel
    inputs = [
        x,
        g.normal(f"{name}.weight", (channels[1], channels[0], kernel, kernel), math.sqrt(2 / fan_in)),
    ]
    if bias:
        inputs.append(g.normal(f"{name}.bias", (channels[1],), 0.1))
    return g.node("Conv", inputs, name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)


def batch_norm(g: GraphWriter, x: str, channels: int, name: str) -> str:
    """Batch normalisation with statistics still to be measured."""
    inputs = [
        x,
        g.normal(f"{name}.weight", (channels,), 0.1, mean=1.0),
        g.normal(f"{name}.bias", (channels,), 0.1),
        g.buffer(f"{name}.mean", np.zeros(channels, np.float32)),
        g.buffer(f"{name}.variance", np.ones(channels, np.float32)),
    ]
    return g.node("BatchNormalization", inputs, name, epsilon=1e-5)


def relu(g: GraphWriter, x: str) -> str:
    """max(x, 0)"""
    return g.node("Relu", [x], f"{x}.relu")


def linear(g: GraphWriter, x: str, features: tuple[int, int], name: str, gain: float = 1.0) -> str:
    """x W^T + b; a gain of 2 makes up for the ReLU before or behind it."""
    weight = g.normal(f"{name}.weight", features[::-1], math.sqrt(gain / features[0]))
    return g.node("Gemm", [x, weight, g.normal(f"{name}.bias", features[1:], 0.1)], name, transB=1)


def pooled(g: GraphWriter, x: str, op_type: str, name: str, kernel: int = 2, pad: int = 0) -> str:
    """MaxPool or AveragePool at a stride of 2."""
    return g.node(op_type, [x], name, kernel_shape=[kernel] * 2, strides=[2] * 2, pads=[pad] * 4)


def averaged(g: GraphWriter, x: str) -> str:
    """[1, channels], each channel's mean."""
    return g.node("Flatten", [g.node("GlobalAveragePool", [x], "average")], "features")


def image_model(g: GraphWriter, channels: int, size: int, classes: int) -> onnx.ModelProto:
    """The network from a square image to the tensor called logits."""
    return g.model((IMAGE, TensorProto.FLOAT, (1, channels, size, size)), (LOGITS, (1, classes)))
