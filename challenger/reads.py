"""Which bytes a cell reads.

Record and index alone say it, but for the row of a LOOKUP, which follows from the other operands. Written
over whole reductions at once: a cell may read a hundred thousand elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError
from circuits.merkle import LEAF_BYTES
from circuits.records import Kind, Record, Region, View

Addresses = NDArray[np.int64]
"""Of bytes in a region's tree."""


@dataclass(frozen=True, eq=False)
class Reads:
    """The reads of one view at one cell, in the order of the reduction index."""

    view: View
    addresses: Addresses
    """The first byte of each element, also where none is read."""
    allowed: NDArray[np.bool_]
    """Where a guard does not stand in the way."""

    @property
    def read(self) -> Addresses:
        """The first byte of each element that is read."""
        return self.addresses[self.allowed]


def output_index(record: Record, index: int) -> tuple[int, ...]:
    """The cell's index along the output axes.

    Raises
    ------
    InputError
        If the tensor has no such cell.
    """
    if not 0 <= index < record.cells:
        raise InputError(f"there is no cell {index}: the tensor has {record.cells}")
    return tuple(int(i) for i in np.unravel_index(index, record.dims))


def view_reads(record: Record, view: View, index: int, row: int = 0) -> Reads:
    """What one view of the record reads for the cell `index`.

    Parameters
    ----------
    row
        Of a LOOKUP's last view: by how many rows it is moved.

    Raises
    ------
    InputError
        If the tensor has no such cell.
    """
    cell = output_index(record, index)
    grid = np.indices(view.reduction_dims, np.int64, sparse=True)
    shape = view.reduction_dims
    position = np.full(shape, view.base + row * record.hi, np.int64)
    position += sum(step * i for step, i in zip(view.strides, cell, strict=True))
    for step, i in zip(view.reduction_strides, grid, strict=True):
        position += step * i
    allowed = np.ones(shape, np.bool_)
    for guard in view.guards:
        coordinate = np.full(shape, guard.base, np.int64)
        for axis, coefficient in ((guard.axis_a, guard.coef_a), (guard.axis_b, guard.coef_b)):
            coordinate += coefficient * (cell[axis] if axis < len(cell) else grid[axis - len(cell)])
        allowed &= (coordinate >= 0) & (coordinate < guard.limit)
    addresses = view.first * LEAF_BYTES + position.reshape(-1) * view.width
    return Reads(view, addresses, allowed.reshape(-1))


def cell_reads(record: Record, index: int, row: int | None = None) -> Mapping[Region, Addresses]:
    """The first bytes of the elements that a cell reads, by region, each in rising order.

    Parameters
    ----------
    row
        Of a LOOKUP: the row that the other operands come to; None if there is no such row, or as long as it
        is unknown.

    Raises
    ------
    InputError
        If the tensor has no such cell.
    """
    found: dict[Region, list[Addresses]] = {}
    for number, view in enumerate(record.views):
        is_table = record.kind is Kind.LOOKUP and number == len(record.views) - 1
        if is_table and row is None:
            continue
        read = view_reads(record, view, index, row or 0 if is_table else 0).read
        found.setdefault(view.region, []).append(read)
    return {region: np.unique(np.concatenate(parts)) for region, parts in found.items()}
