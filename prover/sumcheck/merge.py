"""The merge: one sumcheck for all claims on what is committed, and its opening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.merge_terms import polynomial_terms
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
    terms = []
    for part in committed:
        for polynomial, cells in zip(part.layout.polynomials, part.cells, strict=True):
            terms += polynomial_terms(device, polynomial, cells, merge.reduced)
    weights = _cap_weights(device, plan, merge)
    full = _full(device, plan, fractions)
    terms.append(Term(plan.fraction_bits, [full, weights], device.dot(full, weights)))
    point, _ = prove_rounds(speaker, device, terms, merge_variables(plan), 2)
    return point


def _full(device: Device, plan: Plan, fractions: Vector) -> Vector:
    # a copy: the rounds overwrite it, and the opening needs the fractions
    return device.joined([device.scale(fractions, 1)], 1 << plan.fraction_bits)


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
        for polynomial, cells in zip(part.layout.polynomials, part.cells, strict=True):
            rows = [0 if number is None else scalars[start + number] for number in polynomial.chunks]
            chunks = cells.reshape(1, -1, 1 << chunk_bits)
            combined = device.add_scaled(1, device.contract(chunks, device.vector(rows)), combined)
        start += part.layout.chunks
    rows = scalars[start:]
    shape = (1, len(rows), 1 << chunk_bits)
    padded = device.joined([fractions], len(rows) << chunk_bits)
    combined = device.add_scaled(1, device.contract_vector(padded, shape, device.vector(rows)), combined)
    _open(speaker, device, combined, point[len(point) - chunk_bits :])


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
