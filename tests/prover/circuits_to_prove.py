"""A small circuit for every operation and every way in which ezkl's export lowers it, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port

Outputs = list[int]
Build = Callable[[CircuitBuilder, np.random.Generator], Outputs]
Bounds = tuple[int, int]

BUILDS: dict[str, Build] = {}
NARROW, WIDE = (-300, 300), (-(2**24), 2**24)
ONES: dict[str, Any] = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}


def build(name: str) -> Circuit:
    """The circuit called `name`."""
    builder = CircuitBuilder()
    outputs = BUILDS[name](builder, np.random.default_rng(7))
    circuit = builder.build([Port(f"y{i}", node, 1.0, "int") for i, node in enumerate(outputs)], {})
    circuit.validate()
    return circuit


def named(name: str) -> Callable[[Build], Build]:
    """Decorator that lists a build under a name."""

    def register(function: Build) -> Build:
        BUILDS[name] = function
        return function

    return register


def unary(op: str, shape: tuple[int, ...], bounds: Bounds = NARROW, /, **attrs: Any) -> Build:
    """One operation on one input."""

    def function(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
        x = b.input("x", shape, *bounds, 1.0, "int")
        return [b.add(op, [x], **attrs)]

    return function


def binary(
    op: str,
    left: tuple[int, ...] = (3, 4),
    right: tuple[int, ...] = (3, 4),
    of_left: Bounds = NARROW,
    of_right: Bounds = NARROW,
) -> Build:
    """One operation on two inputs."""

    def function(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
        x = b.input("x", left, *of_left, 1.0, "int")
        y = b.input("y", right, *of_right, 1.0, "int")
        return [b.add(op, [x, y])]

    return function


def rescale(bounds: Bounds, mul: int, shift: int, lo: int | None, hi: int | None) -> Build:
    """One rescale."""
    return unary("rescale", (20,), bounds, mul=mul, shift=shift, lo=lo, hi=hi)


def conv(shape: tuple[int, ...], weights: tuple[int, ...], groups: int, **attrs: Any) -> Build:
    """One convolution with constant weights."""

    def function(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
        x = b.input("x", shape, *NARROW, 1.0, "int")
        w = b.constant(rng.integers(-2000, 2000, weights))
        return [b.add("conv", [x, w], groups=groups, **attrs)]

    return function


BUILDS |= {
    "transpose": unary("transpose", (2, 3, 4), perm=[2, 0, 1]),
    "slice": unary("slice", (2, 3, 4), starts=[1, 2, 3], steps=[-1, -2, -1], sizes=[2, 2, 4]),
    "pad": unary("pad", (2, 3), before=[1, 0], after=[0, 2], value=7),
    "broadcast": unary("broadcast", (3, 1), shape=[2, 3, 4]),
    "add": binary("add", (2, 1, 3), (4, 1)),
    "sub": binary("sub", (3, 1), (3, 4)),
    "mul": binary("mul", (4,), (3, 4)),
    "reduce_sum": unary("reduce_sum", (2, 3, 4), axes=[0, 2]),
    "matmul": binary("matmul", (3, 4), (4, 5)),
    "matmul of a batch": binary("matmul", (2, 1, 3, 4), (3, 4, 2)),
    "matmul of one row and column": binary("matmul", (1, 1), (1, 1)),
    "conv": conv(
        (2, 5, 6, 3), (4, 3, 2, 3), 1, strides=[2, 1], pads_before=[1, 0], pads_after=[1, 1], dilations=[1, 2]
    ),
    "conv in groups": conv((1, 5, 5, 4), (6, 3, 3, 2), 2, **ONES),
    "conv of each channel": conv((1, 5, 5, 4), (4, 3, 3, 1), 4, **ONES),
    "conv along a line": conv(
        (1, 7, 4), (3, 3, 4), 1, strides=[2], pads_before=[0], pads_after=[1], dilations=[1]
    ),
    "rescale": rescale(WIDE, 1, 10, None, None),
    "rescale without a shift": rescale(WIDE, 1, 0, 0, None),
    "rescale by one bit": rescale(NARROW, 1, 1, None, None),
    "rescale with ReLU": rescale(WIDE, 3, 12, 0, None),
    "rescale with a clamp": rescale(WIDE, 3, 12, -2000, 2047),
    "rescale to many bits": rescale((-(2**28), 2**28), 1, 6, None, None),
    "rescale by many bits": rescale((-(2**40), 2**40), 5, 20, -5, None),
    "floor_divide": binary("floor_divide", (4,), (4,), (-50, 70), (1, 9)),
    "floor_divide of wide values": binary("floor_divide", (3, 2), (3, 1), (0, 2**20), (900, 2**14)),
    "max": binary("max"),
    "max of wide values": binary("max", of_left=WIDE),
    "reduce_max": unary("reduce_max", (2, 3, 4), axes=[1, 2]),
    "max_pool": unary(
        "max_pool",
        (1, 5, 5, 2),
        kernel=[3, 2],
        strides=[2, 1],
        pads_before=[1, 1],
        pads_after=[1, 0],
        dilations=[1, 2],
    ),
    "greater": binary("greater", of_left=(-9, 9), of_right=(-9, 9)),
    "greater of wide values": binary("greater", (2, 8), (2, 8), WIDE, (-9, 9)),
    "top_k, first": unary("top_k", (3, 7), (-2, 2), axis=1, k=1),
    "top_k": unary("top_k", (2, 5), (-2, 2), axis=1, k=3),
    "top_k along the first axis": unary("top_k", (4, 2), axis=0, k=4),
}


@named("floor_divide by constants")
def _floor_divide_by_constants(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    divisors = b.constant(np.array([18, 18, 16, 15, 18, 16, 9, 11, 10, 7, 9, 17]))
    return [b.add("floor_divide", [b.input("x", (2, 12), -34, -24, 1.0, "int"), divisors])]


@named("table")
def _table(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (3, 4), -100, 100, 1.0, "int")
    return [b.add("table", [x, b.constant(rng.integers(-5000, 5000, 300))], lo=-120)]


@named("gather with a runtime index")
def _gather(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 5, 3), *NARROW, 1.0, "int")
    return [b.add("gather", [x, b.input("i", (2, 2), 0, 4, 1.0, "int")], axis=1)]


@named("gather in a constant")
def _gather_constant(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.constant(rng.integers(-100, 100, (5, 3)))
    return [b.add("gather", [x, b.input("i", (4,), 0, 4, 1.0, "int")], axis=0)]


@named("gather with a constant index")
def _gather_fixed(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 5, 3), *NARROW, 1.0, "int")
    return [b.add("gather", [x, b.constant(np.array([[4, 0], [1, 1]]))], axis=1)]


@named("where")
def _where(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    c = b.input("c", (5,), 0, 1, 1.0, "int")
    x = b.input("x", (2, 5), *NARROW, 1.0, "int")
    return [b.add("where", [c, x, b.constant(2**40 + 5)])]


@named("concat, reshape and an input as outputs")
def _concat(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 5), *NARROW, 1.0, "int")
    z = b.add("concat", [x, b.constant(rng.integers(-9, 9, (2, 2))), x], axis=1)
    return [z, b.add("reshape", [z], shape=[24]), x]


@named("constants of 45 bits")
def _wide_constants(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 5), *NARROW, 1.0, "int")
    c = b.constant(rng.integers(-(2**45), 2**45, (5,)))
    return [b.add("add", [x, c]), b.add("sub", [c, x]), b.add("sub", [x, c])]


@named("weights and tables of 45 bits")
def _wide_weights(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 3), -9, 9, 1.0, "int")
    w = b.add("matmul", [x, b.constant(rng.integers(-(2**45), 2**45, (3, 2)))])
    t = b.add("table", [x, b.constant(rng.integers(-(2**45), 2**45, 20))], lo=-10)
    return [w, t, b.add("mul", [x, b.constant(2**30 + 1)])]


@named("inputs of 62 bits")
def _wide_inputs(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (3,), -(2**61), 2**61, 1.0, "int")
    return [b.add("add", [x, b.input("y", (3,), -(2**61), 2**61, 1.0, "int")])]


@named("max_pool behind a rescale")
def _pooled_rescale(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (1, 4, 4, 2), *WIDE, 1.0, "int")
    y = b.add("rescale", [x], mul=3, shift=11, lo=0, hi=4095)
    window = {"kernel": [2, 2], "strides": [2, 2], "pads_before": [0, 0], "pads_after": [0, 0]}
    return [b.add("max_pool", [y], dilations=[1, 1], **window)]


@named("a layer")
def _layer(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (1, 4), 0, 255, 1.0, "int")
    y = b.add("matmul", [x, b.constant(rng.integers(-100, 100, (4, 3)))])
    y = b.add("rescale", [y], mul=1, shift=7, lo=0, hi=None)
    return [b.add("matmul", [y, b.constant(rng.integers(-100, 100, (3, 2)))])]
