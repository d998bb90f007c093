"""The merge: one sumcheck for all claims on what is committed, and its opening."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.merge_terms import merge_terms
from prover.sumcheck.rounds import Term, prove_rounds
from prover.sumcheck.transcript import Speaker
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import Merge, chunk_scalars, merge_variables
from verifier.sumcheck.layout import Layout
from verifier.sumcheck.multilinear import Point
from verifier.sumcheck.plan import Plan


@dataclass
class Committed:
    """What is committed: the layout's polynomials and their cells."""

    layout: Layout
    cells: Sequence[IntArray]


def prove_merge(
    speaker: Speaker,
    device: Device,
    plan: Plan,
    committed: Sequence[Committed],
    fractions: Vector,
    merge: Merge,
) -> Point:
    """Say the merge's rounds; the point at which all chunks are to be opened."""
    polynomials = [
        each for part in committed for each in zip(part.layout.polynomials, part.cells, strict=True)
    ]
    terms = merge_terms(device, polynomials, merge.reduced)
    cap = [device.joined([fractions], 1 << plan.fraction_bits), _cap_weights(device, plan, merge)]
    terms.append(Term(plan.fraction_bits, cap, device.product_sum(cap)))
    point, _ = prove_rounds(speaker, device, terms, merge_variables(plan), 2)
    return point


def _cap_weights(device: Device, plan: Plan, merge: Merge) -> Vector:
    point, coefficient = merge.cap_point
    ones = device.repeated(device.vector([merge.cap_sum]), plan.tree.cap_nodes)
    length = 1 << plan.fraction_bits
    eq = device.joined([device.eq(point)], length)
    return device.add_scaled(coefficient, eq, device.joined([ones], length))


def prove_opening(
    speaker: Speaker,
    device: Device,
    plan: Plan,
    committed: Sequence[Committed],
    fractions: Vector,
    merge: Merge,
    point: Point,
) -> None:
    """Say the opening of all chunks, combined."""
    chunk_bits = plan.options.chunk_bits
    scalars = chunk_scalars(plan, merge, point)
    combined = device.joined([], 1 << chunk_bits)
    start = 0
    for part in committed:
        for chunks, rows in _matrices(part, scalars[start : start + part.layout.chunks], chunk_bits):
            combined = device.add_scaled(1, device.contract(chunks[None], device.vector(rows)), combined)
        start += part.layout.chunks
    rows = scalars[start:]
    shape = (1, len(rows), 1 << chunk_bits)
    padded = device.joined([fractions], len(rows) << chunk_bits)
    combined = device.add_scaled(1, device.contract_vector(padded, shape, device.vector(rows)), combined)
    _open(speaker, device, combined, point[len(point) - chunk_bits :])


def _matrices(
    part: Committed, scalars: Sequence[int], chunk_bits: int
) -> Iterator[tuple[IntArray, list[int]]]:
    """All chunks that have a scalar other than zero as rows of a few matrices, with the rows' scalars.

    The polynomials of few chunks are put together by their type: a short product costs as much as a long one.
    """
    few: dict[np.dtype[Any], list[tuple[IntArray, int]]] = {}
    for polynomial, cells in zip(part.layout.polynomials, part.cells, strict=True):
        chunks = cells.reshape(-1, 1 << chunk_bits)
        rows = [0 if number is None else scalars[number] for number in polynomial.chunks]
        if len(rows) > _FEW_CHUNKS:
            yield chunks, rows
        else:
            live = [(chunk, row) for chunk, row in zip(chunks, rows, strict=True) if row]
            few.setdefault(cells.dtype, []).extend(live)
    for alike in few.values():
        for start in range(0, len(alike), _STACKED_CHUNKS):
            stack = alike[start : start + _STACKED_CHUNKS]
            yield np.stack([chunk for chunk, _ in stack]), [row for _, row in stack]


_FEW_CHUNKS, _STACKED_CHUNKS = 16, 64


def _open(speaker: Speaker, device: Device, vector: Vector, point: Point) -> None:
    """Say the opening of one vector (`verifier.sumcheck.hyperkzg`)."""
    transcript = speaker.transcript
    folded = [vector]
    for x in list(reversed(point))[:-1]:
        folded.append(device.fold_pairs(folded[-1], x))
    speaker.say_bytes(device.commit_all(folded[1:]))
    rho = transcript.challenge()
    minus = -rho % SCALAR_FIELD
    square = rho * rho % SCALAR_FIELD
    speaker.say([device.evaluate(vector, square)])
    speaker.say([device.evaluate(f, rho) for f in folded])
    speaker.say([device.evaluate(f, minus) for f in folded])
    q = transcript.challenge()
    combined = device.combine(folded, [pow(q, i, SCALAR_FIELD) for i in range(len(folded))])
    quotient = combined
    # what is dropped at each division are the coefficients of R in Newton's form
    for root in (rho, minus, square):
        quotient = device.divide_linear(quotient, root)
    speaker.say_bytes(device.commit(quotient))
    zeta = transcript.challenge()
    vanishing = (zeta - rho) * (zeta - minus) * (zeta - square) % SCALAR_FIELD
    rest = device.combine([combined, quotient], [1, -vanishing % SCALAR_FIELD])
    speaker.say_bytes(device.commit(device.divide_linear(rest, zeta)))
