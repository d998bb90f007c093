"""The lookups of a circuit as one sum of fractions (Haboeck 2022), shown by a tree (Papini and Haboeck 2023).

Each row (a_1, a_2, ...) of table number id has the fingerprint  f = id + gamma a_1 + gamma^2 a_2 + ...,  id
counted from 1. Cells of lookups are rows of their tables if and only if, for multiplicities m,

    sum over cells 1 / (alpha - f(cell)) - sum over rows m(row) / (alpha - f(row)) = 0

as a rational function of alpha, but for a fingerprint that two rows share. Each lookup, and each table, is a
slot of 2^n leaves; what pads it has the fingerprint 0, with numerator 1 in a lookup and 0 in a table, so that
the sum over all leaves is  padding / alpha, the number of a circuit's padding leaves being known.

Leaves N_0/D_0 are added up pairwise, level by level::

    N_{j+1}(x) = N_j(x0) D_j(x1) + N_j(x1) D_j(x0),    D_{j+1}(x) = D_j(x0) D_j(x1),

leaves that are missing at the end being 0/1. Level t is *capped*: its fractions h(x) = N_t(x) / D_t(x) are
committed, and shown to be that by a zero check and to have the right sum by a claim on h. Below the cap, a
claim on a level becomes one on the level beneath by a sumcheck, down to the leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.dialogue import Dialogue
from verifier.sumcheck.multilinear import (
    Point,
    bits_of,
    eq_point,
    eq_slots,
    index_extension,
    outer_product,
    slot_counts,
)
from verifier.sumcheck.system import ClampTable, PairTable, System
from verifier.sumcheck.weights import Shape, Weights, at_point, padded_bits

CAP = 7
"""The height of the capped level: higher is dearer to commit to, and saves rounds."""


@dataclass(frozen=True)
class LeafSlot:
    """The leaves of one lookup or one table: 2^bits of them, from `offset` on."""

    is_table: bool
    number: int
    shape: Shape
    offset: int

    @property
    def bits(self) -> int:
        """The number of variables."""
        return padded_bits(self.shape)


@dataclass(frozen=True)
class Tree:
    """Where each lookup and each table stands among the leaves."""

    slots: tuple[LeafSlot, ...]
    leaves: int

    @property
    def bits(self) -> int:
        """The number of variables of the leaves."""
        return bits_of(self.leaves)

    @property
    def height(self) -> int:
        """The number of levels below the cap."""
        return min(CAP, self.bits)

    @property
    def cap_bits(self) -> int:
        """The number of variables of the capped level."""
        return self.bits - self.height

    @property
    def cap_nodes(self) -> int:
        """The number of its nodes that have leaves."""
        return -(-self.leaves >> self.height)

    @cached_property
    def padding(self) -> int:
        """The number of leaves that pad lookups."""
        return sum((1 << slot.bits) - math.prod(slot.shape) for slot in self.slots if not slot.is_table)


def tree_of(system: System) -> Tree:
    """Lookups and tables, the largest first, so that each begins at a multiple of its length.

    Without any there is one leaf, that of nothing: 0/1.
    """
    entries = [(False, i, system.shape(lookup.columns[0])) for i, lookup in enumerate(system.lookups)]
    entries += [(True, i, (table.count,)) for i, table in enumerate(system.tables)]
    entries.sort(key=lambda entry: -padded_bits(entry[2]))
    slots, end = [], 0
    for is_table, number, shape in entries:
        slots.append(LeafSlot(is_table, number, shape, end))
        end += 1 << padded_bits(shape)
    return Tree(tuple(slots), max(end, 1))


@dataclass(frozen=True)
class CapClaims:
    """What is claimed of the cap's fractions h: their sum, and a value of their extension."""

    sum: int
    point: Point
    value: int


@dataclass(frozen=True)
class LeafClaims:
    """The claimed extensions of the leaves' numerators and denominators at a point."""

    point: Point
    numerator: int
    denominator: int


def verify_tree(dialogue: Dialogue, tree: Tree, alpha: int) -> tuple[CapClaims, LeafClaims]:
    """Follow the argument from the cap to the leaves, after the cap's commitments were read.

    Raises
    ------
    CheckFailed
        If a step does not hold.
    """
    total = tree.padding * dialogue.inverse(alpha) % SCALAR_FIELD
    z = dialogue.challenges(tree.cap_bits)
    y, claim = dialogue.rounds(0, tree.cap_bits, degree=3)
    fraction, numerator, denominator = dialogue.scalars(3)
    dialogue.require_zero(
        eq_point(z, y) * (fraction * denominator - numerator) - claim,
        "the capped fractions are not those of the lookups",
    )
    cap = CapClaims(total, y, fraction)
    point = y
    for _ in range(tree.height):
        mix = dialogue.challenge()
        inner, claim = dialogue.rounds_at((numerator + mix * denominator) % SCALAR_FIELD, point)
        n0, n1, d0, d1 = dialogue.scalars(4)
        dialogue.require_zero(
            n0 * d1 + n1 * d0 + mix * d0 % SCALAR_FIELD * d1 - claim,
            "a level of the lookups' tree does not follow from the one above it",
        )
        last = dialogue.challenge()
        numerator = (n0 + last * (n1 - n0)) % SCALAR_FIELD
        denominator = (d0 + last * (d1 - d0)) % SCALAR_FIELD
        point = (*inner, last)
    return cap, LeafClaims(point, numerator, denominator)


def leaf_places(tree: Tree, point: Point) -> list[int]:
    """P(s) = eq(the point's first variables, the slot's place) for each slot."""
    return eq_slots(point, slot_counts(tree.bits, [slot.bits for slot in tree.slots]))


@dataclass(frozen=True)
class LeafEquations:
    """What the leaves' claims say of the system: weights on tensors, whose total is known."""

    claims: dict[int, list[Weights]]
    total: int


def leaf_equations(
    system: System, tree: Tree, leaf: LeafClaims, alpha: int, gamma: int, mix: int
) -> LeafEquations:
    """The claim on denominators plus `mix` times that on numerators, as one on columns and multiplicities.

    With P(s) = eq(the first variables, the slot's place), V(s) the extension of "is a true cell", and f the
    extension of fingerprints, zero where they pad::

        D = sum_s P(s) (alpha - f(s)) + (1 - sum_s P(s)),
        N = sum over lookups P(s) - sum over tables P(s) m(s).
    """
    claims: dict[int, list[Weights]] = {}
    # P summed over the slots of tables; and over all slots with rows of one table's number and one shape
    tables = denominator = 0
    numbered: dict[tuple[int, Shape], int] = {}
    square = gamma * gamma % SCALAR_FIELD
    minus_powers = (0, -gamma % SCALAR_FIELD, -square % SCALAR_FIELD)

    def claim(tensor: int, weights: Weights) -> None:
        claims.setdefault(tensor, []).append(weights)

    places = leaf_places(tree, leaf.point)
    first_columns = outer_product([minus_powers[1]], places)
    for slot, place, first in zip(tree.slots, places, first_columns, strict=True):
        weights = at_point(slot.shape, leaf.point)
        number = slot.number if slot.is_table else system.lookups[slot.number].table
        numbered[number, slot.shape] = numbered.get((number, slot.shape), 0) + place
        if not slot.is_table:
            columns = system.lookups[slot.number].columns
            for column, coefficient in zip(columns, (first, minus_powers[2] * place), strict=False):
                claim(column, weights.scaled(coefficient))
            continue
        tables += place
        claim(system.multiplicities[slot.number], weights.scaled(-mix * place))
        table = system.tables[slot.number]
        own = leaf.point[tree.bits - slot.bits :]
        rows = gamma * index_extension(own, table.count)[1]
        if isinstance(table, PairTable):
            rows += gamma * table.lo * weights.total()
            row = at_point(system.shape(table.values), leaf.point)
            claim(table.values, row.scaled(minus_powers[2] * place))
        elif isinstance(table, ClampTable):
            rows += gamma * table.first * weights.total() + square * clamp_extension(own, table)
        denominator -= place * (rows % SCALAR_FIELD)
    for (number, shape), place in numbered.items():
        denominator -= place * ((number + 1) * at_point(shape, leaf.point).total() % SCALAR_FIELD)
    covered = sum(numbered.values())
    denominator += covered * alpha + 1 - covered
    total = (leaf.denominator - denominator) + mix * (leaf.numerator - covered + tables)
    return LeafEquations(claims, total % SCALAR_FIELD)


def clamp_extension(point: Sequence[int], table: ClampTable) -> int:
    """sum over a table's rows i of eq(point, i) times the row's clamped number.

    The rows below `lo`, those between, and those above `hi` are three runs of indices.
    """
    below = 0 if table.lo is None else min(max(table.lo - table.first, 0), table.count)
    upto = table.count if table.hi is None else min(max(table.hi - table.first + 1, 0), table.count)
    (mass_a, index_a), (mass_b, index_b), (mass_c, _) = (
        index_extension(point, count) for count in (below, max(below, upto), table.count)
    )
    total = table.first * (mass_b - mass_a) + index_b - index_a
    total += (table.lo or 0) * mass_a + (table.hi or 0) * (mass_c - mass_b)
    return total % SCALAR_FIELD
