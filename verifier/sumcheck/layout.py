"""Where committed tensors stand: polynomials made of chunks.

A tensor is padded along each axis to a power of two and laid out row-major, 2^n cells. It is committed in
*chunks* of 2^l cells, each a polynomial of its own, with the cells as coefficients:

- a tensor with n >= l is a *polynomial* of n variables of its own, 2^(n-l) chunks. A chunk without a true
  cell is zero, and is not committed;
- tensors with n < l share polynomials of l variables, one chunk each, the largest first: so each begins at a
  multiple of its length.

Parameters and advice are laid out apart, each in the system's order. Committed inputs have a layout of their
own (`inputs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuits.errors import FormatError
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.weights import Shape, padded_bits

MAX_CHUNKS = 1 << 16
"""The most chunks that are committed together: a verifier must work on each."""


@dataclass(frozen=True)
class Slot:
    """A tensor within a polynomial: the cells from `offset` on, a multiple of their padded number."""

    tensor: int
    shape: Shape
    offset: int

    @property
    def bits(self) -> int:
        """The number of variables of the tensor."""
        return padded_bits(self.shape)


@dataclass
class Polynomial:
    """A multilinear polynomial and what stands in it.

    Parameters
    ----------
    bits
        The number of variables, at least l.
    chunks
        For each of its 2^(bits - l) chunks, its number among all that are committed together, or None where
        it holds no true cell.
    """

    bits: int
    chunks: list[int | None]
    slots: list[Slot] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """The polynomials of the tensors that are committed together, and the number of their chunks."""

    polynomials: Sequence[Polynomial]
    chunks: int


def lay_out(tensors: Sequence[tuple[int, Shape]], chunk_bits: int) -> Layout:
    """Give each tensor its place.

    Raises
    ------
    FormatError
        If there would be too many chunks.
    """
    check_chunks(tensors, chunk_bits)
    polynomials: list[Polynomial] = []
    chunks = 0
    for tensor, shape in tensors:
        bits = padded_bits(shape)
        if bits >= chunk_bits:
            numbers = live_chunks(shape, chunk_bits, chunks)
            chunks += sum(number is not None for number in numbers)
            polynomials.append(Polynomial(bits, numbers, [Slot(tensor, shape, 0)]))
    small = [
        (padded_bits(shape), tensor, shape) for tensor, shape in tensors if padded_bits(shape) < chunk_bits
    ]
    small.sort(key=lambda entry: -entry[0])
    end = 1 << chunk_bits
    for bits, tensor, shape in small:
        if end == 1 << chunk_bits:
            polynomials.append(Polynomial(chunk_bits, [chunks]))
            chunks, end = chunks + 1, 0
        polynomials[-1].slots.append(Slot(tensor, shape, end))
        end += 1 << bits
    return Layout(polynomials, chunks)


def check_chunks(tensors: Sequence[tuple[int, Shape]], chunk_bits: int) -> None:
    """Raise FormatError if the large tensors among these would take too many chunks."""
    large = sum((1 << padded_bits(shape)) >> chunk_bits for _, shape in tensors)
    if large > MAX_CHUNKS:
        raise FormatError(
            f"{large:,} chunks of 2^{chunk_bits} numbers would be committed, more than {MAX_CHUNKS:,}: "
            "the circuit or the batch is too large for chunks of this size"
        )


def live_chunks(shape: Shape, chunk_bits: int, first: int) -> list[int | None]:
    """The numbers, from `first` on, of the chunks of a tensor of at least 2^chunk_bits cells."""
    numbers: list[int | None] = []
    for j in range(1 << (padded_bits(shape) - chunk_bits)):
        alive = holds_cells(shape, j, chunk_bits)
        numbers.append(first if alive else None)
        first += alive
    return numbers


def holds_cells(shape: Shape, chunk: int, chunk_bits: int) -> bool:
    """Whether a chunk of a padded tensor holds one of its true cells."""
    first = chunk << chunk_bits
    for n in reversed(shape):
        # the least index that the chunk has along this axis
        index, first = first & ((1 << bits_of(n)) - 1), first >> bits_of(n)
        if index >= n:
            return False
    return True
