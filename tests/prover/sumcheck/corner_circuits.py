"""Small circuits at the edges of what relations, weights and layouts must bear, beside those of
`tests.prover.circuits_to_prove`."""

from __future__ import annotations

from typing import Any

import numpy as np

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from tests.prover.circuits_to_prove import NARROW, ONES, Build, Outputs, binary, rescale, unary

FAR = (-(2**62) + 1, 2**62 - 1)
FARTHEST = (-(2**63) + 1, 2**63 - 1)
SMALL_BOUND = (-9, 9)


def corner(name: str) -> Circuit:
    """The circuit called `name`."""
    builder = CircuitBuilder()
    outputs = CORNERS[name](builder, np.random.default_rng(5))
    circuit = builder.build([Port(f"y{i}", node, 1.0, "int") for i, node in enumerate(outputs)], {})
    circuit.validate()
    return circuit


CORNERS: dict[str, Build] = {
    "maxima as far apart as 64 bits allow": binary("max", (3,), (3,), FAR, FAR),
    "comparison of values as far apart": binary("greater", (3,), (3,), FAR, FAR),
    "division of the widest values": binary("floor_divide", (3,), (3,), FAR, (1, 2**63 - 1)),
    "division by ones": binary("floor_divide", (3,), (3,), (-5, 5), (1, 1)),
    "maximum over the widest values": unary("reduce_max", (2, 3), FAR, axes=[1]),
    "order of the widest values": unary("top_k", (4,), FAR, axis=0, k=2),
    "pooling of the widest values": unary(
        "max_pool",
        (1, 4, 1),
        FAR,
        kernel=[3],
        strides=[1],
        pads_before=[1],
        pads_after=[1],
        dilations=[1],
    ),
    "a shift by as many bits as there are": rescale(FAR, 1, 62, None, None),
    "a shift that leaves a sign": rescale((-5, 5), 1, 40, None, None),
    "a clamp of the widest values": rescale(FAR, 1, 0, -7, 7),
    "a clamp from above only": rescale((-1000, 1000), 3, 4, None, 50),
    "a clamp from below only": rescale((-1000, 1000), 3, 4, -50, None),
    "a clamp above all values but one": rescale((-16, 16), 1, 1, None, 7),
    "a clamp to one bit": rescale((-16, 16), 1, 1, 0, 1),
    "a large multiplier": rescale((-3, 3), 2**58 + 1, 30, None, None),
    "every cell the greatest": unary("reduce_max", (5,), (0, 1), axes=[0]),
    "all ties in order": unary("top_k", (5,), (0, 1), axis=0, k=5),
    "order along an axis of one": unary("top_k", (3, 1), axis=1, k=1),
    "wide pools with strides": unary(
        "max_pool",
        (1, 7, 6, 3),
        (-4, 4),
        kernel=[4, 5],
        strides=[3, 1],
        pads_before=[2, 0],
        pads_after=[0, 3],
        dilations=[1, 1],
    ),
    "pools with stride beyond the kernel": unary(
        "max_pool",
        (1, 9, 2),
        (0, 4),
        kernel=[2],
        strides=[4],
        pads_before=[0],
        pads_after=[0],
        dilations=[3],
    ),
    "sum of everything": unary("reduce_sum", (3, 5), axes=[0, 1]),
}


def _named(name: str) -> Any:
    def register(function: Build) -> Build:
        CORNERS[name] = function
        return function

    return register


@_named("one cell, nothing but a sum")
def _no_lookup(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    return [b.add("add", [b.input("x", (), *NARROW, 1.0, "int"), b.constant(3)])]


@_named("an input that is an output, and one unused")
def _input_as_output(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (3,), *NARROW, 1.0, "int")
    b.input("idle", (2, 2), *NARROW, 1.0, "int")
    return [x, x]


@_named("constants as outputs")
def _constants(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2,), *NARROW, 1.0, "int")
    five = b.constant(np.full((3,), 5))
    return [b.constant(rng.integers(-9, 9, (2, 3))), b.add("rescale", [x], mul=1, shift=2, lo=0, hi=9), five]


@_named("one number broadcast to lengths of as many bits")
def _totals(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    """eq over 5 cells and over 7 has one point, and two totals."""
    x = b.input("x", (1,), *NARROW, 1.0, "int")
    return [b.add("add", [x, b.constant(rng.integers(-9, 9, n))]) for n in (5, 6, 7, 8)]


@_named("one row broadcast to lengths of as many bits")
def _summed(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    """The same where the sum is over part of a joint factor: cells of 5 x 3 and 5 x 4 that were one axis."""
    x = b.input("x", (5, 1), *NARROW, 1.0, "int")
    y = b.add("rescale", [x], mul=1, shift=1, lo=None, hi=None)
    outputs = []
    for n in (3, 4):
        wide = b.add("add", [y, b.constant(rng.integers(-9, 9, (5, n)))])
        outputs.append(b.add("reshape", [wide], shape=[5 * n]))
    return outputs


@_named("a product, and its negative, where weights do not factor")
def _cancelled(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (3, 1), *SMALL_BOUND, 1.0, "int")
    product = b.add("mul", [x, b.input("y", (1, 3), *SMALL_BOUND, 1.0, "int")])
    flat = b.add("reshape", [product], shape=[9])
    return [flat, b.add("sub", [b.constant(7), flat])]


@_named("one product made twice, where weights do not factor")
def _twice(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    c = b.input("c", (3, 1), 0, 1, 1.0, "int")
    x, y = (b.input(name, (1, 3), *SMALL_BOUND, 1.0, "int") for name in "xy")
    chosen, product = b.add("where", [c, x, y]), b.add("mul", [c, b.add("sub", [x, y])])
    return [b.add("reshape", [i], shape=[9]) for i in (chosen, product)]


@_named("a product of products of products")
def _powers(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 3), *SMALL_BOUND, 1.0, "int")
    square = b.add("mul", [x, x])
    fourth = b.add("mul", [square, square])
    return [b.add("mul", [fourth, x]), b.add("matmul", [square, b.add("transpose", [fourth], perm=[1, 0])])]


@_named("products as arguments of everything")
def _quadratic(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 3), *SMALL_BOUND, 1.0, "int")
    y = b.input("y", (2, 3), *SMALL_BOUND, 1.0, "int")
    p, q = b.add("mul", [x, y]), b.add("add", [b.add("mul", [y, y]), b.constant(1)])
    return [
        b.add("rescale", [p], mul=3, shift=2, lo=-5, hi=20),
        b.add("table", [p, b.constant(rng.integers(-99, 99, 163))], lo=-81),
        b.add("floor_divide", [p, q]),
        b.add("max", [p, q]),
        b.add("reduce_max", [p], axes=[1]),
        b.add("greater", [p, q]),
        b.add("where", [b.add("greater", [p, q]), p, q]),
        b.add("top_k", [p], axis=1, k=2),
    ]


@_named("a gather at an index computed from products")
def _gather(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (4, 2), *SMALL_BOUND, 1.0, "int")
    i = b.input("i", (3,), 0, 1, 1.0, "int")
    index = b.add("add", [b.add("mul", [i, i]), i])
    squares = b.add("mul", [x, x])
    return [
        b.add("gather", [squares, index], axis=0),
        b.add("gather", [b.constant([5, -5, 7]), index], axis=0),
    ]


@_named("a gather outside of nothing: one row")
def _gather_one(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 3), *SMALL_BOUND, 1.0, "int")
    best = b.add("top_k", [x], axis=1, k=1)
    return [b.add("gather", [x, best], axis=1)]


@_named("tables with one row, with equal rows, and beyond the input")
def _tables(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (5,), -2, 2, 1.0, "int")
    same = b.constant([4, 4, 1, 4, 4])
    one = b.add("reduce_sum", [b.constant([0])], axes=[0])
    wide = b.constant(rng.integers(-99, 99, 50))
    return [b.add("table", [x, same], lo=-2), b.add("table", [x, wide], lo=-20), one]


@_named("a convolution with weights that depend on the input")
def _conv(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (1, 4, 4, 2), *SMALL_BOUND, 1.0, "int")
    w = b.input("w", (2, 3, 3, 2), *SMALL_BOUND, 1.0, "int")
    once = b.add("conv", [x, w], groups=1, **ONES)
    return [b.add("conv", [once, w], groups=1, **ONES)]


@_named("convolutions with kernels of one, long strides and wide pads")
def _odd_convs(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (1, 5, 3, 4), *SMALL_BOUND, 1.0, "int")
    point, far = b.constant(rng.integers(-9, 9, (3, 1, 1, 4))), b.constant(rng.integers(-9, 9, (4, 2, 3, 2)))
    plain = {"strides": [1, 1], "pads_before": [0, 0], "pads_after": [0, 0], "dilations": [1, 1]}
    odd = {"strides": [3, 2], "pads_before": [4, 0], "pads_after": [1, 5], "dilations": [3, 1]}
    return [b.add("conv", [x, point], groups=1, **plain), b.add("conv", [x, far], groups=2, **odd)]


@_named("attention")
def _attention(b: CircuitBuilder, rng: np.random.Generator) -> Outputs:
    x = b.input("x", (2, 3, 4), *SMALL_BOUND, 1.0, "int")
    q, k, v = (b.add("matmul", [x, b.constant(rng.integers(-5, 5, (4, 4)))]) for _ in range(3))
    scores = b.add("matmul", [q, b.add("transpose", [k], perm=[0, 2, 1])])
    scores = b.add("rescale", [scores], mul=1, shift=11, lo=-20, hi=20)
    scores = b.add("sub", [scores, b.add("reduce_max", [scores], axes=[2])])
    scores = b.add("rescale", [scores], mul=1, shift=0, lo=None, hi=0)
    exp = b.add("table", [scores, b.constant((2 ** (np.arange(41) / 5)).astype(np.int64))], lo=-40)
    total = b.add("reduce_sum", [exp], axes=[2])
    total = b.add("max", [total, b.constant(1)])
    soft = b.add("floor_divide", [b.add("mul", [exp, b.constant(64)]), total])
    return [b.add("matmul", [soft, v])]
