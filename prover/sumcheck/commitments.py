"""Committing to the tensors of a layout, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from circuits.tensor import IntArray, dtype_of
from prover.sumcheck.device import Device
from verifier.sumcheck.layout import Layout, Polynomial
from verifier.sumcheck.multilinear import bits_of

Values = Callable[[int], IntArray]
"""The value of a tensor by its number."""


def polynomial_cells(polynomial: Polynomial, values: Values) -> IntArray:
    """The cells of a polynomial, 2^bits integers, zero where they pad."""
    arrays = [values(slot.tensor) for slot in polynomial.slots]
    lo, hi = min(int(array.min()) for array in arrays), max(int(array.max()) for array in arrays)
    # narrow cells make every later pass over them faster
    cells: IntArray = np.zeros(1 << polynomial.bits, dtype=dtype_of(lo, hi), like=arrays[0])
    for slot, array in zip(polynomial.slots, arrays, strict=True):
        padded = cells[slot.offset : slot.offset + (1 << slot.bits)].reshape(
            [1 << bits_of(n) for n in slot.shape]
        )
        padded[tuple(slice(0, n) for n in slot.shape)] = array.reshape(slot.shape)
    return cells


def commit(device: Device, layout: Layout, chunk_bits: int, values: Values) -> tuple[bytes, list[IntArray]]:
    """The commitments to all chunks, 64 bytes each in the layout's order, and the polynomials' cells."""
    points = [b""] * layout.chunks
    all_cells = [polynomial_cells(polynomial, values) for polynomial in layout.polynomials]
    for numbers, chunks in _batches(layout, all_cells, chunk_bits):
        made = device.commit_integers(chunks)
        for i, number in enumerate(numbers):
            points[number] = made[64 * i : 64 * (i + 1)]
    return b"".join(points), all_cells


def _batches(
    layout: Layout, all_cells: Sequence[IntArray], chunk_bits: int
) -> Iterator[tuple[list[int], IntArray]]:
    """Matrices of the chunks that hold a cell, with their numbers.

    Short polynomials are put together by their type: one alone would not keep all threads busy.
    """
    few: dict[np.dtype[Any], list[tuple[int, IntArray]]] = {}
    for polynomial, cells in zip(layout.polynomials, all_cells, strict=True):
        chunks = cells.reshape(-1, 1 << chunk_bits)
        live = [(number, j) for j, number in enumerate(polynomial.chunks) if number is not None]
        numbers = [number for number, _ in live]
        if cells.size > _BATCH_CELLS:
            yield numbers, chunks if len(live) == len(chunks) else chunks[[j for _, j in live]]
        else:
            few.setdefault(cells.dtype, []).extend((number, chunks[j]) for number, j in live)
    for alike in few.values():
        together = max(1, _BATCH_CELLS >> chunk_bits)
        for start in range(0, len(alike), together):
            batch = alike[start : start + together]
            yield [number for number, _ in batch], np.stack([chunk for _, chunk in batch])


_BATCH_CELLS = 1 << 20
