"""Linear maps and products on integer arrays: the prover's side of `verifier.sumcheck.maps`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from circuits.tensor import IntArray
from verifier.sumcheck.maps import Broadcast, Identity, Reshape, Select, Sum, SumBehind, Transpose, Window
from verifier.sumcheck.system import Product


@singledispatch
def image(map: Any, x: IntArray) -> IntArray:
    """The image of an integer tensor under a map, exact in 64 bits."""
    raise TypeError(f"there is no image under {map}")


@image.register
def _(map: Identity, x: IntArray) -> IntArray:
    return x


@image.register
def _(map: Broadcast, x: IntArray) -> IntArray:
    return np.broadcast_to(x, map.shape)


@image.register
def _(map: Transpose, x: IntArray) -> IntArray:
    return x.transpose(map.perm)


@image.register
def _(map: Reshape, x: IntArray) -> IntArray:
    return x.reshape(map.shape)


@image.register
def _(map: Sum, x: IntArray) -> IntArray:
    total: IntArray = x.sum(axis=map.axis, keepdims=True, dtype=np.int64)
    return total


@image.register
def _(map: SumBehind, x: IntArray) -> IntArray:
    totals = np.flip(np.cumsum(np.flip(x, map.axis), axis=map.axis, dtype=np.int64), map.axis)
    behind: IntArray = totals - x
    return behind


@image.register
def _(map: Select, x: IntArray) -> IntArray:
    return _taken(x, map.axis, np.asarray(map.index))


@image.register
def _(map: Window, x: IntArray) -> IntArray:
    p, q = np.ogrid[: map.count, : map.kernel]
    index = (p * map.stride + q * map.dilation - map.before).reshape(-1)
    return _taken(x, map.axis, index).reshape(map.shape)


def _taken(x: IntArray, axis: int, index: Any) -> IntArray:
    inside = (index >= 0) & (index < x.shape[axis])
    taken = np.take(x, np.asarray(np.where(inside, index, 0), like=x), axis=axis)
    if not inside.all():
        outside = np.asarray(np.flatnonzero(~inside), like=x)
        taken[(slice(None),) * axis + (outside,)] = 0
    return taken


def product_image(product: Product, left: IntArray, right: IntArray) -> IntArray:
    """The image of a product without its coefficient."""
    names = sorted(
        {
            label
            for labels in (product.left_labels, product.right_labels)
            for label in labels
            if label is not None
        }
    )
    number = {label: i for i, label in enumerate(names)}
    operands: list[Any] = []
    for x, labels in ((left, product.left_labels), (right, product.right_labels)):
        kept = [label for label in labels if label is not None]
        operands += [_squeezed(x, labels).astype(np.int64), [number[label] for label in kept]]
    out = [number[label] for label in product.labels if label is not None]
    made: IntArray = np.einsum(*operands, out)
    return made


def _squeezed(x: IntArray, labels: Sequence[int | None]) -> IntArray:
    return x.reshape([n for n, label in zip(x.shape, labels, strict=True) if label is not None])
