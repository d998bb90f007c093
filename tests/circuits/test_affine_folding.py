"""Folding constant factors and offsets: equal values, fewer operations, tensors with other readers left
alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from circuits.affine_folding import folded
from circuits.evaluate import evaluate
from circuits.graph import Graph, GraphBuilder, Value

RNG = np.random.default_rng(5)


def image(b: GraphBuilder) -> Value:
    return b.input("x", (1, 6, 6, 3), "real", np.dtype(np.float32))


def convolved(b: GraphBuilder, x: Value, channels: int = 4) -> Value:
    w = b.constant(RNG.normal(size=(channels, 3, 3, x.shape[-1])).astype(np.float32))
    return b.add(
        "conv", [x, w], strides=[1, 1], pads_before=[1, 1], pads_after=[1, 1], dilations=[1, 1], groups=1
    )


def channel(n: int = 4) -> np.ndarray:
    return RNG.normal(size=(n,))


def finished(b: GraphBuilder, *outputs: Value) -> Graph:
    for i, value in enumerate(outputs):
        b.output(f"y{i}", value, np.dtype(np.float32))
    return b.graph


def check(graph: Graph) -> Counter[str]:
    """Folding changes no output and folding again changes nothing; how many of each operation are left."""
    slim = folded(graph)
    x = RNG.normal(size=(2, *graph.inputs[0].value.shape))
    for before, after in zip(evaluate(graph, [x]), evaluate(slim, [x]), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
    assert [n.op for n in folded(slim).nodes] == [n.op for n in slim.nodes]
    return Counter(n.op for n in slim.nodes)


def test_batch_normalisation_disappears_into_a_convolution() -> None:
    b = GraphBuilder()
    y = b.add("add", [convolved(b, image(b)), b.constant(channel())])
    y = b.add("add", [b.add("mul", [y, b.constant(channel())]), b.constant(channel())])
    left = check(finished(b, b.add("clip", [y], lo=0.0, hi=None)))
    assert left["mul"] == 0 and left["add"] == 1 and left["conv"] == 1


def test_a_fold_reaches_through_transposes_and_subtractions() -> None:
    b = GraphBuilder()
    y = b.graph.nodes  # the layout rules would move these transposes away, so they are put in by hand
    x = convolved(b, image(b))
    t = b._append("transpose", (x.id,), {"perm": [0, 3, 1, 2]}, (1, 4, 6, 6), "real")
    bias = b.constant(RNG.normal(size=(4, 1, 1)))
    s = b._append("sub", (bias.id, t.id), {}, t.shape, "real")
    factor = b.constant(RNG.normal(size=(4, 1, 1)))
    m = b._append("mul", (factor.id, s.id), {}, t.shape, "real")
    o = b._append("sub", (m.id, bias.id), {}, t.shape, "real")
    left = check(finished(b, o))
    assert (left["mul"], left["sub"], left["conv"]) == (0, 1, 1) and len(y) == 9


@pytest.mark.parametrize("side", [0, 1])
def test_matrix_products_take_factors_along_their_constant_side(side: int) -> None:
    b = GraphBuilder()
    x = b.input("x", (5, 5), "real", np.dtype(np.float32))
    w = b.constant(RNG.normal(size=(5, 5)))
    y = b.add("matmul", [x, w] if side else [w, x])
    along, across = ((1, 5), (5, 1)) if side else ((5, 1), (1, 5))
    y = b.add("mul", [y, b.constant(RNG.normal(size=along))])
    y = b.add("mul", [y, b.constant(RNG.normal(size=across))])
    y = b.add("mul", [y, b.constant(np.float64(3.0))])
    assert check(finished(b, y))["mul"] == 1


def test_a_scalar_factor_reaches_through_reshapes() -> None:
    b = GraphBuilder()
    y = b.add("add", [convolved(b, image(b)), b.constant(channel())])
    heads = b.add("reshape", [y], shape=[1, 36, 2, 2])
    left = check(finished(b, b.add("mul", [heads, b.constant(np.full((1, 1), 0.5))])))
    assert left["mul"] == 0
    b = GraphBuilder()
    heads = b.add("reshape", [convolved(b, image(b))], shape=[1, 36, 2, 2])
    assert check(finished(b, b.add("mul", [heads, b.constant(channel(2))])))["mul"] == 1


def test_a_tensor_with_another_reader_stays() -> None:
    b = GraphBuilder()
    y = convolved(b, image(b))
    z = b.add("mul", [y, b.constant(channel())])
    left = check(finished(b, b.add("max", [y, z])))
    assert left["mul"] == 1 and left["conv"] == 1


def test_what_nothing_reads_is_not_folded_into_what_others_read() -> None:
    """The sum behind `y` is no part of the model's outputs: folded into y's own, it would change them."""
    b = GraphBuilder()
    y = b.add("add", [convolved(b, image(b)), b.constant(channel())])
    b.add("add", [y, b.constant(channel())])
    check(finished(b, b.add("max", [y, b.constant(np.float32(0))])))


def test_a_folded_product_with_two_readers_is_not_folded_into_again() -> None:
    b = GraphBuilder()
    y = b.add("mul", [convolved(b, image(b)), b.constant(channel())])
    z = b.add("mul", [y, b.constant(channel())])
    left = check(finished(b, y, z))
    assert left["mul"] == 1


def test_factors_over_space_integers_and_broadcasts_stay() -> None:
    b = GraphBuilder()
    y = b.add("mul", [convolved(b, image(b)), b.constant(RNG.normal(size=(6, 1)))])
    assert check(finished(b, y))["mul"] == 1
    b = GraphBuilder()
    x = b.input("x", (1, 6, 6, 3), "int", np.dtype(np.int64))
    y = b.add("mul", [b.add("mul", [x, b.constant(np.int64(3))]), b.constant(np.float64(0.1))])
    assert check(finished(b, y))["mul"] == 2
    b = GraphBuilder()
    y = b.add("mul", [convolved(b, image(b), 1), b.constant(channel(4))])
    assert check(finished(b, y))["mul"] == 1


def test_idle_nodes_go_but_inputs_stay() -> None:
    b = GraphBuilder()
    x = image(b)
    unread = b.input("unread", (2,), "real", np.dtype(np.float32))
    convolved(b, x)
    graph = finished(b, b.add("clip", [x], lo=0.0, hi=1.0))
    slim = folded(graph)
    assert [n.op for n in slim.nodes] == ["input", "input", "clip"]
    assert [port.name for port in slim.inputs] == ["x", "unread"] and unread.shape == (2,)
