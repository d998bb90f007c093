"""The soundness error of an argument, step by step: with what probability a false claim survives.

Each step's error is at most  numerator / r * 1.14,  the factor because no challenge is more likely than 1.14
/ r (`transcript`). The steps' errors add up. `docs/protocol.md` says where each numerator comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import merge_variables, product_degree, product_variables
from verifier.sumcheck.plan import Plan, product_groups

CHALLENGE_BIAS = 1.14


@dataclass(frozen=True)
class Step:
    """A step, and how many values of its challenges let a false claim survive."""

    name: str
    numerator: int

    @property
    def bits(self) -> float:
        """-log2 of the step's error."""
        return math.log2(SCALAR_FIELD) - math.log2(CHALLENGE_BIAS * max(1, self.numerator))


def steps(plan: Plan, srs_points: int) -> list[Step]:
    """The steps of an argument in order.

    Parameters
    ----------
    plan
        The plan of the circuit.
    srs_points
        The number of powers of tau that the prover may know.
    """
    tree, groups = plan.tree, product_groups(plan.system, plan.tree)
    rows = sum(table.count for table in plan.system.tables)
    levels = range(tree.cap_bits, tree.bits)
    return [
        Step("gamma: a false row has a true row's fingerprint", 2 * rows),
        Step("alpha: a pole, or a root of a sum that is not zero", 2 * tree.leaves),
        Step("z: a capped fraction that is none", tree.cap_bits),
        Step("the cap's rounds", 3 * tree.cap_bits),
        Step("the tree's levels", sum(1 + 2 * variables + 2 for variables in levels)),
        Step("Z: a tensor that is not zero", plan.point_bits),
        Step("mu: claims that cancel", 1 + len(plan.system.zeros)),
        Step("the products' rounds", product_degree(groups) * product_variables(groups)),
        Step("nu: claims that cancel", 2 * len(groups) + 2),
        Step("the merge's rounds", 2 * merge_variables(plan)),
        Step("rho, q, zeta: the opening", 2 * srs_points + 2 + plan.options.chunk_bits + srs_points),
    ]


def total(found: list[Step]) -> Step:
    """All steps together."""
    return Step("all", sum(step.numerator for step in found))
