"""How a dispute descends: which levels of the trace's tree each round opens.

The first round opens so many levels that all others open four: depth mod 4, or four, or none in a tree of one
leaf. The last round ends at the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = 4
"""Levels of the tree that a round opens, after the first."""


@dataclass(frozen=True)
class Rounds:
    """The rounds of a dispute over a trace of this depth."""

    depth: int

    @property
    def count(self) -> int:
        """How many reveals lead to a leaf."""
        return max(1, -(-self.depth // LEVELS))

    @property
    def last(self) -> int:
        """The level of the round that reveals leaves."""
        return self.count - 1

    def levels(self, level: int) -> int:
        """How many levels of the tree round `level` opens."""
        return LEVELS if level else self.depth - LEVELS * self.last

    def height(self, level: int) -> int:
        """The height, above the leaves, of the node that round `level` disputes."""
        return LEVELS * (self.count - level) if level else self.depth

    def bottom(self, level: int) -> int:
        """The height of what round `level` reveals."""
        return self.height(level) - self.levels(level)
