"""The lookups' leaves against leaves written out one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.budget import examples
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, Trial, random_inputs, set_up
from tests.verifier.sumcheck.random_weights import weighted
from verifier.bn254 import SCALAR_FIELD as R
from verifier.sumcheck.fractions import (
    LeafClaims,
    clamp_extension,
    leaf_equations,
    tree_of,
)
from verifier.sumcheck.multilinear import bits_of, eq_vector, index_extension
from verifier.sumcheck.system import ClampTable, PairTable, Public, RangeTable, System
from verifier.sumcheck.weights import padded_bits

seeds = st.integers(0, 2**32)


def random_point(rng: random.Random, n: int) -> tuple[int, ...]:
    return tuple(rng.choice([0, 1, rng.randrange(R), rng.randrange(R)]) for _ in range(n))


@given(seeds, st.integers(0, 6))
@settings(max_examples=examples(100))
def test_indices_below_a_count(seed: int, n: int) -> None:
    rng = random.Random(seed)
    point, count = random_point(rng, n), rng.randrange((1 << n) + 1)
    eq = eq_vector(point)[:count]
    assert index_extension(point, count) == (sum(eq) % R, sum(i * e for i, e in enumerate(eq)) % R)


@given(seeds, st.integers(0, 6))
@settings(max_examples=examples(100))
def test_clamped_rows(seed: int, n: int) -> None:
    rng = random.Random(seed)
    point, count, first = random_point(rng, n), rng.randrange(1, (1 << n) + 1), rng.randrange(-70, 5)
    lo, hi = sorted(rng.randrange(first - 9, first + count + 9) for _ in range(2))
    table = ClampTable(first, count, rng.choice([lo, None]), rng.choice([hi, None]))
    rows = np.arange(first, first + count)
    if table.lo is not None:
        rows = np.maximum(rows, table.lo)
    if table.hi is not None:
        rows = np.minimum(rows, table.hi)
    expected = sum(e * int(row) for e, row in zip(eq_vector(point), rows, strict=False)) % R
    assert clamp_extension(point, table) == expected


def rows_of(trial: Trial, number: int) -> list[tuple[int, ...]]:
    """The rows of a table."""
    table = trial.plan.system.tables[number]
    if isinstance(table, RangeTable):
        return [(i,) for i in range(table.count)]
    if isinstance(table, PairTable):
        values = trial.witness.value(table.values).reshape(-1).tolist()
        return [(table.lo + i, value) for i, value in enumerate(values)]
    lo, hi = (-(2**63) if table.lo is None else table.lo), (2**63 if table.hi is None else table.hi)
    return [(i, min(max(i, lo), hi)) for i in range(table.first, table.first + table.count)]


def leaves_of(trial: Trial, alpha: int, gamma: int) -> tuple[list[int], list[int]]:
    """The numerators and denominators of all leaves, each by its definition."""
    system, tree = trial.plan.system, trial.plan.tree
    numerators, denominators = [0] * (1 << tree.bits), [1] * (1 << tree.bits)

    def fingerprint(number: int, cells: tuple[int, ...]) -> int:
        return number + 1 + sum(cell * gamma**k for k, cell in enumerate(cells, 1))

    for slot in tree.slots:
        places = range(slot.offset, slot.offset + (1 << padded_bits(slot.shape)))
        for place in places:
            numerators[place], denominators[place] = 0 if slot.is_table else 1, alpha
        if slot.is_table:
            times = trial.witness.value(system.multiplicities[slot.number]).tolist()
            for place, row, m in zip(places, rows_of(trial, slot.number), times, strict=False):
                numerators[place] = -m
                denominators[place] = alpha - fingerprint(slot.number, row)
            continue
        lookup = system.lookups[slot.number]
        columns = [trial.witness.value(column) for column in lookup.columns]
        padded = [1 << bits_of(n) for n in slot.shape]
        for index in np.ndindex(*slot.shape):
            place = slot.offset + (int(np.ravel_multi_index(index, padded)) if index else 0)
            cells = tuple(int(column[index]) for column in columns)
            denominators[place] = alpha - fingerprint(lookup.table, cells)
    return [n % R for n in numerators], [d % R for d in denominators]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a clamp of the widest values", SMALL),
        ("a clamp to one bit", TABLED),
        ("all ties in order", SMALL),
        ("table", SMALL),
        ("attention", TABLED),
        ("sum of everything", SMALL),
    ],
)
def test_leaf_equations_say_what_the_leaves_say(name: str, options: object) -> None:
    circuit = circuit_called(name)
    trial = set_up(circuit, random_inputs(circuit, 2, 1), options)  # type: ignore[arg-type]
    tree, rng = trial.plan.tree, random.Random(name)
    alpha, gamma, mix = (rng.randrange(R) for _ in range(3))
    numerators, denominators = leaves_of(trial, alpha, gamma)
    total = sum(n * pow(d, -1, R) for n, d in zip(numerators, denominators, strict=True)) % R
    assert total == tree.padding * pow(alpha, -1, R) % R
    point = tuple(rng.randrange(R) for _ in range(tree.bits))
    eq = eq_vector(point)
    at = [sum(e * v for e, v in zip(eq, part, strict=True)) % R for part in (numerators, denominators)]
    equations = leaf_equations(trial.plan.system, tree, LeafClaims(point, *at), alpha, gamma, mix)
    said = sum(
        weighted(weights, trial.witness.value(tensor))
        for tensor, claims in equations.claims.items()
        for weights in claims
    )
    assert said % R == equations.total


def test_slots_stand_at_multiples_of_their_length() -> None:
    system = System()
    for shape in ((3, 5), (1,), (2, 2), (9,), (200,)):
        system.lookup(RangeTable(7), (system.add(Public(shape, ("input", 0))),))
    tree = tree_of(system)
    end = 0
    for slot in tree.slots:
        assert slot.offset == end and slot.offset % (1 << slot.bits) == 0
        end += 1 << slot.bits
    assert tree.leaves == end == 256 + 32 + 1 + 4 + 16 + 8
    assert tree.padding == (256 - 200) + (32 - 15) + 0 + 0 + (16 - 9)
    assert tree.bits == 9 and tree.cap_bits == 2 and tree.cap_nodes == 3


def test_nothing_looked_up_is_one_leaf() -> None:
    tree = tree_of(System())
    assert (tree.leaves, tree.bits, tree.cap_bits, tree.cap_nodes, tree.padding) == (1, 0, 0, 1, 0)
