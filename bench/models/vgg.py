"""VGG-16 for CIFAR: thirteen 3x3 convolutions and three linear layers.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015), column D,
with linear layers of 512 for 32x32 images as zkCNN and zkPyTorch measure it, and with batch normalisation,
which inference folds away. 15,253,578 parameters.
"""

from __future__ import annotations

import onnx

from bench.models.graph_writer import GraphWriter
from bench.models.image_layers import (
    IMAGE,
    LOGITS,
    batch_norm,
    convolution,
    image_model,
    linear,
    pooled,
    relu,
)

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each stage; a maximum over 2x2 ends it."""


def vgg16_cifar(seed: int) -> onnx.ModelProto:
    """VGG-16 for 32x32 images of ten classes."""
    g = GraphWriter("vgg16_cifar", seed)
    x, width = IMAGE, 3
    for stage, (channels, depth) in enumerate(STAGES, 1):
        for i in range(1, depth + 1):
            name = f"conv{stage}_{i}"
            x = convolution(g, x, (width, channels), name, bias=True)
            x = relu(g, batch_norm(g, x, channels, f"{name}.norm"))
            width = channels
        x = pooled(g, x, "MaxPool", f"pool{stage}")
    x = g.node("Flatten", [x], "features")
    x = relu(g, linear(g, x, (512, 512), "fc1", gain=2))
    x = relu(g, linear(g, x, (512, 512), "fc2", gain=2))
    linear(g, x, (512, 10), LOGITS)
    return image_model(g, 3, 32, 10)
