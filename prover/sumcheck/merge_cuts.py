"""Committed polynomials cut in two, with the claims on them.

The weights of all claims on a polynomial f are a sum of products of factors over axes. With the axes cut in
two, x = (h, l), where no factor reaches across,

    E(h, l) = sum_c A_c(h) B_c(l),

A_c and B_c being products of the factors on either side. A polynomial that tensors share is cut where all of
them can be, h then beginning with a tensor's place.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.factors import FactorVectors, names
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.layout import Polynomial, Slot
from verifier.sumcheck.maps import Reshape
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.reduction import Reduced
from verifier.sumcheck.weights import Factor, Shape, Weights, padded_bits

_MOST_PASSES = 32
"""A shared polynomial that is cut costs a pass of integers for each B_c; so many cost as much as no cut."""


@dataclass(frozen=True)
class Cut:
    """A polynomial as f(h, l), and the claims on it.

    Parameters
    ----------
    variables
        The number of variables of f.
    first, last
        The axes of h and of l.
    cells
        f for the true h and l, row-major.
    befores
        A_c, zero where h pads.
    behinds
        B_c for the true l.
    """

    variables: int
    first: Shape
    last: Shape
    cells: IntArray
    befores: Sequence[Vector]
    behinds: Sequence[Vector]


class Cutter:
    """Cuts polynomials. What claims on many tensors have in common is found once."""

    def __init__(self, vectors: FactorVectors, reduced: Reduced) -> None:
        self._vectors, self._device, self._reduced = vectors, vectors.device, reduced
        self._kinds: dict[Hashable, _Kind] = {}

    def cut(self, polynomial: Polynomial, cells: IntArray) -> Cut | None:
        """A polynomial cut where both sides are about as long; None if it is better left whole."""
        slots = polynomial.slots
        claims = [self._claims(slot) for slot in slots]
        cuts = set(range(1, polynomial.bits))
        for slot, on_slot in zip(slots, claims, strict=True):
            cuts = cuts.intersection(range(slot.bits + 1), *(kind.cuts for _, kind in on_slot))
        if not cuts:
            return None
        behind = min(cuts, key=lambda bits: (1 << bits) + (1 << (polynomial.bits - bits)))
        alone = slots[0].bits == polynomial.bits
        # for each B_c, what A_c is made of: for each slot, numbers and products of factors
        parts: dict[Hashable, list[list[tuple[int, Vector]]]] = {}
        behinds: list[Vector] = []
        for place, on_slot in enumerate(claims):
            for coefficient, kind in on_slot:
                side = kind.sides(behind, self._vectors, padded=not alone)
                if side.name not in parts:
                    parts[side.name] = [[] for _ in slots]
                    behinds.append(side.behind)
                parts[side.name][place].append((coefficient * kind.scale % SCALAR_FIELD, side.before))
        if len(behinds) > _MOST_PASSES and not alone:
            return None
        befores = [self._before(polynomial, behind, of_slots) for of_slots in parts.values()]
        if alone:
            shape, axis = claims[0][0][1].cut_at(behind)
            return Cut(
                polynomial.bits,
                shape[:axis],
                shape[axis:],
                _true_cells(cells, slots[0].shape),
                befores,
                behinds,
            )
        first, last = (1 << (polynomial.bits - behind),), (1 << behind,)
        return Cut(polynomial.bits, first, last, cells, befores, behinds)

    def _claims(self, slot: Slot) -> list[tuple[int, _Kind]]:
        """The claims on a tensor: numbers, and what is claimed so many times."""
        claims = []
        for weights in self._reduced.committed.get(slot.tensor, ()):
            key = slot.shape, tuple(factor.identity for factor in weights.factors)
            if key not in self._kinds:
                self._kinds[key] = _Kind(slot.shape, weights)
            claims.append((weights.coefficient, self._kinds[key]))
        return claims

    def _before(
        self, polynomial: Polynomial, behind: int, of_slots: Sequence[Sequence[tuple[int, Vector]]]
    ) -> Vector:
        """The sums of products of factors of each slot, one slot after another."""
        sums = (
            combined(self._device, parts, 1 << (slot.bits - behind))
            for slot, parts in zip(polynomial.slots, of_slots, strict=True)
        )
        return self._device.joined(sums, 1 << (polynomial.bits - behind))


@dataclass(frozen=True)
class _Sides:
    """The products of a claim's factors before a cut and behind it, and a name that equal last ones share."""

    before: Vector
    behind: Vector
    name: Hashable


class _Kind:
    """What claims have in common that differ in a number: factors over axes of a finer shape."""

    def __init__(self, shape: Shape, weights: Weights) -> None:
        # A finer shape has more cuts, so each axis that fills a power of two is cut in halves.
        finer: list[int] = []
        for n in shape:
            bits = bits_of(n)
            halves = (1 << (bits - bits // 2), 1 << (bits // 2))
            finer += halves if n == 1 << bits and bits >= 2 else (n,)
        self._shape = tuple(finer)
        pulled = Reshape(self._shape, shape).pull(Weights(1, weights.factors))
        self.scale, self._factors = pulled.scale, pulled.proper_factors
        self._axis_of = _cuts(self._shape, self._factors)
        self._sides: dict[tuple[int, bool], _Sides] = {}

    @property
    def cuts(self) -> Iterable[int]:
        """The variables behind each cut that no factor reaches across."""
        return self._axis_of

    def cut_at(self, behind: int) -> tuple[Shape, int]:
        """The finer shape, and the first axis behind a cut."""
        return self._shape, self._axis_of[behind]

    def sides(self, behind: int, vectors: FactorVectors, padded: bool) -> _Sides:
        """What stands on both sides of a cut: behind it on the true cells alone, or with zeros that pad."""
        key = behind, padded
        if key not in self._sides:
            axis, shape = self._axis_of[behind], self._shape
            first = [factor for factor in self._factors if factor.axes[0] < axis]
            last = [factor for factor in self._factors if factor.axes[0] >= axis]
            make = vectors.expanded if padded else vectors.product
            self._sides[key] = _Sides(
                vectors.expanded(shape[:axis], first, 0),
                make(shape[axis:], last, axis),
                (shape[axis:], names(last, axis)),
            )
        return self._sides[key]


def _cuts(shape: Shape, factors: Sequence[Factor]) -> dict[int, int]:
    """The cuts that no factor reaches across: the variables behind each, and the first axis behind it."""
    found = {padded_bits(shape): 0}
    for axis in range(1, len(shape)):
        if not any(min(factor.axes) < axis <= max(factor.axes) for factor in factors):
            found.setdefault(padded_bits(shape[axis:]), axis)
    return found


def combined(device: Device, parts: Sequence[tuple[int, Vector]], length: int) -> Vector:
    """The sum of vectors, each times a number: a vector of its own."""
    if not parts:
        return device.joined([], length)
    (number, vector), *others = parts
    total = device.scale(vector, number)
    for number, vector in others:
        total = device.add_scaled(number, vector, total)
    return total


def _true_cells(cells: IntArray, shape: Shape) -> IntArray:
    """The cells of a tensor without those that pad it."""
    padded = cells.reshape([1 << bits_of(n) for n in shape])
    return np.ascontiguousarray(padded[tuple(slice(0, n) for n in shape)], like=cells)
