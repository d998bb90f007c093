"""Where committed tensors stand: every true cell once, aligned, and only empty chunks left out."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import FormatError
from prover.sumcheck.commitments import polynomial_cells
from tests.budget import examples
from tests.verifier.sumcheck.random_weights import random_shape
from verifier.sumcheck.layout import MAX_CHUNKS, holds_cells, lay_out
from verifier.sumcheck.weights import padded_bits


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=examples(150))
def test_each_tensor_has_its_place(seed: int, chunk_bits: int) -> None:
    rng = random.Random(seed)
    tensors = [(number, random_shape(rng)) for number in range(rng.randrange(8))]
    layout = lay_out(tensors, chunk_bits)
    numbers = [
        number for polynomial in layout.polynomials for number in polynomial.chunks if number is not None
    ]
    assert numbers == list(range(layout.chunks))
    placed = [slot for polynomial in layout.polynomials for slot in polynomial.slots]
    assert sorted((slot.tensor, slot.shape) for slot in placed) == tensors
    values = {tensor: np.arange(1, 1 + math.prod(shape)).reshape(shape) for tensor, shape in tensors}
    for polynomial in layout.polynomials:
        assert polynomial.bits >= chunk_bits
        assert len(polynomial.chunks) == 1 << (polynomial.bits - chunk_bits)
        end = 0
        for slot in polynomial.slots:
            assert slot.offset >= end and slot.offset % (1 << slot.bits) == 0
            end = slot.offset + (1 << slot.bits)
        assert end <= 1 << polynomial.bits
        cells = polynomial_cells(polynomial, values.__getitem__)
        count = sum(math.prod(slot.shape) for slot in polynomial.slots)
        assert np.count_nonzero(cells) == count
        chunks = cells.reshape(-1, 1 << chunk_bits)
        for chunk, number in zip(chunks, polynomial.chunks, strict=True):
            assert (number is not None) == bool(chunk.any())


@given(st.integers(0, 2**32))
def test_chunks_without_a_true_cell(seed: int) -> None:
    rng = random.Random(seed)
    shape = random_shape(rng)
    bits = padded_bits(shape)
    padded = np.zeros([1 << (n - 1).bit_length() for n in shape], dtype=bool)
    padded[tuple(slice(n) for n in shape)] = True
    for chunk_bits in range(bits + 1):
        expected = padded.reshape(-1, 1 << chunk_bits).any(axis=1)
        found = [holds_cells(shape, j, chunk_bits) for j in range(1 << (bits - chunk_bits))]
        assert found == expected.tolist()


def test_too_many_chunks_are_refused_before_they_are_counted() -> None:
    with pytest.raises(FormatError, match="too large"):
        lay_out([(0, (MAX_CHUNKS + 1, 2))], 1)
