"""Where each word stands in the machine's memory: the fewest words that hold what is still to be read."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Sequence


class Registers:
    """Words that are handed out side by side and taken back, from a first one on."""

    def __init__(self) -> None:
        self.end = 0
        """One more than the highest word ever in use."""
        self._free: list[tuple[int, int]] = []
        """Stretches (start, length) of free words below the end, in order."""

    def take(self, count: int) -> int:
        """The first of `count` free words side by side: in the first stretch that is long enough."""
        for i, (start, length) in enumerate(self._free):
            if length >= count:
                self._free[i : i + 1] = [(start + count, length - count)] if length > count else []
                return start
        at_end = self._free and sum(self._free[-1]) == self.end
        start = self._free.pop()[0] if at_end else self.end
        self.end = start + count
        return start

    def give_back(self, start: int, count: int) -> None:
        """Free words that were taken."""
        insort(self._free, (start, count))
        merged: list[tuple[int, int]] = []
        for first, length in self._free:
            if merged and sum(merged[-1]) == first:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((first, length))
        self._free = merged


def allocate(
    results: Sequence[Sequence[tuple[int, int]]], reads: Sequence[Sequence[int]]
) -> tuple[dict[int, int], int]:
    """Give each result its words, for instructions in order.

    Parameters
    ----------
    results
        For each instruction the names of what it yields, with their numbers of words.
    reads
        For each instruction the names of the results that it reads.

    Returns
    -------
    tuple
        The first word of each result, and the number of words in all. What an instruction yields overlaps
        nothing that it reads.
    """
    last = {name: i for i, names in enumerate(reads) for name in names}
    sizes: dict[int, int] = {}
    places: dict[int, int] = {}
    registers = Registers()
    expiring: list[tuple[int, int]] = []
    for i, made in enumerate(results):
        for name, count in made:
            sizes[name], places[name] = count, registers.take(count)
            heapq.heappush(expiring, (last.get(name, i), name))
        while expiring and expiring[0][0] <= i:
            name = heapq.heappop(expiring)[1]
            registers.give_back(places[name], sizes[name])
    return places, registers.end
