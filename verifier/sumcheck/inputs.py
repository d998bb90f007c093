"""Inputs that are committed: the statement names a commitment, and says no values.

Anybody who has an input, the SRS and the chunks' size can make its commitment: each port's tensor is laid out
by itself, so that nothing else of a proof enters. And there is one commitment for each input, since the
argument proves what pads a tensor to be zero. To say so, the committed tensor *includes* its padding::

    X of shape (2^max(0, l - n), 2^bits(s_1), ..., 2^bits(s_k)),    n = bits(s_1) + ... + bits(s_k),

fills whole chunks of 2^l cells; the input is X[0, :s_1, ..., :s_k], and every other cell must be zero. A
chunk all of whose cells pad is not committed, and counts as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.errors import CheckFailed
from verifier.bn254 import G1_BYTES, G1Point
from verifier.input_commitment import InputCommitment
from verifier.sumcheck.layout import Layout, Polynomial, Slot, check_chunks, live_chunks
from verifier.sumcheck.messages import decode_points
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.weights import Shape, padded_bits


def padded_input(shape: Shape, chunk_bits: int) -> Shape:
    """The shape of the committed tensor of a port."""
    fill = max(0, chunk_bits - padded_bits(shape))
    return (1 << fill, *(1 << bits_of(n) for n in shape))


def lay_out_inputs(ports: Sequence[tuple[int, Shape]], chunk_bits: int) -> Layout:
    """Give each port's tensor polynomials of its own.

    Parameters
    ----------
    ports
        For each port, in order, the number of its tensor and its own shape.

    Raises
    ------
    FormatError
        If there would be too many chunks.
    """
    check_chunks(ports, chunk_bits)
    polynomials: list[Polynomial] = []
    chunks = 0
    for tensor, shape in ports:
        bits = max(chunk_bits, padded_bits(shape))
        whole = bits == chunk_bits
        numbers: list[int | None] = [chunks] if whole else live_chunks(shape, chunk_bits, chunks)
        chunks += sum(number is not None for number in numbers)
        polynomials.append(Polynomial(bits, numbers, [Slot(tensor, padded_input(shape, chunk_bits), 0)]))
    return Layout(polynomials, chunks)


def input_points(committed: InputCommitment | None, layout: Layout | None) -> list[G1Point | None]:
    """The commitments to the chunks of the inputs.

    Parameters
    ----------
    committed
        What the statement says of its inputs; None if it says their values.
    layout
        How the key commits to inputs; None if they are public.

    Raises
    ------
    CheckFailed
        If the statement is none for this key, or there are not as many points as chunks.
    FormatError
        If one of them is no point.
    """
    if committed is None and layout is None:
        return []
    if committed is None:
        raise CheckFailed("the key commits to inputs, and the statement says their values")
    if layout is None:
        raise CheckFailed("the statement commits to its inputs, and the key takes their values")
    found = len(committed.points) // G1_BYTES
    if found != layout.chunks:
        raise CheckFailed(
            f"the statement commits to {found} chunks of inputs, and the key to {layout.chunks}"
        )
    return decode_points(committed.points)
