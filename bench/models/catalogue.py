"""The networks by name, and random inputs of the kind that each reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.models.graph_writer import BUFFER
from bench.models.lenet import lenet5
from bench.models.resnet import resnet18, resnet18_cifar
from bench.models.statistics import with_measured_statistics
from bench.models.transformer import GPT2, NANOGPT, NANOGPT_FOUR_BLOCKS, Shape, decoder
from bench.models.vgg import vgg16_cifar
from bench.networks import network

STATISTICS_SAMPLES = 4
BLOCK = 4
"""Random images are made of squares of so many pixels, with noise: neighbouring pixels are alike."""


@dataclass(frozen=True)
class _Images:
    """Normalised images: (pixel - mean) / deviation by channel, pixels in [0, 1]."""

    build: Callable[[int], onnx.ModelProto]
    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def model(self, seed: int) -> onnx.ModelProto:
        model = self.build(seed)
        return with_measured_statistics(model, self.samples(STATISTICS_SAMPLES, np.random.default_rng(seed)))

    def samples(self, count: int, random: np.random.Generator) -> NDArray[Any]:
        shape = (count, 1, len(self.mean))
        squares = random.random((*shape, -(-self.size // BLOCK), -(-self.size // BLOCK)), np.float32)
        image = squares.repeat(BLOCK, axis=3).repeat(BLOCK, axis=4)[..., : self.size, : self.size]
        image = 0.75 * image + 0.25 * random.random(image.shape, np.float32)
        mean, deviation = (np.reshape(v, (-1, 1, 1)) for v in (self.mean, self.deviation))
        return np.asarray((image - mean) / deviation, dtype=np.float32)


@dataclass(frozen=True)
class _Tokens:
    """Tokens drawn uniformly from the vocabulary."""

    name: str
    shape: Shape

    def model(self, seed: int) -> onnx.ModelProto:
        return decoder(self.name, self.shape, seed)

    def samples(self, count: int, random: np.random.Generator) -> NDArray[Any]:
        return random.integers(0, self.shape.vocabulary, (count, 1, self.shape.tokens))


_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_MODELS: dict[str, _Images | _Tokens] = {
    "lenet5": _Images(lenet5, 28, (0.1307,), (0.3081,)),
    "nanogpt": _Tokens("nanogpt", NANOGPT),
    "nanogpt_four_blocks": _Tokens("nanogpt_four_blocks", NANOGPT_FOUR_BLOCKS),
    "resnet18_cifar": _Images(resnet18_cifar, 32, *_CIFAR),
    "vgg16_cifar": _Images(vgg16_cifar, 32, *_CIFAR),
    "resnet18": _Images(resnet18, 224, *_IMAGENET),
    "resnet50": _Images(lambda seed: network("resnet50", seed), 224, *_IMAGENET),
    "gpt2": _Tokens("gpt2", GPT2),
}
NAMES = tuple(_MODELS)
"""From the smallest to the largest."""


def model(name: str, seed: int = 0) -> onnx.ModelProto:
    """The network called `name` (of NAMES) with random weights, the same ones for the same seed."""
    return _MODELS[name].model(seed)


def calibration(name: str, samples: int, seed: int = 1) -> list[NDArray[Any]]:
    """Random inputs for that network, one array (samples, *input's shape) for each of its inputs: normalised
    images, or tokens."""
    return [_MODELS[name].samples(samples, np.random.default_rng(seed))]


def parameters(model: onnx.ModelProto) -> int:
    """How many parameters a network has, as the literature counts them: a normalisation's factors and
    offsets, not its statistics."""
    read: set[str] = set()
    for node in model.graph.node:
        read.update(node.input[:3] if node.op_type == "BatchNormalization" else node.input)
    return sum(
        math.prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name in read
        and tensor.data_type == onnx.TensorProto.FLOAT
        and not tensor.name.startswith(BUFFER)
    )
