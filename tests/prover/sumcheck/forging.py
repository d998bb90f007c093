"""The prover step by step, each step open to a cheat.

`Forger.prove` says what `prover.sumcheck.argument.prove` says. A forgery overrides a step, or has a witness
that is not one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prover.sumcheck.merge import Committed, prove_merge, prove_opening
from prover.sumcheck.products import group_terms
from prover.sumcheck.rounds import Term, prove_rounds
from prover.sumcheck.transcript import Speaker
from prover.sumcheck.tree import capped_fractions, prove_tree
from tests.prover.sumcheck.cheating import CheatingWitness, table_columns
from tests.prover.sumcheck.trials import Trial
from verifier.bn254 import SCALAR_FIELD
from verifier.input_commitment import InputCommitment
from verifier.sumcheck.argument import (
    Instance,
    Merge,
    at_one_point,
    begin,
    merged_claims,
    product_degree,
    product_variables,
    public_values,
)
from verifier.sumcheck.fractions import leaf_equations
from verifier.sumcheck.layout import Layout, Polynomial
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.products import grouped
from verifier.sumcheck.reduction import reduce
from verifier.sumcheck.transcript import Transcript


class Forger:
    """A prover with a witness of its own, for a statement of its own.

    Parameters
    ----------
    trial
        The circuit, its plan and its key.
    witness
        What is committed; the true one if none is given.
    instance
        What is claimed; by default that the witness' outputs are the circuit's, and its inputs, where they
        are committed, those that the points commit to.
    """

    def __init__(
        self, trial: Trial, witness: CheatingWitness | None = None, instance: Instance | None = None
    ) -> None:
        self.trial, self.device = trial, trial.device
        self.plan: Plan = trial.plan
        self.witness = witness or CheatingWitness(trial)
        self.instance = instance or self._own_statement()

    def _own_statement(self) -> Instance:
        claimed = self.trial.statement(self.witness.outputs)
        if claimed.committed is None or self.plan.inputs is None:
            return claimed
        points, _ = self._committed(self.plan.inputs, self.inputs())
        return replace(claimed, committed=InputCommitment(claimed.committed.root, points))

    # What a forgery overrides

    def transcript(self) -> Transcript:
        """The transcript that the challenges come from."""
        return begin(self.instance, self.plan)

    def parameters(self) -> Sequence[Any]:
        """The cells of the polynomials of parameters."""
        return self.trial.cells

    def inputs(self) -> list[Any]:
        """The cells of the polynomials of committed inputs."""
        layout = self.plan.inputs
        return [polynomial_cells(each, self.witness.value) for each in layout.polynomials] if layout else []

    def advice(self, cells: list[Any]) -> list[Any]:
        """The cells of the polynomials of advice, as they are committed."""
        return cells

    def opened_advice(self, cells: list[Any]) -> list[Any]:
        """The cells of the polynomials of advice, as they are opened."""
        return cells

    def advice_points(self, points: bytes) -> bytes:
        """The commitments to the advice."""
        return points

    def multiplicities(self, table: int, cells: list[int]) -> list[int]:
        """The numerators of a table's leaves, but for their sign."""
        return cells

    def fractions(self, fractions: list[int], padding_sum: int) -> list[int]:
        """The capped fractions, as they are committed."""
        return fractions

    def committed_part(self, value: int) -> int:
        """The part of the claims at z on committed tensors."""
        return value

    def terms(self, terms: list[Term]) -> list[Term]:
        """The factors of the products' sumcheck."""
        return terms

    def factors(self, values: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The values that the products' sumcheck ends in."""
        return values

    def merge(self, merge: Merge) -> Merge:
        """The claims that the merge proves."""
        return merge

    # The steps

    def prove(self) -> bytes:
        """The forged proof."""
        plan, device = self.plan, self.device
        speaker = Speaker(self.transcript())
        transcript = speaker.transcript
        honest = [polynomial_cells(polynomial, self.witness.value) for polynomial in plan.advice.polynomials]
        points, cells = self._committed(plan.advice, self.advice(honest))
        speaker.say_bytes(self.advice_points(points))
        gamma, alpha = transcript.challenges(2)
        tree = device.fraction_tree(*self.leaves(alpha, gamma))
        fractions, numerators, denominators = capped_fractions(device, tree, plan.tree.height)
        total = plan.tree.padding * pow(alpha, -1, SCALAR_FIELD) % SCALAR_FIELD
        made = device.vector(self.fractions(device.scalars(fractions), total))
        cap = (made[: 1 << plan.tree.cap_bits], numerators, denominators)
        size = 1 << plan.options.chunk_bits
        starts = range(0, plan.tree.cap_nodes, size)
        speaker.say_bytes(b"".join(device.commit(made[start : start + size]) for start in starts))
        cap_claims, leaf = prove_tree(speaker, device, plan.tree, tree, cap, alpha)

        point = (*transcript.challenges(plan.point_bits - plan.tree.bits), *leaf.point)
        mix = transcript.challenge()
        equations = leaf_equations(plan.system, plan.tree, leaf, alpha, gamma, mix)
        reduced = reduce(plan.system, at_one_point(plan, point, equations.claims, mix))
        known = reduced.known(public_values(plan, self.instance))
        groups = grouped(plan.system, reduced.products)
        terms = self.terms(group_terms(device, self.witness, groups))
        products = sum(term.sum for term in terms) % SCALAR_FIELD
        part = self.committed_part((equations.total - known - products) % SCALAR_FIELD)
        speaker.say([part])
        variables, degree = product_variables(groups), product_degree(groups)
        product_point, terms = prove_rounds(speaker, device, terms, variables, degree)
        factors = [tuple(device.scalars(vector)[0] for vector in term.factors[-2:]) for term in terms]
        factors = self.factors([(left, right) for left, right in factors])
        for pair in factors:
            speaker.say(pair)
        merge = merged_claims(
            plan, transcript.challenge(), part, reduced, groups, factors, product_point, cap_claims
        )
        merge = self.merge(merge)
        committed = [Committed(plan.parameters, self.parameters())]
        if plan.inputs is not None:
            committed.append(Committed(plan.inputs, self.inputs()))
        committed.append(Committed(plan.advice, self.opened_advice(cells)))
        merge_point = prove_merge(speaker, device, plan, committed, made, merge)
        prove_opening(speaker, device, plan, committed, made, merge, merge_point)
        return speaker.proof

    def _committed(self, layout: Layout, cells: list[Any]) -> tuple[bytes, list[Any]]:
        points = [b""] * layout.chunks
        for polynomial, values in zip(layout.polynomials, cells, strict=True):
            chunks = values.reshape(-1, 1 << self.plan.options.chunk_bits)
            for number, chunk in zip(polynomial.chunks, chunks, strict=True):
                if number is not None:
                    points[number] = self.device.commit(self.device.integers(chunk))
        return b"".join(points), cells

    def leaves(self, alpha: int, gamma: int) -> tuple[Any, Any, list[tuple[int, Any]]]:
        """Each leaf's own denominator, and the tables' numerators."""
        plan, system = self.plan, self.plan.system
        denominators = [alpha] * plan.tree.leaves if plan.tree.slots else [1]
        numerators = [] if plan.tree.slots else [(0, self.device.vector([0]))]
        for slot in plan.tree.slots:
            if slot.is_table:
                number, columns = slot.number, table_columns(self.witness, system.tables[slot.number])
                counts = [int(v) for v in self.witness.value(system.multiplicities[slot.number])]
                counts = self.multiplicities(slot.number, counts)
                padded = [-c % SCALAR_FIELD for c in counts] + [0] * ((1 << slot.bits) - len(counts))
                numerators.append((slot.offset, self.device.vector(padded)))
                places = list(range(slot.shape[0]))
            else:
                lookup = system.lookups[slot.number]
                number = lookup.table
                columns = [[int(v) for v in self.witness.value(c).reshape(-1)] for c in lookup.columns]
                places = padded_places(slot.shape)
            for place, *cell in zip(places, *columns, strict=True):
                fingerprint = number + 1
                for power, value in enumerate(cell, 1):
                    fingerprint += pow(gamma, power, SCALAR_FIELD) * value
                denominators[slot.offset + place] = (alpha - fingerprint) % SCALAR_FIELD
        rows = list(range(len(denominators)))
        return rows, self.device.vector(denominators), numerators


def polynomial_cells(polynomial: Polynomial, values: Callable[[int], Any]) -> Any:
    """The cells of a polynomial as unbounded integers, zero where they pad."""
    cells = np.zeros(1 << polynomial.bits, dtype=object)
    for slot in polynomial.slots:
        cells[[slot.offset + place for place in padded_places(slot.shape)]] = values(slot.tensor).reshape(-1)
    return cells


def padded_places(shape: Sequence[int]) -> list[int]:
    """Where a tensor's true cells stand when each axis is padded to a power of two."""
    places = [0]
    for n in shape:
        size = 1 << (n - 1).bit_length()
        places = [place * size + j for place in places for j in range(n)]
    return places
