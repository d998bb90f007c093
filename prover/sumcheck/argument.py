"""The argument that outputs are a circuit's outputs: its prover, step by step.

The steps are those of `verifier.sumcheck.argument`.
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.tensor import IntArray
from prover.progress import Progress, silent
from prover.sumcheck.commitments import commit, polynomial_cells
from prover.sumcheck.device import Device
from prover.sumcheck.merge import Committed, prove_merge, prove_opening
from prover.sumcheck.products import group_terms
from prover.sumcheck.rounds import prove_rounds
from prover.sumcheck.transcript import Speaker
from prover.sumcheck.tree import build_tree, capped_fractions, prove_tree
from prover.sumcheck.witness import Witness
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import (
    Instance,
    at_one_point,
    begin,
    merged_claims,
    product_degree,
    product_variables,
    public_values,
)
from verifier.sumcheck.fractions import leaf_equations
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.products import grouped
from verifier.sumcheck.reduction import reduce


def prove(
    device: Device,
    plan: Plan,
    instance: Instance,
    witness: Witness,
    parameters: Sequence[IntArray],
    progress: Progress = silent,
) -> bytes:
    """The messages of an argument.

    Parameters
    ----------
    device
        Computes, and holds the SRS.
    plan
        The plan for the batch's size.
    instance
        What is claimed.
    witness
        The circuit's values.
    parameters
        The cells of the plan's polynomials of parameters.
    """
    speaker = Speaker(begin(instance, plan))
    transcript = speaker.transcript
    progress("committing to the activations")
    points, cells = commit(device, plan.advice, plan.options.chunk_bits, witness.value)
    speaker.say_bytes(points)
    committed = [Committed(plan.parameters, parameters)]
    if plan.inputs is not None:
        inputs = [polynomial_cells(polynomial, witness.value) for polynomial in plan.inputs.polynomials]
        committed.append(Committed(plan.inputs, inputs))
    committed.append(Committed(plan.advice, cells))

    progress("proving the lookups")
    gamma, alpha = transcript.challenges(2)
    tree = build_tree(device, plan, witness, alpha, gamma)
    cap = capped_fractions(device, tree, plan.tree.height)
    size = 1 << plan.options.chunk_bits
    starts = range(0, plan.tree.cap_nodes, size)
    speaker.say_bytes(device.commit_all([cap[0][start : start + size] for start in starts]))
    cap_claims, leaf = prove_tree(speaker, device, plan.tree, tree, cap, alpha)
    del tree

    progress("proving the products")
    point = (*transcript.challenges(plan.point_bits - plan.tree.bits), *leaf.point)
    mix = transcript.challenge()
    equations = leaf_equations(plan.system, plan.tree, leaf, alpha, gamma, mix)
    reduced = reduce(plan.system, at_one_point(plan, point, equations.claims, mix))
    values = public_values(plan, instance)
    groups = grouped(plan.system, reduced.products)
    terms = group_terms(device, witness, groups)
    # the statement being true, what products and public values do not make up is the committed part
    total = sum(term.sum for term in terms) % SCALAR_FIELD
    committed_part = (equations.total - reduced.known(values) - total) % SCALAR_FIELD
    speaker.say([committed_part])
    product_point, terms = prove_rounds(
        speaker, device, terms, product_variables(groups), product_degree(groups)
    )
    factors = []
    for term in terms:
        left, right = (device.scalars(vector)[0] for vector in term.factors[-2:])
        speaker.say([left, right])
        factors.append((left, right))
    del terms  # what is bound keeps the memory of the whole

    progress("opening the commitments")
    merge = merged_claims(
        plan, transcript.challenge(), committed_part, reduced, groups, factors, product_point, cap_claims
    )
    merge_point = prove_merge(speaker, device, plan, committed, cap[0], merge)
    prove_opening(speaker, device, plan, committed, cap[0], merge, merge_point)
    return speaker.proof
