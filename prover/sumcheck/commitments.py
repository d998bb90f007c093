"""Committing to the tensors of a layout, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable

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
    cells: IntArray = np.zeros(1 << polynomial.bits, dtype=dtype_of(lo, hi))
    for slot, array in zip(polynomial.slots, arrays, strict=True):
        padded = cells[slot.offset : slot.offset + (1 << slot.bits)].reshape(
            [1 << bits_of(n) for n in slot.shape]
        )
        padded[tuple(slice(0, n) for n in slot.shape)] = array.reshape(slot.shape)
    return cells


def commit(device: Device, layout: Layout, chunk_bits: int, values: Values) -> tuple[bytes, list[IntArray]]:
    """The commitments to all chunks, 64 bytes each in the layout's order, and the polynomials' cells."""
    points = [b""] * layout.chunks
    all_cells = []
    for polynomial in layout.polynomials:
        cells = polynomial_cells(polynomial, values)
        all_cells.append(cells)
        live = [j for j, number in enumerate(polynomial.chunks) if number is not None]
        chunks = cells.reshape(-1, 1 << chunk_bits)
        made = device.commit_integers(chunks if len(live) == len(chunks) else chunks[live])
        for i, j in enumerate(live):
            number = polynomial.chunks[j]
            assert number is not None
            points[number] = made[64 * i : 64 * (i + 1)]
    return b"".join(points), all_cells
