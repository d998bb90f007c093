"""Reads images at positions between their cells, positions that may be computed at run time.

A position's cell is its floor (or the nearest cell); its neighbours' flat indices feed one `gather`, and the
fractions weigh what it yields. Constant positions need no code of their own: indices and fractions then fold
to constants.

Beyond the ends lie zeros, the end's cell ("border"), or the image mirrored ("reflection"): the image is
extended by the few cells that the taps can reach, and positions are limited to that range, so no tap needs a
mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import minimum, scaled

OFFSETS = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}
"""Which neighbours of a position's cell each method reads."""
CUBIC_A = -0.75
CUBIC_WEIGHTS = np.array(
    [[0, 1, 0, 0], [CUBIC_A, 0, -CUBIC_A, 0], [-2 * CUBIC_A, -CUBIC_A - 3, 2 * CUBIC_A + 3, CUBIC_A]]
    + [[CUBIC_A, CUBIC_A + 2, -CUBIC_A - 2, -CUBIC_A]]
)
"""Keys' weights of the four taps as polynomials in the fraction: row n holds the coefficients of its n-th
power."""


@dataclass(frozen=True)
class Reading:
    """How images are read.

    method is nearest, linear or cubic; padding is zeros, border or reflection; `aligned` mirrors at the
    centres of the end cells, otherwise at their outer edges.
    """

    method: str
    padding: str
    aligned: bool


@dataclass(frozen=True)
class Taps:
    """The cells that positions read, and how far between cells they lie.

    cells is [N, *points, taps, ..., taps, C] with the last axes flattened into one; fractions, one an axis,
    broadcast to [N, *points].
    """

    cells: Value
    fractions: list[Value]
    channels: int


def sampled(
    b: GraphBuilder, images: Value, at: Sequence[Value], reading: Reading, which: Value | None = None
) -> Value:
    """Images [M, *sizes, C] at positions, one tensor an axis, that broadcast to [N, *points]: [N, *points,
    C].

    `which` [N, 1, ...] numbers the image that each row of positions reads; without it row n reads image n.
    """
    taps = neighbours(b, images, at, reading, which)
    value, count = taps.cells, len(OFFSETS[reading.method])
    for fraction in taps.fractions if count > 1 else []:
        points = value.shape[:-1]
        value = b.add("reshape", [value], shape=[*points, count, value.shape[-1] // count])
        part = b.add("reshape", [fraction], shape=[*fraction.shape, 1])
        if reading.method == "linear":
            first, second = (_tap(b, value, tap) for tap in range(2))
            value = b.add("add", [first, b.add("mul", [part, b.add("sub", [second, first])])])
        else:
            weights = b.add("reshape", [_cubic_weights(b, part)], shape=[*fraction.shape, 4, 1])
            value = b.add("reduce_sum", [b.add("mul", [value, weights])], axes=[value.rank - 2])
            value = b.add("reshape", [value], shape=[*points, value.shape[-1]])
    return value


def neighbours(
    b: GraphBuilder, images: Value, at: Sequence[Value], reading: Reading, which: Value | None = None
) -> Taps:
    """The cells that `sampled` combines."""
    sizes, channels = images.shape[1:-1], images.shape[-1]
    offsets = OFFSETS[reading.method]
    rank = at[0].rank
    cells, fractions, before = [], [], []
    for axis, (position, n) in enumerate(zip(at, sizes, strict=True)):
        cell, fraction, low, high = _cell(b, position, n, reading)
        cells.append(cell)
        fractions.append(fraction)
        before.append(max(-(low + offsets[0]), 0))
        after = max(high + offsets[-1] - (n - 1), 0)
        images = _extended(b, images, axis + 1, before[-1], after, reading)
    strides = [math.prod(images.shape[axis + 2 : -1]) for axis in range(len(sizes))]
    if which is None:
        which = b.constant(np.arange(images.shape[0]).reshape(-1, *[1] * (rank - 1)))
    plane = math.prod(images.shape[1:-1])
    start = sum(stride * width for stride, width in zip(strides, before, strict=True))
    index = b.add("add", [b.add("mul", [which, b.constant(np.int64(plane))]), b.constant(np.int64(start))])
    for cell, stride in zip(cells, strides, strict=True):
        index = b.add("add", [index, b.add("mul", [cell, b.constant(np.int64(stride))])])
    steps = np.zeros((), np.int64)
    for stride in strides:
        steps = np.add.outer(steps, np.array(offsets) * stride)
    index = b.add("add", [b.add("reshape", [index], shape=[*index.shape, 1]), b.constant(steps.reshape(-1))])
    flat = b.add("reshape", [images], shape=[images.shape[0] * plane, channels])
    read = b.add("gather", [flat, index], axis=0)
    return Taps(
        b.add("reshape", [read], shape=[*index.shape[:-1], steps.size * channels]), fractions, channels
    )


def _cell(b: GraphBuilder, position: Value, n: int, reading: Reading) -> tuple[Value, Value, int, int]:
    """A position's cell and fraction, and the range its cell can lie in."""
    if reading.method == "nearest":
        margin = 1 if reading.padding == "zeros" else 0
        cell = _limited(b, b.add("round", [position], mode="even"), n, margin, reading)
        return cell, cell, -margin, n - 1 + margin
    margin = 0 if (reading.method, reading.padding) == ("linear", "border") else OFFSETS[reading.method][-1]
    inside = _limited(b, position, n, margin, reading)
    cell = b.add("round", [inside], mode="floor")
    low, high = -margin, n - 1 + margin
    if reading.padding == "reflection":
        low, high = 0 if reading.aligned else -1, n - 1
    return cell, b.add("sub", [inside, cell], kind="real"), low, high


def _limited(b: GraphBuilder, x: Value, n: int, margin: int, reading: Reading) -> Value:
    """Positions brought to where the extended image has cells, without changing what they read."""
    if reading.padding != "reflection":
        return b.add("clip", [x], lo=-margin, hi=n - 1 + margin)
    period = 2 * (n - 1) if reading.aligned else 2 * n
    if period == 0:
        return b.constant(np.zeros(x.shape, dtype=np.int64 if x.kind == "int" else np.float64))
    if x.kind == "int":
        turn = b.constant(np.int64(period))
        rest = b.add("sub", [x, b.add("mul", [b.add("int_divide", [x, turn], mode="floor"), turn])])
        mirrored = b.add("sub", [b.constant(np.int64(period if reading.aligned else period - 1)), rest])
        return b.add("clip", [minimum(b, rest, mirrored)], lo=0, hi=n - 1)
    edge = 0.0 if reading.aligned else 0.5
    x = b.add("add", [x, b.constant(edge)])
    turns = b.add("round", [scaled(b, x, 1 / period)], mode="floor")
    rest = b.add("sub", [x, b.add("mul", [turns, b.constant(float(period))], kind="real")])
    mirrored = minimum(b, rest, b.add("sub", [b.constant(float(period)), rest]))
    return b.add("clip", [b.add("sub", [mirrored, b.constant(edge)])], lo=-edge, hi=n - 1 + edge)


def _extended(b: GraphBuilder, images: Value, axis: int, before: int, after: int, reading: Reading) -> Value:
    """Images with more cells at both ends of an axis."""
    if before == after == 0:
        return images
    n = images.shape[axis]
    if reading.padding == "zeros":
        widths = [[w if k == axis else 0 for k in range(images.rank)] for w in (before, after)]
        return b.add("pad", [images], before=widths[0], after=widths[1], value=0)
    cells = np.arange(-before, n + after)
    if reading.padding == "border":
        cells = np.clip(cells, 0, n - 1)
    else:
        period = max(2 * (n - 1) if reading.aligned else 2 * n, 1)
        rest = cells % period
        cells = np.minimum(rest, (period if reading.aligned else period - 1) - rest)
        cells = np.clip(cells, 0, n - 1)
    return b.add("gather", [images, b.constant(cells)], axis=axis)


def _tap(b: GraphBuilder, value: Value, tap: int) -> Value:
    """One tap of [*points, taps, cells], without the tap axis."""
    starts = [0] * value.rank
    starts[-2] = tap
    sizes = [*value.shape[:-2], 1, value.shape[-1]]
    one = b.add("slice", [value], starts=starts, steps=[1] * value.rank, sizes=sizes)
    return b.add("reshape", [one], shape=[*value.shape[:-2], value.shape[-1]])


def _cubic_weights(b: GraphBuilder, part: Value) -> Value:
    """The weights [..., 4] of the four taps for fractions [..., 1]."""
    square = b.add("mul", [part, part])
    powers = b.add("concat", [part, square, b.add("mul", [square, part])], axis=part.rank - 1)
    rows = b.add("reshape", [powers], shape=[math.prod(part.shape), 3])
    weights = b.add(
        "add", [b.add("matmul", [rows, b.constant(CUBIC_WEIGHTS[1:])]), b.constant(CUBIC_WEIGHTS[0])]
    )
    return b.add("reshape", [weights], shape=[*part.shape[:-1], 4])
