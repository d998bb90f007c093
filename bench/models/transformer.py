"""GPT-2 and its miniature: decoders of pre-normalised blocks.

    x = wte[tokens] + wpe[0 .. T-1]
    x = x + attention(norm(x));  x = x + mlp(norm(x))        for each block
    logits = norm(x) wte^T

Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), and Karpathy's nanoGPT. Weights
have a variance of 1 / fan-in, those that end a branch 1 / (2 blocks) of that, as GPT-2 starts training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from bench.models.graph_writer import GraphWriter

TOKENS = "tokens"
LOGITS = "logits"


@dataclass(frozen=True)
class Shape:
    """The dimensions of a decoder."""

    blocks: int
    width: int
    heads: int
    vocabulary: int
    context: int
    """Positions that have an embedding."""
    tokens: int
    """Tokens that the model reads, at most `context`."""
    biases: bool
    last_only: bool
    """Whether only the last token's logits are given."""

    @property
    def logits(self) -> tuple[int, int, int]:
        """The output's shape."""
        return 1, 1 if self.last_only else self.tokens, self.vocabulary


NANOGPT = Shape(
    blocks=5, width=64, heads=4, vocabulary=65, context=64, tokens=64, biases=False, last_only=False
)
"""The network of 0.25M parameters that ezkl published as its nanoGPT example and JOLT Atlas proves: 254,720
parameters with a fifth block that theirs holds but never runs; ours runs it."""
NANOGPT_FOUR_BLOCKS = Shape(
    blocks=4, width=64, heads=4, vocabulary=65, context=64, tokens=64, biases=False, last_only=False
)
"""What of that network runs in theirs: 205,440 parameters."""
GPT2 = Shape(
    blocks=12, width=768, heads=12, vocabulary=50257, context=1024, tokens=32, biases=True, last_only=True
)
"""GPT-2 small, 124,439,808 parameters, on 32 tokens."""


def decoder(name: str, shape: Shape, seed: int) -> onnx.ModelProto:
    """A decoder with its output embedding tied to its input's."""
    return _Decoder(name, shape, seed).model()


class _Decoder:
    """One decoder being written."""

    def __init__(self, name: str, shape: Shape, seed: int) -> None:
        self.g = GraphWriter(name, seed)
        self.shape = shape
        visible = np.tril(np.ones((shape.tokens, shape.tokens), dtype=np.bool_))
        self.visible = self.g.buffer("visible", visible)
        self.hidden = self.g.buffer("hidden", np.array(-np.inf, dtype=np.float32))
        head = shape.width // shape.heads
        self.factor = self.g.buffer("factor", np.array(1 / math.sqrt(head), dtype=np.float32))
        self.by_head = self.g.buffer("by_head", [1, shape.tokens, shape.heads, head])
        self.joined = self.g.buffer("joined", [1, shape.tokens, shape.width])

    def model(self) -> onnx.ModelProto:
        g, s = self.g, self.shape
        embedding = g.normal("wte", (s.vocabulary, s.width), 1 / math.sqrt(s.width))
        positions = g.normal("wpe", (s.context, s.width), 0.5 / math.sqrt(s.width))
        order = g.buffer("order", np.arange(s.tokens)[None])
        tokens = g.node("Gather", [embedding, TOKENS], "tokens.embedded")
        x = g.node("Add", [tokens, g.node("Gather", [positions, order], "positions")], "embedded")
        for i in range(s.blocks):
            x = self._residual(x, self._attention(self._norm(x, f"h{i}.ln_1"), f"h{i}.attn"))
            x = self._residual(x, self._mlp(self._norm(x, f"h{i}.ln_2"), f"h{i}.mlp"))
        x = self._norm(x, "ln_f")
        if s.last_only:
            x = g.node("Gather", [x, g.buffer("last", [s.tokens - 1])], "ln_f.last", axis=1)
        g.node("MatMul", [x, g.node("Transpose", [embedding], "lm_head", perm=[1, 0])], LOGITS)
        return g.model((TOKENS, TensorProto.INT64, (1, s.tokens)), (LOGITS, s.logits))

    def _attention(self, x: str, name: str) -> str:
        """Causal attention of several heads."""
        g, s = self.g, self.shape
        parts = g.split(self._linear(x, (s.width, 3 * s.width), f"{name}.c_attn"), 3, 2, f"{name}.qkv")
        q, k, v = (g.node("Reshape", [part, self.by_head], f"{part}.heads") for part in parts)
        q, v = (g.node("Transpose", [part], f"{part}.first", perm=[0, 2, 1, 3]) for part in (q, v))
        k = g.node("Transpose", [k], f"{k}.columns", perm=[0, 2, 3, 1])
        scores = g.node("Mul", [g.node("MatMul", [q, k], f"{name}.products"), self.factor], f"{name}.scores")
        scores = g.node("Where", [self.visible, scores, self.hidden], f"{name}.masked")
        y = g.node("MatMul", [g.node("Softmax", [scores], f"{name}.weights", axis=-1), v], f"{name}.mixed")
        y = g.node("Transpose", [y], f"{name}.rows", perm=[0, 2, 1, 3])
        y = g.node("Reshape", [y, self.joined], f"{name}.joined")
        return self._linear(y, (s.width, s.width), f"{name}.c_proj", ends_branch=True)

    def _mlp(self, x: str, name: str) -> str:
        s = self.shape
        x = self._linear(x, (s.width, 4 * s.width), f"{name}.c_fc")
        x = self.g.node("Gelu", [x], f"{name}.gelu", approximate="tanh")
        return self._linear(x, (4 * s.width, s.width), f"{name}.c_proj", ends_branch=True)

    def _linear(self, x: str, features: tuple[int, int], name: str, ends_branch: bool = False) -> str:
        deviation = 1 / math.sqrt(features[0] * (2 * self.shape.blocks if ends_branch else 1))
        product = self.g.node(
            "MatMul", [x, self.g.normal(f"{name}.weight", features, deviation)], f"{name}.product"
        )
        if not self.shape.biases:
            return product
        return self.g.node("Add", [product, self.g.normal(f"{name}.bias", features[1:], 0.02)], name)

    def _norm(self, x: str, name: str) -> str:
        inputs = [x, self.g.normal(f"{name}.weight", (self.shape.width,), 0.1, mean=1.0)]
        if self.shape.biases:
            inputs.append(self.g.normal(f"{name}.bias", (self.shape.width,), 0.1))
        return self.g.node("LayerNormalization", inputs, name, axis=-1, epsilon=1e-5)

    def _residual(self, x: str, branch: str) -> str:
        return self.g.node("Add", [x, branch], f"{branch}.residual")
