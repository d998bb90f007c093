"""Random op records that use every field, beyond what circuits make of it."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from circuits.errors import CircuitError
from circuits.merkle import LEAF_BYTES
from circuits.records import Guard, Kind, Record, Region, View

WIDTHS = (1, 2, 4, 8)
COEFFICIENTS = (1, 1, 1, -1, 0, 2, (1 << 31) - 1, 1 - (1 << 31))
FILLS = (0, 0, 1, -7, (1 << 63) - 1, -(1 << 63))


def random_record(rng: random.Random, leaves: int) -> Record:
    """A record of a few cells that reads trees of so many leaves."""
    while True:
        try:
            record = _Maker(rng, leaves * LEAF_BYTES).record()
            record.encode()
        except (CircuitError, _DoesNotFit):
            continue
        return record


class _DoesNotFit(Exception):
    pass


class _Maker:
    def __init__(self, rng: random.Random, tree_bytes: int) -> None:
        self.rng = rng
        self.tree_bytes = tree_bytes
        self.dims = self._sizes(8, 150)

    def _sizes(self, axes: int, most: int) -> tuple[int, ...]:
        while True:
            used = self.rng.randrange(axes + 1)
            sizes = (*(1,) * (axes - used), *(self.rng.choice([1, 2, 3, 4, 7]) for _ in range(used)))
            if math.prod(sizes) <= most:
                return sizes

    def _reduction(self) -> tuple[int, ...]:
        sizes = self._sizes(4, 100)
        if self.rng.random() < 0.3:  # a long run, in the last axis or elsewhere
            axis = self.rng.choice([0, 1, 2, 3, 3, 3])
            sizes = (*sizes[:axis], self.rng.randint(8, 90), *sizes[axis + 1 :])
        return sizes

    def _guard(self) -> Guard:
        rng = self.rng
        coefficients = [rng.choice([0, 1, 1, -1, 2, -3, 32767]) for _ in range(2)]
        base, limit = rng.randint(-6, 12), rng.choice([0, 1, 3, 6, 20, 1 << 31])
        return Guard(rng.randrange(12), rng.randrange(12), *coefficients, base, limit)

    def view(
        self, reduction: tuple[int, ...] = (1,) * 4, guards: bool = True, rows: int = 1, row: int = 0
    ) -> View:
        """A view that stays in its tree for all cells, and for all `rows` if it is moved by `row` elements
        each."""
        rng = self.rng
        width = rng.choice(WIDTHS)
        reach = rng.choice([1, 2, 5, 70])
        strides = [rng.choice([0, rng.randint(-reach, reach)]) for _ in range(12)]
        if rng.random() < 0.4:
            width, strides[11] = 2, 1
        steps = [stride * (n - 1) for stride, n in zip(strides, (*self.dims, *reduction), strict=True)]
        steps.append(row * (rows - 1))
        span = sum(map(abs, steps))
        if span >= self.tree_bytes // width:
            raise _DoesNotFit
        lowest = rng.randrange(self.tree_bytes // width - span)
        first = rng.randrange(self.tree_bytes // LEAF_BYTES)
        base = lowest - sum(min(step, 0) for step in steps) - first * LEAF_BYTES // width
        return View(
            region=Region(rng.randrange(3)),
            width=width,
            factor=False,
            skip=False,
            coefficient=rng.choice(COEFFICIENTS),
            first=first,
            base=base,
            fill=rng.choice(FILLS),
            strides=tuple(strides[:8]),
            reduction_strides=tuple(strides[8:]),
            reduction_dims=reduction,
            guards=tuple(self._guard() for _ in range(rng.choice([0, 0, 1, 2, 4]))) if guards else (),
        )

    def term(self, reduced: bool = True) -> tuple[View, ...]:
        """One view or two."""
        reduction = self._reduction() if reduced else (1,) * 4
        if self.rng.random() < 0.4:
            return (self.view(reduction),)
        first = replace(self.view(reduction), factor=True)
        second = self.view(reduction)
        return first, replace(second, coefficient=1)

    def terms(self, most: int, reduced: bool = True) -> tuple[View, ...]:
        return tuple(view for _ in range(self.rng.randint(0, most)) for view in self.term(reduced))

    def record(self) -> Record:
        """Any record; it may not fit together."""
        rng = self.rng
        kind = rng.choice(list(Kind))
        empty = Record(
            kind, Region.OUTPUT, rng.choice(WIDTHS), 0, 0, math.prod(self.dims), self.dims, 0, 0, 0, ()
        )
        return {
            Kind.SUM: self.sum,
            Kind.POSITIVE: lambda record: replace(record, views=self.terms(4)),
            Kind.DIVIDE: self.divide,
            Kind.LOOKUP: self.lookup,
            Kind.SELECT: self.select,
            Kind.MAX: self.max,
            Kind.ORDER: self.order,
        }[kind](empty)

    def sum(self, record: Record) -> Record:
        rng = self.rng
        lo, hi = sorted(rng.choice([-(1 << 63), -5, 0, 100, (1 << 63) - 1]) for _ in range(2))
        mul = rng.choice([1, 3, (1 << 63) - 1])
        views = self.terms(4)
        if rng.random() < 0.1:  # as many as a record may have
            views = tuple(self.view() for _ in range(64))
        return replace(record, mul=mul, lo=lo, hi=hi, shift=rng.choice([0, 1, 17, 62]), views=views)

    def divide(self, record: Record) -> Record:
        divisor = self.view()
        if self.rng.random() < 0.5:  # most often 1 or more
            divisor = replace(divisor, coefficient=-1, fill=-3)
        return replace(record, views=(*self.terms(3), divisor))

    def lookup(self, record: Record) -> Record:
        rng = self.rng
        if rng.random() < 0.7:  # most rows exist
            addend = replace(self.view(), width=1, coefficient=1, fill=3)
            terms, lo, rows = (addend,), rng.choice([-128, -100]), 256
        else:
            terms, lo, rows = self.terms(2), rng.choice([-3, 0, 1 << 62]), rng.choice([1, 5, 40])
        row = rng.choice([0, 1, -1, 3, 17])
        table = self.view(guards=False, rows=rows, row=row)
        return replace(record, mul=rows, lo=lo, hi=row, views=(*terms, replace(table, coefficient=1)))

    def select(self, record: Record) -> Record:
        condition = self.view()
        if self.rng.random() < 0.6:
            condition = replace(condition, coefficient=1, fill=1, guards=(self._guard(),))
        return replace(record, views=(condition, *self.term(False), *self.term(False)))

    def _left_out(self, view: View) -> View:
        return replace(view, skip=bool(view.guards) and self.rng.random() < 0.7)

    def max(self, record: Record) -> Record:
        views = [self._left_out(self.view(self._reduction())) for _ in range(self.rng.randint(1, 4))]
        return replace(record, views=tuple(views))

    def order(self, record: Record) -> Record:
        view = self._left_out(self.view(self._reduction()))
        hi = self.rng.randint(1, 1 + math.prod(view.reduction_dims))
        return replace(record, mul=self.rng.randint(1, record.cells), hi=hi, views=(view,))
