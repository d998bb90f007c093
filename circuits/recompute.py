"""Recomputes one cell from its op record and the bytes that the record points at: the reference for the
dispute contract.

Written from the layout in `docs/trace.md` alone and sharing no code with the planner or the executor, so that
a record can be held against them. Everything that is read follows from the record and the cell's index.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import product

LEAF_BYTES = 128
HEADER_BYTES, VIEW_BYTES = 96, 160
SUM, POSITIVE, DIVIDE, LOOKUP, SELECT, MAX, ORDER = range(1, 8)

Read = Callable[[int, int, int], bytes]
"""read(region, first byte, number of bytes): bytes of the trace (0), the input (1) or the weights (2)."""


def recompute_cell(record: bytes, index: int, read: Read) -> int | None:
    """The cell with the row-major index `index` of the tensor that `record` describes.

    Returns
    -------
    int or None
        None where the operands allow no value at all: a divisor below 1, a lookup outside its rows, an order
        among fewer cells. Whoever committed to such operands is wrong, whatever the cell says.
    """
    kind, width, count, shift = record[1], record[3], record[4], record[5]
    dims = struct.unpack_from(">8I", record, 32)
    mul, lo, hi = struct.unpack_from(">Qqq", record, 64)
    output_index = coordinates(index, dims)

    terms: list[list[int]] = []  # the offset of each term's views
    offsets = iter(range(HEADER_BYTES, HEADER_BYTES + count * VIEW_BYTES, VIEW_BYTES))
    for at in offsets:
        terms.append([at, next(offsets)] if record[at + 2] & 1 else [at])

    def cells(term: list[int]) -> Iterator[int | None]:
        """The term's products, in the order of its reduction index; None where one is left out."""
        sizes = struct.unpack_from(">4I", record, term[0] + 80)
        coefficient = struct.unpack_from(">i", record, term[0] + 4)[0]
        for reduction_index in product(*map(range, sizes)):
            value = coefficient
            for at in term:
                factor = element(record, at, (*output_index, *reduction_index), 0, read)
                if factor is None:
                    yield None
                    break
                value *= factor
            else:
                yield value

    def total(some: list[list[int]]) -> int:
        return sum(value for term in some for value in cells(term) if value is not None)

    def first(term: list[int]) -> int:
        return next(value for value in cells(term) if value is not None)

    if kind == SUM:
        half = 1 << (shift - 1) if shift else 0
        return int(max(lo, min(hi, (total(terms) * mul + half) >> shift)))
    if kind == POSITIVE:
        return int(total(terms) > 0)
    if kind == DIVIDE:
        divisor = first(terms[-1])
        return total(terms[:-1]) // divisor if divisor >= 1 else None
    if kind == LOOKUP:
        row = total(terms[:-1]) - lo
        return (
            element(record, terms[-1][0], (*output_index, 0, 0, 0, 0), row * hi, read)
            if 0 <= row < mul
            else None
        )
    if kind == SELECT:
        return first(terms[1]) if first(terms[0]) == 1 else first(terms[2])
    if kind == MAX:
        lowest = -(1 << (8 * width - 1))
        return max([lowest, *(value for term in terms for value in cells(term) if value is not None)])
    assert kind == ORDER
    place = index // mul % hi
    order = sorted((-value, i) for i, value in enumerate(cells(terms[0])) if value is not None)
    return order[place][1] if place < len(order) else None


def coordinates(index: int, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The row-major index along each axis."""
    out = []
    for size in reversed(dims):
        out.append(index % size)
        index //= size
    return tuple(reversed(out))


def element(record: bytes, at: int, index: tuple[int, ...], moved: int, read: Read) -> int | None:
    """The operand of the view at byte `at`, `moved` elements further on; None where a guard leaves it out."""
    region, width, flags, guards = record[at : at + 4]
    first, base, fill = struct.unpack_from(">Qqq", record, at + 8)
    strides = struct.unpack_from(">8i4i", record, at + 32)
    for guard in range(guards):
        a, b, coef_a, coef_b, _, guard_base, limit = struct.unpack_from(
            ">BBhhHiI", record, at + 96 + 16 * guard
        )
        if not 0 <= coef_a * index[a] + coef_b * index[b] + guard_base < limit:
            return None if flags & 2 else int(fill)
    position = base + moved + sum(stride * i for stride, i in zip(strides, index, strict=True))
    return int.from_bytes(read(region, first * LEAF_BYTES + position * width, width), "big", signed=True)
