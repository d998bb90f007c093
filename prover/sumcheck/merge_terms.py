"""The merge's sum, sum_x f(x) E(x) over all committed polynomials f, E being the weights of all claims on f.

The cells of f are small integers. With f cut in two (`prover.sumcheck.merge_cuts`),

    sum_{h,l} f(h, l) E(h, l) = sum_c sum_h A_c(h) m_c(h),    m_c(h) = sum_l f(h, l) B_c(l),

so that the first rounds are on vectors of 2^|h| elements, and after them what is left is

    sum_l f(u, l) * (sum_c A_c(u) B_c(l)),    f(u, l) = sum_h eq(u, h) f(h, l).

m_c and f(u, .) are products of a matrix of integers with a vector of field elements: f itself never becomes
field elements. Like polynomials are one term, side by side: a round costs one call for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.factors import FactorVectors, padded_shape
from prover.sumcheck.merge_cuts import Cut, Cutter, combined
from prover.sumcheck.rounds import Term
from verifier.sumcheck.layout import Polynomial
from verifier.sumcheck.multilinear import Point
from verifier.sumcheck.reduction import Reduced
from verifier.sumcheck.weights import at_point, padded_bits

_DENSE_BITS = 9
"""Polynomials of so few variables are not worth cutting."""


def merge_terms(
    device: Device, committed: Iterable[tuple[Polynomial, IntArray]], reduced: Reduced
) -> list[Term]:
    """The terms of the merge's sumcheck for committed polynomials and their cells."""
    vectors = FactorVectors(device)
    cutter = Cutter(vectors, reduced)
    cuts: dict[tuple[int, int], list[Cut]] = {}
    whole: dict[int, list[tuple[Polynomial, IntArray]]] = {}
    for polynomial, cells in committed:
        if not any(reduced.committed.get(slot.tensor) for slot in polynomial.slots):
            continue
        cut = cutter.cut(polynomial, cells) if polynomial.bits > _DENSE_BITS else None
        if cut is not None:
            cuts.setdefault((polynomial.bits, padded_bits(cut.last)), []).append(cut)
        else:
            whole.setdefault(polynomial.bits, []).append((polynomial, cells))
    terms = [_cut_term(vectors, variables, alike) for (variables, _), alike in cuts.items()]
    return terms + [_whole_term(vectors, bits, alike, reduced) for bits, alike in whole.items()]


def _cut_term(vectors: FactorVectors, variables: int, cuts: Sequence[Cut]) -> Term:
    """The first variables' term: a column for each A_c of each polynomial."""
    device = vectors.device
    summed = padded_bits(cuts[0].last)
    rows = 1 << (variables - summed)
    sums = device.beside([_sums_behind(device, cut) for cut in cuts], rows)
    befores = device.beside([before for cut in cuts for before in cut.befores], rows)

    def expand(term: Term, point: Point) -> Term:
        bound = iter(device.scalars(term.factors[1]))
        values, weights = [], []
        for cut in cuts:
            at_row = vectors.product(cut.first, at_point(cut.first, point).proper_factors, 0)
            matrix = cut.cells.reshape(1, math.prod(cut.first), math.prod(cut.last))
            values.append(_padded(device, device.contract(matrix, at_row), cut))
            numbers = [next(bound) for _ in cut.befores]
            weights.append(_padded(device, device.combine(cut.behinds, numbers), cut))
        columns = [device.beside(each, 1 << summed) for each in (values, weights)]
        return Term(summed, columns, term.sum)

    return Term(variables, [sums, befores], device.product_sum([sums, befores]), summed, expand)


def _sums_behind(device: Device, cut: Cut) -> Vector:
    """m_c(h) as [h, c], zero where h pads."""
    columns, behind = len(cut.behinds), math.prod(cut.last)
    matrix = cut.cells.reshape(math.prod(cut.first), behind, 1)
    sums = device.contract(matrix, device.joined(cut.behinds, columns * behind))
    shape, padded = (*cut.first, columns), (*padded_shape(cut.first), columns)
    return device.arranged(sums, shape, range(len(shape)), padded)


def _padded(device: Device, vector: Vector, cut: Cut) -> Vector:
    return device.arranged(vector, cut.last, range(len(cut.last)), padded_shape(cut.last))


def _whole_term(
    vectors: FactorVectors, bits: int, polynomials: Sequence[tuple[Polynomial, IntArray]], reduced: Reduced
) -> Term:
    """The term of polynomials that are not cut: a column for each."""
    device = vectors.device
    values = device.beside([device.integers(cells) for _, cells in polynomials], 1 << bits)
    weights = device.beside(
        [_polynomial_weights(vectors, polynomial, reduced) for polynomial, _ in polynomials], 1 << bits
    )
    return Term(bits, [values, weights], device.product_sum([values, weights]))


def _polynomial_weights(vectors: FactorVectors, polynomial: Polynomial, reduced: Reduced) -> Vector:
    """The weights of all claims on a polynomial's cells."""

    def parts() -> Iterable[Vector]:
        for slot in polynomial.slots:
            claims = reduced.committed.get(slot.tensor, ())
            products = [
                (weights.scale, vectors.expanded(slot.shape, weights.proper_factors, 0)) for weights in claims
            ]
            yield combined(vectors.device, products, 1 << slot.bits)

    return vectors.device.joined(parts(), 1 << polynomial.bits)
