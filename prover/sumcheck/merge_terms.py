"""The merge's sum for one committed polynomial, sum_x f(x) E(x), E being the weights of all claims on f.

The cells of f are small integers, and E is a sum over claims of products of factors over axes. With the axes
cut in two, x = (h, l) and  E(h, l) = sum_c A_c(h) B_c(l),

    sum_{h,l} f(h, l) E(h, l) = sum_c sum_h A_c(h) m_c(h),    m_c(h) = sum_l f(h, l) B_c(l),

so that the first rounds are on vectors of 2^|h| elements, and after them what is left is

    sum_l f(u, l) * (sum_c A_c(u) B_c(l)),    f(u, l) = sum_h eq(u, h) f(h, l).

m_c and f(u, .) are products of a matrix of integers with a vector of field elements: f itself never becomes
field elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.factors import expanded, padded_shape, product_of
from prover.sumcheck.rounds import Term
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.layout import Polynomial, Slot
from verifier.sumcheck.maps import Reshape
from verifier.sumcheck.multilinear import Point, bits_of
from verifier.sumcheck.reduction import Reduced
from verifier.sumcheck.weights import Weights, at_point, padded_bits

Shape = tuple[int, ...]
_DENSE_BITS = 9
"""Polynomials of so few variables are not worth cutting."""
_MOST_PASSES = 32
"""A polynomial cut costs a pass of integers for each set of last factors; so many cost as much as none."""


def polynomial_terms(device: Device, polynomial: Polynomial, cells: IntArray, reduced: Reduced) -> list[Term]:
    """The terms of the merge's sumcheck for a polynomial; none if nothing is claimed of it."""
    if all(not reduced.committed.get(slot.tensor) for slot in polynomial.slots):
        return []
    if len(polynomial.slots) == 1 and polynomial.bits > _DENSE_BITS and not polynomial.slots[0].offset:
        slot = polynomial.slots[0]
        if slot.bits == polynomial.bits:
            shape, claims = _with_long_axes_cut(slot.shape, reduced.committed[slot.tensor])
            axis = _cut(shape, claims)
            if axis is not None:
                return _cut_terms(device, _true_cells(cells, slot.shape), shape, claims, axis)
    if polynomial.bits > _DENSE_BITS:
        terms = _packed_terms(device, polynomial, cells, reduced)
        if terms:
            return terms
    weights = _polynomial_weights(device, polynomial, reduced)
    values = device.integers(cells)
    return [Term(polynomial.bits, [values, weights], device.dot(values, weights))]


def _true_cells(cells: IntArray, shape: Shape) -> IntArray:
    """The cells of a tensor without those that pad it."""
    padded = cells.reshape([1 << bits_of(n) for n in shape])
    return np.ascontiguousarray(padded[tuple(slice(0, n) for n in shape)])


def _with_long_axes_cut(shape: Shape, claims: Sequence[Weights]) -> tuple[Shape, Sequence[Weights]]:
    """The same with each axis that fills a power of two in two halves."""
    finer: list[int] = []
    for n in shape:
        bits = bits_of(n)
        halves = (1 << (bits - bits // 2), 1 << (bits // 2))
        finer += halves if n == 1 << bits and bits >= 2 else (n,)
    reshape = Reshape(tuple(finer), shape)
    return tuple(finer), [reshape.pull(weights) for weights in claims]


def _cut(shape: Shape, claims: Sequence[Weights]) -> int | None:
    """The first of the last axes: the cut nearest the middle that no factor reaches across."""
    bits = padded_bits(shape)
    cuts = {behind: axis for behind, axis in _boundaries(shape, claims).items() if 0 < behind < bits}
    return cuts[min(cuts, key=lambda behind: (1 << behind) + (1 << (bits - behind)))] if cuts else None


def _cut_terms(
    device: Device, cells: IntArray, shape: Shape, claims: Sequence[Weights], axis: int
) -> list[Term]:
    first, last = shape[:axis], shape[axis:]
    # claims with the same last factors share their pass over f
    shared: dict[object, list[Weights]] = {}
    for weights in claims:
        key = frozenset(factor.identity for factor in weights.proper_factors if factor.axes[0] >= axis)
        shared.setdefault(key, []).append(weights)
    befores, behinds = [], []
    for alike in shared.values():
        before = device.joined([], 1 << padded_bits(first))
        for weights in alike:
            mine = [factor for factor in weights.proper_factors if factor.axes[0] < axis]
            before = device.add_scaled(weights.scale, expanded(device, first, mine, 0), before)
        befores.append(before)
        mine = [factor for factor in alike[0].proper_factors if factor.axes[0] >= axis]
        behinds.append(product_of(device, last, mine, axis))
    columns, cells_before, cells_behind = len(behinds), math.prod(first), math.prod(last)
    matrix = cells.reshape(cells_before, cells_behind, 1)
    sums = device.contract(matrix, device.joined(behinds, columns * cells_behind))
    by_claim = device.arranged(
        sums, (*first, columns), (len(first), *range(len(first))), (columns, *padded_shape(first))
    )
    terms = []
    size = 1 << padded_bits(first)
    for i, before in enumerate(befores):
        part = device.part(by_claim, i * size, size)
        terms.append(Term(padded_bits(shape), [part, before], device.dot(part, before), padded_bits(last)))
    terms[0].expand = _expansion(device, cells, first, last, terms, behinds)
    return terms


def _expansion(
    device: Device,
    cells: IntArray,
    first: Shape,
    last: Shape,
    terms: Sequence[Term],
    behinds: Sequence[Vector],
) -> Callable[[Point], Term]:
    def expand(point: Point) -> Term:
        rows = product_of(device, first, at_point(first, point).proper_factors, 0)
        matrix = cells.reshape(1, math.prod(first), math.prod(last))
        values = device.contract(matrix, rows)
        weights = device.combine(list(behinds), [device.scalars(term.factors[1])[0] for term in terms])
        total = sum(term.sum for term in terms) % SCALAR_FIELD
        order = range(len(last))
        padded = [device.arranged(vector, last, order, padded_shape(last)) for vector in (values, weights)]
        return Term(padded_bits(last), padded, total)

    return expand


def _packed_terms(device: Device, polynomial: Polynomial, cells: IntArray, reduced: Reduced) -> list[Term]:
    """The terms for a polynomial that tensors share, cut where all of them can be; none if nowhere."""
    finer = [
        (slot, *_with_long_axes_cut(slot.shape, reduced.committed.get(slot.tensor, ())))
        for slot in polynomial.slots
    ]
    common = [_boundaries(shape, claims) for _, shape, claims in finer]
    cuts = set(common[0]).intersection(*common[1:])
    if not cuts:
        return []
    last_bits = min(cuts, key=lambda bits: (1 << bits) + (1 << (polynomial.bits - bits)))
    rows = 1 << (polynomial.bits - last_bits)
    groups: dict[object, tuple[Vector, list[Vector]]] = {}
    for place, ((_, shape, claims), boundaries) in enumerate(zip(finer, common, strict=True)):
        axis = boundaries[last_bits]
        for weights in claims:
            first = [factor for factor in weights.proper_factors if factor.axes[0] < axis]
            last = [factor for factor in weights.proper_factors if factor.axes[0] >= axis]
            names = frozenset((tuple(a - axis for a in f.axes), f.sizes, f.key) for f in last)
            key = shape[axis:], names
            if key not in groups:
                behind = expanded(device, shape[axis:], last, axis)
                groups[key] = behind, [device.joined([], 1 << (s.bits - last_bits)) for s, _, _ in finer]
            before = groups[key][1]
            mine = expanded(device, shape[:axis], first, 0)
            before[place] = device.add_scaled(weights.scale, mine, before[place])
    if len(groups) > _MOST_PASSES:
        return []
    behinds = [behind for behind, _ in groups.values()]
    matrix = cells.reshape(rows, 1 << last_bits, 1)
    sums = device.contract(matrix, device.joined(behinds, len(behinds) << last_bits))
    by_group = device.arranged(sums, (rows, len(behinds)), (1, 0), (len(behinds), rows))
    terms = []
    for i, (_, parts) in enumerate(groups.values()):
        before, part = device.joined(parts, rows), device.part(by_group, i * rows, rows)
        terms.append(Term(polynomial.bits, [part, before], device.dot(part, before), last_bits))
    first_shape, last_shape = (rows,), (1 << last_bits,)
    terms[0].expand = _expansion(device, cells, first_shape, last_shape, terms, behinds)
    return terms


def _boundaries(shape: Shape, claims: Sequence[Weights]) -> dict[int, int]:
    """The cuts that no factor reaches across: the variables behind each, and the first axis behind it."""
    found = {padded_bits(shape): 0}
    for axis in range(1, len(shape)):
        if not any(
            min(factor.axes) < axis <= max(factor.axes)
            for weights in claims
            for factor in weights.proper_factors
        ):
            found.setdefault(padded_bits(shape[axis:]), axis)
    return found


def _polynomial_weights(device: Device, polynomial: Polynomial, reduced: Reduced) -> Vector:
    """The weights of all claims on a polynomial's cells."""
    parts = [_slot_weights(device, slot, reduced.committed.get(slot.tensor, ())) for slot in polynomial.slots]
    return device.joined(parts, 1 << polynomial.bits)


def _slot_weights(device: Device, slot: Slot, claims: Sequence[Weights]) -> Vector:
    total = device.joined([], 1 << slot.bits)
    for weights in claims:
        total = device.add_scaled(
            weights.scale, expanded(device, slot.shape, weights.proper_factors, 0), total
        )
    return total
