"""Shapes, linear maps and weights drawn at random, and weights written out cell by cell."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.maps import (
    Broadcast,
    Identity,
    Map,
    Reshape,
    Select,
    Sum,
    SumBehind,
    Transpose,
    Window,
)
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.weights import Factor, Shape, Weights, eq_factor, ones

Cells = Any
SIZES = (1, 1, 2, 3, 4, 5, 6, 8)


def random_shape(rng: random.Random, rank: int | None = None) -> Shape:
    """A shape of up to four axes and few cells."""
    while True:
        shape = tuple(rng.choice(SIZES) for _ in range(rng.randrange(5) if rank is None else rank))
        if math.prod(shape) <= 120:
            return shape


def factorisation(rng: random.Random, cells: int) -> Shape:
    """A shape with that many cells."""
    shape: list[int] = []
    while cells > 1:
        n = rng.choice([d for d in range(2, cells + 1) if cells % d == 0])
        shape.append(n)
        cells //= n
        if rng.random() < 0.3:
            shape.append(1)
    return tuple(shape)


def random_map(rng: random.Random, source: Shape) -> Map:
    """A map from tensors of a shape."""
    rank = len(source)
    kinds = ["identity", "reshape", "broadcast", "transpose"]
    kinds += ["sum", "behind", "select", "window", "window"] if rank else []
    kind = rng.choice(kinds)
    axis = rng.randrange(rank) if rank else 0
    if kind == "identity":
        return Identity(source)
    if kind == "reshape":
        return Reshape(source, factorisation(rng, math.prod(source)))
    if kind == "broadcast":
        front = tuple(rng.choice([1, 2, 3]) for _ in range(rng.randrange(3)))
        return Broadcast(source, front + tuple(rng.choice([2, 3, 5]) if n == 1 else n for n in source))
    if kind == "transpose":
        return Transpose(source, tuple(rng.sample(range(rank), rank)))
    if kind == "sum":
        return Sum(source, axis)
    if kind == "behind":
        return SumBehind(source, axis)
    if kind == "select":
        if rng.random() < 0.5:
            start, step = rng.randrange(-2, source[axis] + 1), rng.choice([1, 1, 2, -1])
            return Select(source, axis, range(start, start + step * rng.randrange(1, 7), step))
        index = tuple(rng.randrange(-1, source[axis] + 1) for _ in range(rng.randrange(1, 7)))
        return Select(source, axis, index)
    count, kernel = rng.randrange(1, 5), rng.randrange(1, 4)
    return Window(source, axis, count, kernel, rng.randrange(1, 4), rng.randrange(1, 3), rng.randrange(3))


def random_weights(rng: random.Random, shape: Shape) -> Weights:
    """Weights on a shape, some of their factors over several axes."""
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    rng.shuffle(axes)
    factors = [Factor((), (), ("number", n), lambda n=n: [n]) for n in range(2, 2 + rng.randrange(3))]
    while axes:
        taken = [axes.pop() for _ in range(min(len(axes), rng.choice([1, 1, 1, 2, 3])))]
        if len(taken) == 1 and rng.random() < 0.8:
            [axis] = taken
            point = tuple(rng.randrange(SCALAR_FIELD) for _ in range(bits_of(shape[axis])))
            factors.append(
                eq_factor(axis, shape[axis], point) if rng.random() < 0.7 else ones(axis, shape[axis])
            )
            continue
        sizes = tuple(shape[axis] for axis in taken)
        values = [rng.randrange(SCALAR_FIELD) for _ in range(math.prod(sizes))]
        factors.append(Factor(tuple(taken), sizes, ("any", tuple(values)), lambda values=values: values))
    rng.shuffle(factors)
    return Weights(rng.randrange(1, SCALAR_FIELD), factors)


def written_out(weights: Weights, shape: Shape) -> Cells:
    """The weight of each cell."""
    out = np.full(shape, weights.coefficient, dtype=object)
    for factor in weights.factors:
        values = np.array(factor.values, dtype=object).reshape(factor.sizes)
        order = sorted(range(len(factor.axes)), key=lambda i: factor.axes[i])
        sizes = [shape[axis] if axis in factor.axes else 1 for axis in range(len(shape))]
        out = np.asarray(out * values.transpose(order).reshape(sizes) % SCALAR_FIELD, dtype=object)
    return out


def weighted(weights: Weights, x: Cells) -> int:
    """The sum of all cells, each times its weight."""
    pairs = zip(written_out(weights, x.shape).reshape(-1), x.reshape(-1), strict=True)
    return sum(int(weight) * int(cell) for weight, cell in pairs) % SCALAR_FIELD


def extension(cells: Cells, point: list[tuple[int, ...]]) -> int:
    """The extension of cells, zero on padding, at a point given axis by axis, by its definition."""
    total = 0
    for index in np.ndindex(*cells.shape):
        term = int(cells[index])
        for i, z in zip(index, point, strict=True):
            for k, x in enumerate(z):
                term = term * (x if i >> (len(z) - 1 - k) & 1 else 1 - x) % SCALAR_FIELD
        total += term
    return total % SCALAR_FIELD
