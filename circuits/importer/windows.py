"""Sliding windows: what kernel_shape, strides, pads, auto_pad, dilations and ceil_mode amount to.

Along one axis of n cells, window p covers the cells  p*stride + q*dilation - before,  0 <= q < kernel.  There
are

    count = floor((n + before + after - span) / stride) + 1,     span = dilation*(kernel - 1) + 1

windows; ceil_mode rounds up instead, but drops a last window that would start behind the last cell or its own
padding. Image tensors are channels-first in ONNX and channels-last here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.handlers import OnnxNode

MAX_CELLS = 1 << 26
"""Cells of all windows along one axis: more come of a mistake, or of malice."""


@dataclass(frozen=True)
class Windows:
    """The windows over the spatial axes of an image tensor, one entry an axis in every tuple."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    """Padding that the last window reaches into: with ceil_mode it may exceed the node's own."""
    padded: tuple[int, ...]
    """The node's own padding behind each axis."""
    counts: tuple[int, ...]

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes that `conv` and `max_pool` share."""
        return {
            "strides": list(self.strides),
            "pads_before": list(self.before),
            "pads_after": list(self.after),
            "dilations": list(self.dilations),
        }

    @property
    def whole(self) -> bool:
        """Whether there is one window, and it covers all cells and nothing else."""
        return self.kernel == self.sizes and {*self.before, *self.after} == {0}

    def taps(self, axis: int) -> NDArray[np.int64]:
        """The cells [count, kernel] of each window along an axis; padding lies outside 0 .. n - 1."""
        starts = np.arange(self.counts[axis]) * self.strides[axis] - self.before[axis]
        return starts[:, None] + np.arange(self.kernel[axis]) * self.dilations[axis]


def windows(node: OnnxNode, sizes: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows of a convolution or pooling node over spatial axes of the given sizes.

    Raises
    ------
    UnsupportedError
        If the node's lists do not fit its input, a pad is negative, or no window fits.
    """
    spatial = len(sizes)
    strides = per_axis(node, "strides", [1] * spatial, least=1)
    dilations = per_axis(node, "dilations", [1] * spatial, least=1)
    pads = per_axis(node, "pads", [0] * 2 * spatial)
    if len(kernel) != spatial or min(kernel) < 1:
        raise node.fail(f"its kernel {list(kernel)} should have {spatial} positive sizes, one for each axis")
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    auto_pad = node.attrs.get("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-n // s) - 1) * s + span - n, 0) for n, s, span in zip(sizes, strides, spans, strict=True)
        ]
        less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
        pads = less + more if auto_pad == "SAME_UPPER" else more + less
    elif auto_pad == "VALID":
        pads = [0] * 2 * spatial
    if min(pads) < 0:
        raise node.fail(f"its pads {pads} are negative: crop its input with Slice instead")
    before, padded = pads[:spatial], pads[spatial:]
    counts, after = [], []
    for n, span, stride, head, tail in zip(sizes, spans, strides, before, padded, strict=True):
        room = n + head + tail - span
        count = room // stride + 1
        if node.attrs.get("ceil_mode", 0) and room % stride and count * stride < n + head:
            count += 1
        if room < 0 and count < 1:
            raise node.fail(
                f"a window of {span} cells does not fit an axis of {n} with pads {head} and {tail}"
            )
        if count * span > MAX_CELLS:
            raise node.fail(f"{count} windows of {span} cells along one axis are too many")
        counts.append(count)
        after.append(max((count - 1) * stride + span - n - head, 0))
    return Windows(*map(tuple, (sizes, kernel, strides, dilations, before, after, padded, counts)))


def channels_last(b: GraphBuilder, x: Value) -> Value:
    """[N, C, *spatial] as [N, *spatial, C]."""
    return b.add("transpose", [x], perm=[0, *range(2, x.rank), 1])


def channels_first(b: GraphBuilder, x: Value) -> Value:
    """[N, *spatial, C] as [N, C, *spatial]."""
    return b.add("transpose", [x], perm=[0, x.rank - 1, *range(1, x.rank - 1)])


def spread(b: GraphBuilder, x: Value, axes: Sequence[int], strides: Sequence[int]) -> Value:
    """Put stride - 1 zeros between neighbouring cells along each axis: n cells become (n - 1)*stride + 1."""
    for axis, stride in zip(axes, strides, strict=True):
        if stride == 1 or x.shape[axis] == 1:
            continue
        head, n, tail = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
        cells = b.add("reshape", [x], shape=[int(np.prod(head)), n, 1, int(np.prod(tail))])
        cells = b.add("pad", [cells], before=[0] * 4, after=[0, 0, stride - 1, 0], value=0)
        x = crop(b, b.add("reshape", [cells], shape=[*head, n * stride, *tail]), [axis], [0], [stride - 1])
    return x


def crop(
    b: GraphBuilder, x: Value, axes: Sequence[int], before: Sequence[int], after: Sequence[int]
) -> Value:
    """Take cells away at the ends of axes; a negative width adds zeros there."""
    head, tail = [0] * x.rank, [0] * x.rank
    for axis, front, back in zip(axes, before, after, strict=True):
        head[axis], tail[axis] = front, back
    if min(head + tail) < 0:
        x = b.add("pad", [x], before=[max(-h, 0) for h in head], after=[max(-t, 0) for t in tail], value=0)
    starts = [max(h, 0) for h in head]
    sizes = [n - start - max(t, 0) for n, start, t in zip(x.shape, starts, tail, strict=True)]
    if tuple(sizes) == x.shape:
        return x
    return b.add("slice", [x], starts=starts, steps=[1] * x.rank, sizes=sizes)


def per_axis(node: OnnxNode, name: str, default: Sequence[int], least: int | None = None) -> list[int]:
    """An attribute with as many numbers as `default`, which stands in for it where it is left out.

    Raises
    ------
    UnsupportedError
        If it holds another number of numbers, or one below `least`.
    """
    given = [int(n) for n in node.attrs.get(name) or default]
    if len(given) != len(default):
        raise node.fail(f"its {name} {given} should hold {len(default)} numbers")
    if least is not None and min(given) < least:
        raise node.fail(f"its {name} {given} should be at least {least}")
    return given
