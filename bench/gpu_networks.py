"""Circuits to prove on a GPU, made without a model file: shapes of known networks, random weights.

What a proof costs does not depend on the weights. Normalisation is folded, as a compiler folds it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port

BITS = 12
_LIMIT = 1 << (BITS - 1)


class _Network:
    """A circuit that grows layer by layer."""

    def __init__(self, seed: int = 0) -> None:
        self.builder, self._random = CircuitBuilder(), np.random.default_rng(seed)

    def weights(self, *shape: int) -> int:
        """Random weights of twelve bits."""
        return self.builder.constant(self._random.integers(-_LIMIT, _LIMIT, shape))

    def narrowed(self, x: int, terms: int, relu: bool = False) -> int:
        """Sums of so many products, or of two narrowed tensors, brought back to twelve bits."""
        shift = max(1, BITS - 2 + (terms - 1).bit_length() // 2)
        return self.builder.add("rescale", [x], mul=1, shift=shift, lo=0 if relu else -_LIMIT, hi=_LIMIT - 1)

    def convolution(
        self, x: int, channels: tuple[int, int], size: int, stride: int = 1, relu: bool = True
    ) -> int:
        """A convolution with as many outputs as inputs along each axis, divided by the stride."""
        taken, made = channels
        window = {name: [value] * 2 for name, value in (("strides", stride), ("dilations", 1))}
        pads = {name: [size // 2] * 2 for name in ("pads_before", "pads_after")}
        w = self.weights(made, size, size, taken)
        sums = self.builder.add("conv", [x, w], groups=1, **window, **pads)
        return self.narrowed(sums, taken * size * size, relu)

    def dense(self, x: int, taken: int, made: int, relu: bool = False) -> int:
        """A matrix product with weights."""
        return self.narrowed(self.builder.add("matmul", [x, self.weights(taken, made)]), taken, relu)

    def summed(self, x: int, y: int, relu: bool = False) -> int:
        """The sum of two tensors."""
        lo = 0 if relu else -_LIMIT
        total = self.builder.add("add", [x, y])
        return self.builder.add("rescale", [total], mul=1, shift=0, lo=lo, hi=_LIMIT - 1)

    def built(self, x: int) -> Circuit:
        """The circuit."""
        return self.builder.build([Port("y", x, 1.0, "int")], {})


def resnet(blocks: tuple[int, ...], wide: bool, side: int, classes: int) -> Circuit:
    """He, Zhang, Ren, Sun 2016, table 1; `wide`: blocks of three convolutions, whose last has four times the
    width.
    """
    n = _Network()
    x = n.builder.input("x", (1, side, side, 3), -_LIMIT, _LIMIT - 1, 1.0, "int")
    if side > 64:
        x = n.convolution(x, (3, 64), 7, 2)
        window = {"kernel": [3, 3], "strides": [2, 2], "dilations": [1, 1]}
        x = n.builder.add("max_pool", [x], pads_before=[1, 1], pads_after=[1, 1], **window)
        side //= 4
    else:
        x = n.convolution(x, (3, 64), 3)
    width = 64
    for stage, count in enumerate(blocks):
        inner = 64 << stage
        made = 4 * inner if wide else inner
        for block in range(count):
            stride = 2 if stage and not block else 1
            side //= stride
            if wide:
                y = n.convolution(n.convolution(x, (width, inner), 1), (inner, inner), 3, stride)
                y = n.convolution(y, (inner, made), 1, relu=False)
            else:
                y = n.convolution(n.convolution(x, (width, inner), 3, stride), (inner, inner), 3, relu=False)
            if width != made or stride > 1:
                x = n.convolution(x, (width, made), 1, stride, relu=False)
            x, width = n.summed(x, y, relu=True), made
    x = n.narrowed(n.builder.add("reduce_sum", [x], axes=[1, 2]), side**4)
    return n.built(n.dense(n.builder.add("reshape", [x], shape=[1, width]), width, classes))


def transformer(tokens: int, width: int, layers: int, heads: int) -> Circuit:
    """The matrix products of a decoder's blocks, without its normalisations and with scores for softmax."""
    n = _Network()
    x = n.builder.input("x", (tokens, width), -_LIMIT, _LIMIT - 1, 1.0, "int")

    def split(y: int) -> int:
        shaped = n.builder.add("reshape", [y], shape=[tokens, heads, width // heads])
        return n.builder.add("transpose", [shaped], perm=[1, 0, 2])

    for _ in range(layers):
        q, k, v = (split(n.dense(x, width, width)) for _ in range(3))
        scores = n.builder.add("matmul", [q, n.builder.add("transpose", [k], perm=[0, 2, 1])])
        mixed = n.builder.add("matmul", [n.narrowed(scores, width // heads), v])
        together = n.builder.add("transpose", [n.narrowed(mixed, tokens)], perm=[1, 0, 2])
        joined = n.builder.add("reshape", [together], shape=[tokens, width])
        x = n.summed(x, n.dense(joined, width, width))
        x = n.summed(x, n.dense(n.dense(x, width, 4 * width, relu=True), 4 * width, width))
    return n.built(x)


NETWORKS: dict[str, Callable[[], Circuit]] = {
    "small": lambda: resnet((1,), False, 8, 10),
    "resnet18-32": lambda: resnet((2, 2, 2, 2), False, 32, 10),
    "resnet18-224": lambda: resnet((2, 2, 2, 2), False, 224, 1000),
    "resnet50-224": lambda: resnet((3, 4, 6, 3), True, 224, 1000),
    "gpt2-32-tokens": lambda: transformer(32, 768, 12, 12),
}
"""By name; `small` is for trying the bench itself."""
