"""Which range each tensor of a float graph takes on sample data, and the scale that represents it best.

Scales are powers of two wherever the compiler is free to choose, so that bringing one scale to another is a
shift and never rounds a multiplier. Among the powers at and below the one that holds the whole range, the one
with the least squared error on the samples is kept: it may clip a few outliers to represent the many finely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError, ModelError
from circuits.evaluate import evaluate
from circuits.graph import Graph
from circuits.tensor import FloatArray

SAMPLE_SIZE = 2048
"""Values kept of each tensor to weigh clipping against resolution."""
CHUNK_ELEMENTS = 1 << 22
"""Samples are evaluated so many at a time that one input chunk has at most about this many values."""
MASK = -9e3
"""Values at or below this are taken for attention masks: they mean minus infinity, not a magnitude."""
SHALLOW = -MASK / 8
"""Beside values of this magnitude or larger nothing is taken for a mask."""
MASK_DEPTH = 16.0
"""How far below all other values a mask must lie to vanish in a softmax: exp(-16) is 1e-7."""
CLIP_STEPS = 2
NOTHING = 1e-30
"""Magnitudes up to this are noise around 0: squares of them are no float32 any more."""


@dataclass(frozen=True)
class Range:
    """The values a tensor took: extremes and a sample."""

    lo: float
    hi: float
    sample: FloatArray

    @property
    def magnitude(self) -> float:
        """The largest absolute value."""
        return max(abs(self.lo), abs(self.hi))

    @property
    def reach(self) -> float:
        """The magnitude to make room for; what was never seen to differ from 0 counts as reaching 1."""
        return self.magnitude if self.magnitude > NOTHING else 1.0

    def scale(self, bits: int) -> float:
        """The power of two that represents the range best with signed integers of `bits` bits."""
        top = (1 << (bits - 1)) - 1
        widest = math.floor(math.log2(top / self.reach))
        best, least = widest, math.inf
        for exponent in range(widest, widest + CLIP_STEPS + 1):
            scale = 2.0**-exponent
            rounded = np.clip(np.rint(self.sample / scale), -top, top) * scale
            error = float(np.mean((rounded - self.sample) ** 2))
            if error < least:
                best, least = exponent, error
        return 2.0**-best


def calibrate(graph: Graph, inputs: Sequence[FloatArray]) -> list[Range]:
    """The range of every tensor of the graph over a batch of samples, shaped (batch, *input's shape).

    Raises
    ------
    InputError
        If there is no sample, or one is not finite.
    ModelError
        If a tensor is never finite.
    """
    if not inputs or inputs[0].shape[0] == 0:
        raise InputError("the calibration data holds no samples")
    for port, array in zip(graph.inputs, inputs, strict=True):
        if not np.isfinite(array).all():
            raise InputError(f"the calibration data for {port.name!r} holds NaN or infinity")
    collectors = [_Collector(node.kind == "real") for node in graph.nodes]
    step = max(1, CHUNK_ELEMENTS // max(1, sum(x[0].size for x in inputs)))
    for start in range(0, inputs[0].shape[0], step):
        chunk = [x[start : start + step] for x in inputs]
        evaluate(graph, chunk, lambda i, value: collectors[i].see(value))
    ranges = []
    for node, collector in zip(graph.nodes, collectors, strict=True):
        if collector.saw_nothing_finite:
            raise ModelError(f"{node.op} in {node.label!r} yields no finite value on the calibration data")
        ranges.append(collector.range())
    return ranges


class _Collector:
    """Gathers the range of one tensor over several chunks."""

    def __init__(self, maskable: bool) -> None:
        self.maskable = maskable
        self.lo, self.hi = math.inf, -math.inf
        self.masked = False
        self.saw_nothing_finite = False
        self.parts: list[FloatArray] = []

    def see(self, value: FloatArray) -> None:
        """Take in a chunk; masks and values without a finite magnitude are set apart."""
        if value.size == 0:  # an empty constant, such as a Resize without a region
            return
        if not np.isfinite(value).all() or (self.maskable and value.min() <= MASK):
            value = self._unmasked(value)
            self.saw_nothing_finite = not (self.parts or self.masked or value.size)
            if value.size == 0:
                return
        lo, hi = float(value.min()), float(value.max())
        self.lo, self.hi = min(self.lo, lo), max(self.hi, hi)
        flat = value.reshape(-1)
        self.parts.append(flat[:: max(1, flat.size // SAMPLE_SIZE)].copy())

    def _unmasked(self, value: FloatArray) -> FloatArray:
        """The finite values without a mask's."""
        mask = mask_of(value)
        if self.maskable and mask.any():
            self.masked = True
            return value[np.isfinite(value) & ~mask]
        return value[np.isfinite(value)]

    def range(self) -> Range:
        """The range over all chunks; a masked tensor reaches far enough down for its mask to vanish in a
        softmax."""
        depth = MASK_DEPTH if self.masked else 0.0
        if not self.parts:
            return Range(-depth, 0.0, np.array([-depth]))
        values = np.concatenate(self.parts)
        values = values[:: max(1, values.size // SAMPLE_SIZE)]
        return Range(self.lo - depth, self.hi, np.append(values, [self.lo - depth, self.hi]))


def mask_of(values: FloatArray) -> NDArray[np.bool_]:
    """Which values stand for minus infinity: itself, and those at or below MASK if all others are far smaller
    in magnitude."""
    low = values <= MASK
    rest = values[np.isfinite(values) & ~low]
    if low.any() and np.abs(rest).max(initial=0.0) < SHALLOW:
        return np.asarray(low)
    return np.asarray(np.isneginf(values))
