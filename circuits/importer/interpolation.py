"""Interpolation along one axis at positions known when compiling: cell numbers and matrices.

An output cell at position p, in units of input cells, is  sum_i K((i - p) * s) x_i / sum_i K((i - p) * s)
over all integers i, cells beyond an end repeating that end's cell. K is the triangle or Keys' cubic; s is 1,
or the scale when antialiasing shrinks, so that the kernel covers all input cells that fall on an output cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from circuits.tensor import FloatArray

Kernel = Callable[[FloatArray], FloatArray]
SNAP = 1e-5
"""Positions this close to a cell or between two are taken to be there: scales are float32 numbers like
0.6."""


def triangle(x: FloatArray) -> FloatArray:
    """The kernel of linear interpolation, of radius 1."""
    return np.asarray(np.maximum(1 - np.abs(x), 0))


def cubic(a: float) -> Kernel:
    """Keys' kernel of cubic interpolation, of radius 2."""

    def kernel(x: FloatArray) -> FloatArray:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    return kernel


def positions(
    mode: str, size: int, count: int, scale: float, roi: tuple[float, float] = (0.0, 1.0)
) -> FloatArray | None:
    """Where the `count` output cells of an axis of `size` cells lie, or None for an unknown coordinate
    mode."""
    cell = np.arange(count, dtype=np.float64)
    whole = scale * size
    if mode == "align_corners":
        return np.zeros(count) if whole == 1 else cell * (size - 1) / (whole - 1)
    if mode == "asymmetric":
        return cell / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if whole == 1:
            return np.full(count, (start + end) * (size - 1) / 2)
        return start * (size - 1) + cell * (end - start) * (size - 1) / (whole - 1)
    if mode == "pytorch_half_pixel" and count == 1:
        return np.zeros(1)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (cell + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - count / whole) + (cell + 0.5) / scale - 0.5
    return None


def nearest(at: FloatArray, size: int, rounding: str) -> NDArray[np.int64] | None:
    """The cell nearest to each position, or None for an unknown way to round."""
    halves = np.rint(2 * at) / 2
    at = np.where(np.abs(halves - at) < SNAP, halves, at)
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "round_prefer_floor": lambda p: np.ceil(p - 0.5),
        "round_prefer_ceil": lambda p: np.floor(p + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    if rounding not in ways:
        return None
    return np.clip(ways[rounding](at), 0, size - 1).astype(np.int64)


def matrix(
    at: FloatArray,
    size: int,
    kernel: Kernel,
    radius: int,
    squeeze: float = 1.0,
    exclude_outside: bool = False,
) -> FloatArray:
    """The matrix [count, size] that interpolates at the given positions.

    Parameters
    ----------
    squeeze
        The s of the formula above, at most 1.
    exclude_outside
        Leave out cells beyond the ends instead of repeating the end's cell.
    """
    reach = int(np.ceil(radius / squeeze))
    taps = np.floor(at)[:, None].astype(np.int64) + np.arange(-reach, reach + 2)
    weights = kernel((taps - at[:, None]) * squeeze)
    if exclude_outside:
        weights = np.where((taps < 0) | (taps >= size), 0.0, weights)
    total = weights.sum(axis=1, keepdims=True)
    weights = weights / np.where(total == 0, 1.0, total)
    out = np.zeros((at.size, size))
    np.add.at(out, (np.arange(at.size)[:, None], np.clip(taps, 0, size - 1)), weights)
    return out
