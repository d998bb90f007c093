"""What is known of a tensor before it is computed: shape, inclusive bound, storage width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import BoundError

IntArray = NDArray[np.signedinteger]
FloatArray = NDArray[np.floating]
Shape = tuple[int, ...]
Bound = tuple[int, int]

LIMIT = 1 << 63
"""Every integer of a circuit, and every intermediate sum of one, is smaller than this in magnitude."""

MAX_RANK = 8
"""The most axes a tensor may have, without the batch axis: the op records have room for eight."""


def width_of(lo: int, hi: int) -> int:
    """Bytes per element of the smallest of int8, int16, int32, int64 that holds [lo, hi].

    Raises
    ------
    BoundError
        If the bound is empty or does not fit int64.
    """
    if lo > hi:
        raise BoundError(f"empty bound [{lo}, {hi}]")
    if lo <= -LIMIT or hi >= LIMIT:
        raise BoundError(
            f"the bound [{lo}, {hi}] does not fit 64 bits: compile with fewer bits, or calibrate with data"
        )
    for width in (1, 2, 4):
        edge = 1 << (8 * width - 1)
        if -edge <= lo and hi < edge:
            return width
    return 8


_TYPES: dict[int, np.dtype[np.signedinteger]] = {width: np.dtype(f"int{8 * width}") for width in (1, 2, 4, 8)}


def dtype_of(lo: int, hi: int) -> np.dtype[np.signedinteger]:
    """The storage type of a tensor with bound [lo, hi]."""
    return _TYPES[width_of(lo, hi)]


@dataclass(frozen=True)
class Operand:
    """An operation's view of one input: its shape and bound, and its value if it is a constant."""

    shape: Shape
    lo: int
    hi: int
    value: IntArray | None = None

    @property
    def magnitude(self) -> int:
        """The largest absolute value within the bound."""
        return max(abs(self.lo), abs(self.hi))

    @property
    def zero_hull(self) -> Bound:
        """The bound widened to hold 0, so that every partial sum of products stays inside the sum's bound."""
        return min(self.lo, 0), max(self.hi, 0)
