"""Moving transposes changes no value, and leaves none where a network would otherwise be full of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.affine_folding import folded
from circuits.evaluate import evaluate
from circuits.graph import Graph, GraphBuilder, Value
from circuits.importer.importer import import_model
from tests.circuits.random_models import random_model

FLOAT = np.dtype(np.float32)


def grown(seed: int) -> Graph:
    """A random graph full of transposes, as it grows with or without rewriting."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(2, 5)))
    pool = [b.input("x", shape, "real", FLOAT), b.input("z", shape, "real", FLOAT)]

    def pick() -> Value:
        return pool[rng.integers(len(pool))]

    def constant(shape: tuple[int, ...]) -> Value:
        own = tuple(int(n) if rng.random() < 0.7 else 1 for n in shape)[rng.integers(0, len(shape) + 1) :]
        return b.constant(rng.normal(size=own))

    def mate(x: Value) -> Value:
        same = [y for y in pool if y.shape == x.shape]
        return same[rng.integers(len(same))] if rng.random() < 0.6 else constant(x.shape)

    for _ in range(14):
        x = pick()
        axis = int(rng.integers(x.rank))
        kind = rng.integers(10)
        if kind <= 2:
            y = b.add("transpose", [x], perm=[int(p) for p in rng.permutation(x.rank)])
        elif kind == 3:
            op = str(rng.choice(["add", "sub", "mul", "max"]))
            y = b.add(op, [x, mate(x)] if rng.random() < 0.5 else [mate(x), x])
        elif kind == 4:
            y = b.add("clip", [x], lo=-1.0, hi=None)
        elif kind == 5:
            y = b.add(str(rng.choice(["reduce_sum", "reduce_max"])), [x], axes=[axis])
        elif kind == 6:
            y = b.add("concat", [x, mate_of_shape(pool, x, rng)], axis=axis)
        elif kind == 7:
            before = [int(n) for n in rng.integers(0, 2, x.rank)]
            y = b.add("pad", [x], before=before, after=before[::-1], value=0.5)
        elif kind == 8:
            starts = [int(rng.integers(n)) for n in x.shape]
            sizes = [n - s for n, s in zip(x.shape, starts, strict=True)]
            y = b.add("slice", [x], starts=starts, steps=[1] * x.rank, sizes=sizes)
        else:
            flat = b.add("reshape", [x], shape=[1, int(np.prod(x.shape))])
            y = b.add("matmul", [flat, b.constant(rng.normal(size=(flat.shape[1], 3)))])
        if np.prod(y.shape) <= 400:
            pool.append(y)
    for k, y in enumerate(pool[-3:]):
        b.output(f"y{k}", y, FLOAT)
    return b.graph


def mate_of_shape(pool: list[Value], x: Value, rng: np.random.Generator) -> Value:
    same = [y for y in pool if y.shape == x.shape]
    return same[rng.integers(len(same))]


def answers(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(evaluate(graph, [rng.normal(size=(2, *port.value.shape)) for port in graph.inputs]))


def check(build: Any, *args: Any) -> tuple[Graph, Graph]:
    """The graph with and without rewriting; their outputs agree."""
    moved = build(*args)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.graph.rewritten", lambda *given: None)
        plain = build(*args)
    for a, b in zip(answers(moved), answers(plain), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    return moved, plain


@given(st.integers(0, 1 << 32))
def test_moving_transposes_changes_nothing(seed: int) -> None:
    check(grown, seed)


@pytest.mark.parametrize("seed", range(40))
def test_imported_models_stay_the_same(seed: int) -> None:
    check(import_model, random_model(seed).model)


def transposes(graph: Graph) -> int:
    """Those that an output needs."""
    return Counter(node.op for node in folded(graph).nodes)["transpose"]


def test_an_image_network_is_channels_last_throughout(digits: Path) -> None:
    """Of the two transposes around each convolution and pooling none is left: the image has one channel, and
    the last one went into the matrix behind it."""
    moved, plain = check(import_model, onnx.load(digits / "cnn.onnx"))
    assert transposes(plain) >= 8 and transposes(moved) == 0


def test_a_transpose_and_its_inverse_cancel() -> None:
    b = GraphBuilder()
    x = b.input("x", (2, 3, 4), "real", FLOAT)
    y = b.add("transpose", [b.add("transpose", [x], perm=[2, 0, 1])], perm=[1, 2, 0])
    assert y == x


def test_axes_of_size_one_move_by_a_reshape() -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 3, 1, 4), "real", FLOAT)
    y = b.add("transpose", [x], perm=[1, 0, 3, 2])
    assert b.graph.nodes[y.id].op == "reshape" and y.shape == (3, 1, 4, 1)
