"""ResNet-18, for ImageNet and for CIFAR: four stages of two basic blocks.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2016), table 1, with projection shortcuts
where the size changes. The CIFAR form keeps the widths (64 to 512) and has a 3x3 stem without pooling, as the
provers' comparisons do (11,173,962 parameters); the ImageNet form has 11,689,512.
"""

from __future__ import annotations

import onnx

from bench.models.graph_writer import GraphWriter
from bench.models.image_layers import (
    IMAGE,
    LOGITS,
    averaged,
    batch_norm,
    convolution,
    image_model,
    linear,
    pooled,
    relu,
)

WIDTHS = (64, 128, 256, 512)
BLOCKS = 2


def resnet18(seed: int) -> onnx.ModelProto:
    """ResNet-18 for 224x224 images of 1,000 classes."""
    g = GraphWriter("resnet18", seed)
    x = convolution(g, IMAGE, (3, 64), "stem", kernel=7, stride=2)
    x = relu(g, batch_norm(g, x, 64, "stem.norm"))
    x = pooled(g, x, "MaxPool", "pool", kernel=3, pad=1)
    linear(g, averaged(g, _stages(g, x)), (512, 1000), LOGITS)
    return image_model(g, 3, 224, 1000)


def resnet18_cifar(seed: int) -> onnx.ModelProto:
    """ResNet-18 for 32x32 images of ten classes."""
    g = GraphWriter("resnet18_cifar", seed)
    x = relu(g, batch_norm(g, convolution(g, IMAGE, (3, 64), "stem"), 64, "stem.norm"))
    linear(g, averaged(g, _stages(g, x)), (512, 10), LOGITS)
    return image_model(g, 3, 32, 10)


def _stages(g: GraphWriter, x: str) -> str:
    width = 64
    for stage, channels in enumerate(WIDTHS, 1):
        for i in range(1, BLOCKS + 1):
            x = _basic_block(g, x, (width, channels), 2 if i == 1 and stage > 1 else 1, f"layer{stage}.{i}")
            width = channels
    return x


def _basic_block(g: GraphWriter, x: str, channels: tuple[int, int], stride: int, name: str) -> str:
    inner = convolution(g, x, channels, f"{name}.conv1", stride=stride)
    inner = relu(g, batch_norm(g, inner, channels[1], f"{name}.norm1"))
    inner = convolution(g, inner, (channels[1], channels[1]), f"{name}.conv2")
    inner = batch_norm(g, inner, channels[1], f"{name}.norm2")
    if stride != 1 or channels[0] != channels[1]:
        x = convolution(g, x, channels, f"{name}.shortcut", kernel=1, stride=stride)
        x = batch_norm(g, x, channels[1], f"{name}.shortcut.norm")
    return relu(g, g.node("Add", [inner, x], f"{name}.sum"))
