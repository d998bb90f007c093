"""Random small ONNX models, and samples for their inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MOST_CELLS = 512
OPSET = 21
Shape = tuple[int, ...]


@dataclass
class Grown:
    """A model under construction: every step takes tensors from the pool and puts a new one back."""

    rng: np.random.Generator
    jumps: bool
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[tuple[str, Shape, int]] = field(default_factory=list)
    pool: list[tuple[str, Shape]] = field(default_factory=list)

    def pick(self) -> tuple[str, Shape]:
        """A tensor of the pool, late ones more often."""
        late = max(0, len(self.pool) - 3) if self.rng.random() < 0.7 else 0
        return self.pool[self.rng.integers(late, len(self.pool))]

    def weights(self, *shape: int, spread: float = 1.0) -> str:
        """A constant of random numbers, some of them small, some zero."""
        values = self.rng.normal(0, spread, shape) * self.rng.choice([1, 1, 0.1, 0], shape)
        return self.constant(values.astype(np.float32))

    def constant(self, values: NDArray[np.generic]) -> str:
        """An initializer."""
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, op: str, inputs: list[str], **attributes: object) -> str:
        """A node; the name of its output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", **attributes))
        return name

    def put(self, name: str, shape: Shape) -> None:
        """Add a tensor to the pool."""
        self.pool.append((name, shape))

    def integer(self, low: int, high: int) -> int:
        """A number between the two, both included."""
        return int(self.rng.integers(low, high + 1))

    # -- steps
    # -------------------------------------------------------------------------------------------------

    def image(self) -> tuple[str, Shape]:
        """A tensor as a batch of images [1, C, H, W] or signals [1, C, L]."""
        name, shape = self.pick()
        size = math.prod(shape)
        sides = [side for side in (1, 2, 3, 4, 5, 6, 8) if size % (side * side) == 0]
        side = int(self.rng.choice(sides))
        shape = (1, size // side, side) if self.rng.random() < 0.3 else (1, size // (side * side), side, side)
        return self.op("Reshape", [name, self.constant(np.array(shape))]), shape

    def conv(self) -> None:
        name, shape = self.image()
        spatial = len(shape) - 2
        kernel = [self.integer(1, min(3, n)) for n in shape[2:]]
        stride = self.integer(1, 2)
        pads = [self.integer(0, k // 2) for k in kernel]
        groups = shape[1] if self.rng.random() < 0.2 else 1
        out = groups if groups > 1 else self.integer(1, 6)
        w = self.weights(out, shape[1] // groups, *kernel)
        bias = [self.weights(out)] if self.rng.random() < 0.5 else []
        attributes = {
            "strides": [stride] * spatial,
            "pads": pads + pads,
            "group": groups,
            "kernel_shape": kernel,
        }
        y = self.op("Conv", [name, w, *bias], **attributes)
        counts = [(n + 2 * p - k) // stride + 1 for n, p, k in zip(shape[2:], pads, kernel, strict=True)]
        self.put(y, (1, out, *counts))

    def pool_(self) -> None:
        name, shape = self.image()
        op = self.rng.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
        if op.startswith("Global"):
            self.put(self.op(op, [name]), (*shape[:2], *(1,) * (len(shape) - 2)))
            return
        kernel = [min(2, n) for n in shape[2:]]
        y = self.op(op, [name], kernel_shape=kernel, strides=kernel)
        self.put(y, (*shape[:2], *(n // k for n, k in zip(shape[2:], kernel, strict=True))))

    def matmul(self) -> None:
        name, shape = self.pick()
        if not shape:
            return
        out = self.integer(1, 8)
        y = self.op("MatMul", [name, self.weights(shape[-1], out)])
        if self.rng.random() < 0.5:
            y = self.op("Add", [y, self.weights(out)])
        self.put(y, (*shape[:-1], out))

    def product(self) -> None:
        """x times its own transpose."""
        name, shape = self.pick()
        if len(shape) < 2:
            return
        perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        turned = self.op("Transpose", [name], perm=perm)
        self.put(self.op("MatMul", [name, turned]), (*shape[:-1], shape[-2]))

    def binary(self) -> None:
        name, shape = self.pick()
        op = str(self.rng.choice(["Add", "Sub", "Mul", "Max", "Min"]))
        partners = [other for other, own in self.pool if own == shape]
        if self.rng.random() < 0.6:
            other = str(self.rng.choice(partners))
        else:
            other = self.weights(*shape[self.integer(0, len(shape)) :])
        pair = [name, other] if self.rng.random() < 0.5 else [other, name]
        self.put(self.op(op, pair), shape)

    def divide(self) -> None:
        """By something that stays away from 0."""
        name, shape = self.pick()
        other = self.op("Abs", [str(self.rng.choice([other for other, own in self.pool if own == shape]))])
        bounded = self.op("Add", [other, self.constant(np.float32(self.rng.uniform(0.5, 2)))])
        self.put(self.op("Div", [name, bounded]), shape)

    def unary(self) -> None:
        name, shape = self.pick()
        op = str(
            self.rng.choice(
                ["Relu", "Relu", "Sigmoid", "Tanh", "Gelu", "Erf", "Neg", "Abs", "LeakyRelu", "Elu"]
            )
        )
        self.put(self.op(op, [name]), shape)

    def positive(self) -> None:
        """A function of what is positive."""
        name, shape = self.pick()
        above = self.op("Add", [self.op("Abs", [name]), self.constant(np.float32(self.rng.uniform(0.05, 2)))])
        op = str(self.rng.choice(["Sqrt", "Log", "Reciprocal", "Pow", "Div"]))
        extra = [self.constant(np.float32(self.rng.choice([0.5, 2, 3, -1, 1.5])))] if op == "Pow" else []
        if op == "Div":
            y = self.op(op, [self.constant(np.float32(self.rng.normal(0, 100))), above])
        else:
            y = self.op(op, [above, *extra])
        self.put(y, shape)

    def exponential(self) -> None:
        """Of what is not too large."""
        name, shape = self.pick()
        low = self.op("Clip", [name, self.constant(np.float32(-6)), self.constant(np.float32(3))])
        self.put(self.op(str(self.rng.choice(["Exp", "Softplus", "Sin"])), [low]), shape)

    def rounded(self) -> None:
        name, shape = self.pick()
        self.put(self.op(str(self.rng.choice(["Floor", "Ceil", "Round", "Sign"])), [name]), shape)

    def clip(self) -> None:
        name, shape = self.pick()
        edges = sorted(self.rng.uniform(-2, 2, 2).astype(np.float32))
        lo, hi = (self.constant(edge) if self.rng.random() < 0.7 else "" for edge in edges)
        self.put(self.op("Clip", [name, lo, hi]), shape)

    def softmax(self) -> None:
        name, shape = self.pick()
        if shape:
            op = str(self.rng.choice(["Softmax", "Softmax", "LogSoftmax"]))
            self.put(self.op(op, [name], axis=self.integer(0, len(shape) - 1)), shape)

    def normalisation(self) -> None:
        name, shape = self.pick()
        if shape and shape[-1] > 2:
            scale, shift = self.weights(shape[-1]), self.weights(shape[-1])
            self.put(self.op("LayerNormalization", [name, scale, shift], axis=-1, epsilon=1e-3), shape)

    def batch_norm(self) -> None:
        name, shape = self.image()
        c = shape[1]
        mean, variance = self.weights(c), self.constant(self.rng.uniform(0.1, 2, c).astype(np.float32))
        y = self.op("BatchNormalization", [name, self.weights(c), self.weights(c), mean, variance])
        self.put(y, shape)

    def reduce(self) -> None:
        name, shape = self.pick()
        if shape:
            op = str(self.rng.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]))
            axis = self.integer(0, len(shape) - 1)
            y = self.op(op, [name, self.constant(np.array([axis]))], keepdims=1)
            self.put(y, (*shape[:axis], 1, *shape[axis + 1 :]))

    def where(self) -> None:
        name, shape = self.pick()
        condition = self.op("Greater", [name, self.constant(np.float32(self.rng.normal()))])
        if self.rng.random() < 0.5 or not self.jumps:
            condition = self.constant(self.rng.random(shape) < 0.5)
        partners = [other for other, own in self.pool if own == shape]
        self.put(self.op("Where", [condition, name, str(self.rng.choice(partners))]), shape)

    def masked_attention(self) -> None:
        """Softmax over scores of which some are masked with -1e9 or minus infinity."""
        name, shape = self.pick()
        if not shape or shape[-1] < 2:
            return
        keep = self.rng.random(shape) < 0.6
        keep[..., 0] = True
        mask = np.where(keep, 0, self.rng.choice([-1e9, -np.inf, -1e4])).astype(np.float32)
        self.put(self.op("Softmax", [self.op("Add", [name, self.constant(mask)])], axis=-1), shape)

    def concat(self) -> None:
        name, shape = self.pick()
        if not shape:
            return
        axis = self.integer(0, len(shape) - 1)
        same = [
            (other, own)
            for other, own in self.pool
            if len(own) == len(shape)
            and all(a == b for k, (a, b) in enumerate(zip(own, shape, strict=True)) if k != axis)
        ]
        parts = [(name, shape), *(same[self.integer(0, len(same) - 1)] for _ in range(self.integer(1, 2)))]
        total = sum(own[axis] for _, own in parts)
        y = self.op("Concat", [part for part, _ in parts], axis=axis)
        self.put(y, (*shape[:axis], total, *shape[axis + 1 :]))

    def move(self) -> None:
        name, shape = self.pick()
        if len(shape) < 2:
            return
        kind = self.integer(0, 3)
        if kind == 0:
            perm = [int(p) for p in self.rng.permutation(len(shape))]
            self.put(self.op("Transpose", [name], perm=perm), tuple(shape[p] for p in perm))
        elif kind == 1:
            axis = self.integer(0, len(shape) - 1)
            start = self.integer(0, shape[axis] - 1)
            ends = [self.constant(np.array([v])) for v in (start, shape[axis], axis)]
            self.put(
                self.op("Slice", [name, *ends]), (*shape[:axis], shape[axis] - start, *shape[axis + 1 :])
            )
        elif kind == 2:
            pads = [[self.integer(0, 1) for _ in shape] for _ in range(2)]
            y = self.op("Pad", [name, self.constant(np.array(pads[0] + pads[1]))])
            self.put(y, tuple(a + n + b for a, n, b in zip(pads[0], shape, pads[1], strict=True)))
        else:
            axis = self.integer(0, len(shape) - 1)
            index = self.rng.integers(0, shape[axis], self.integer(1, 4))
            y = self.op("Gather", [name, self.constant(index)], axis=axis)
            self.put(y, (*shape[:axis], len(index), *shape[axis + 1 :]))

    def choose(self) -> None:
        """Positions of the largest cells, as numbers."""
        name, shape = self.pick()
        if not shape:
            return
        axis = self.integer(0, len(shape) - 1)
        y = self.op("ArgMax", [name], axis=axis, keepdims=1)
        self.put(self.op("Cast", [y], to=TensorProto.FLOAT), (*shape[:axis], 1, *shape[axis + 1 :]))


STEPS = (
    "conv",
    "pool_",
    "matmul",
    "matmul",
    "product",
    "binary",
    "binary",
    "divide",
    "unary",
    "unary",
    "clip",
)
STEPS += (
    "positive",
    "positive",
    "exponential",
    "softmax",
    "normalisation",
    "batch_norm",
    "reduce",
    "where",
    "masked_attention",
    "concat",
    "move",
)

JUMPS = ("choose", "choose", "rounded", "rounded")
"""Steps whose results jump where their inputs hardly differ."""


@dataclass(frozen=True)
class RandomModel:
    """A model, its inputs' shapes, and samples to calibrate on."""

    model: onnx.ModelProto
    inputs: list[tuple[str, Shape, int]]
    samples: list[NDArray[np.generic]]


def random_model(seed: int, jumps: bool = True, most_steps: int = 8, count: int = 24) -> RandomModel:
    """The model of a seed, the same every time."""
    rng = np.random.default_rng(seed)
    g = Grown(rng, jumps)
    for k in range(g.integer(1, 2)):
        shape = [(1, 6), (1, 12), (1, 3, 4), (1, 2, 4, 4), (2, 8), (1, 1, 6, 6)][g.integer(0, 5)]
        g.inputs.append((f"x{k}", shape, TensorProto.FLOAT))
        g.put(f"x{k}", shape)
    for _ in range(g.integer(1, most_steps)):
        before = len(g.nodes), len(g.initializers), len(g.pool)
        getattr(g, str(rng.choice(STEPS + JUMPS if jumps else STEPS)))()
        if len(g.pool) > before[2] and math.prod(g.pool[-1][1]) > MOST_CELLS:
            del g.nodes[before[0] :], g.initializers[before[1] :], g.pool[before[2] :]
    ends = list(dict.fromkeys(g.pool[-g.integer(1, 3) :]))
    graph = helper.make_graph(
        g.nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape, kind in g.inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends],
        g.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    scale = float(rng.choice([0.01, 1, 1, 10]))
    samples = [rng.normal(0, scale, (count, *shape)).astype(np.float32) for _, shape, _ in g.inputs]
    return RandomModel(model, g.inputs, samples)
