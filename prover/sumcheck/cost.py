"""What a proof costs, counted from its plan.

The length of a proof is exact. Time and memory are sums over what is counted, with a factor for each that was
fitted to measurements on two cores with AVX-512 (`bench/sumcheck_cost.py` measures and fits them anew).
"""

from __future__ import annotations

from dataclasses import dataclass

from circuits import cost as circuit_cost
from circuits.circuit import Circuit
from prover.backend import Estimate, LayerCost
from verifier.bn254 import G1_BYTES
from verifier.sumcheck.argument import merge_variables, product_degree, product_variables
from verifier.sumcheck.key import NAME
from verifier.sumcheck.plan import Plan, product_groups, settled
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.system import Committed
from verifier.sumcheck.transcript import WORD_BYTES
from verifier.sumcheck.weights import padded_bits

UNIT = "cells"


@dataclass(frozen=True)
class Counts:
    """What the prover works on.

    Parameters
    ----------
    macs
        Multiply-accumulates of the circuit.
    advice, parameters
        Committed numbers, with those that pad; committed inputs are counted as advice.
    leaves
        Leaves of the lookups' tree.
    products
        Numbers in the factors of products.
    full_scalars
        Scalars of full width that are committed to, for capped fractions and the opening.
    operations
        Tensors, which are handled one by one.
    """

    macs: int
    advice: int
    parameters: int
    leaves: int
    products: int
    full_scalars: int
    operations: int


@dataclass(frozen=True)
class Cost:
    """What follows from the counts. `cells` is the size of the circuit for this backend."""

    counts: Counts
    cells: int
    prove_seconds: float
    setup_bytes: int
    prove_bytes: int
    proof_bytes: int


SECONDS = {
    "macs": 3e-11,
    "advice": 9e-8,
    "parameters": 1.4e-8,
    "leaves": 3e-7,
    "products": 4.5e-9,
    "full_scalars": 4.5e-7,
    "operations": 7e-5,
}
"""Of each thing counted, the time for one."""
FIXED_SECONDS = 0.04
BYTES = {"advice": 38, "parameters": 5, "leaves": 30, "products": 15, "full_scalars": 150}
"""Of each thing counted, the memory for one."""
FIXED_BYTES = 64_000_000
"""The interpreter with what it loads."""

CUDA_BYTES = {"advice": 16, "parameters": 6, "leaves": 4}
"""Of a GPU's memory, what stays in use from the witness on: for each committed number the values of tensors
with their accumulators, and the cells; rows of leaves."""
CUDA_STAGE_BYTES = {"leaves": 56, "products": 40, "full_scalars": 600}
"""What a stage takes beside that. The stages follow one another, and the greediest decides."""
CUDA_THRIFTY_LEAF_BYTES = 14
"""Instead, of a leaf, if the tree is made in pieces."""
CUDA_FIXED_BYTES, CUDA_PIECE_BYTES = 2_000_000_000, 4_000_000_000
"""Commitments, which are made in pieces, and a piece of a tree."""


def cuda_bytes(counts: Counts, thrifty: bool) -> int:
    """The memory of a GPU that a proof takes: added up from what kernels are given, not measured."""
    held: int = sum(each * getattr(counts, name) for name, each in CUDA_BYTES.items())
    each_of = CUDA_STAGE_BYTES | ({"leaves": CUDA_THRIFTY_LEAF_BYTES} if thrifty else {})
    stage: int = max(each * getattr(counts, name) for name, each in each_of.items())
    return CUDA_FIXED_BYTES + held + stage + (CUDA_PIECE_BYTES if thrifty else 0)


def cost_of(circuit: Circuit, plan: Plan) -> Cost:
    """The cost of a proof by a plan."""
    counts = counts_of(circuit, plan)
    seconds = sum(SECONDS[name] * getattr(counts, name) for name in SECONDS)
    proving = sum(each * getattr(counts, name) for name, each in BYTES.items())
    return Cost(
        counts,
        counts.advice + counts.parameters + counts.leaves,
        FIXED_SECONDS + seconds,
        FIXED_BYTES + BYTES["parameters"] * counts.parameters + BYTES["full_scalars"] * counts.full_scalars,
        FIXED_BYTES + proving,
        proof_bytes(plan),
    )


def counts_of(circuit: Circuit, plan: Plan) -> Counts:
    """Count what the prover works on."""
    groups = product_groups(plan.system, plan.tree)
    cells = [sum(1 << polynomial.bits for polynomial in layout.polynomials) for layout in plan.layouts]
    parameters, advice = cells[0], sum(cells[1:])
    return Counts(
        plan.batch * circuit_cost.total(circuit).macs,
        advice,
        parameters,
        plan.tree.leaves,
        sum((3 if group.weighted else 2) << group.variables for group in groups),
        (plan.fraction_chunks + 3) << plan.options.chunk_bits,
        len(plan.system.tensors),
    )


def proof_bytes(plan: Plan) -> int:
    """The length of the messages, which depends on nothing but the plan."""
    tree, chunk_bits, groups = plan.tree, plan.options.chunk_bits, product_groups(plan.system, plan.tree)
    points = plan.advice.chunks + plan.fraction_chunks + (chunk_bits - 1) + 2
    cap = 3 * tree.cap_bits + 3
    levels = sum(2 * (tree.cap_bits + level) + 4 for level in range(tree.height))
    products = 1 + product_degree(groups) * product_variables(groups) + 2 * len(groups)
    opening = 1 + 2 * chunk_bits
    words = cap + levels + products + 2 * merge_variables(plan) + opening
    return G1_BYTES * points + WORD_BYTES * words


def estimate(circuit: Circuit, plan: Plan) -> Estimate:
    """The backend's estimate of a proof by a plan."""
    cost = cost_of(circuit, plan)
    layers = tuple(
        LayerCost(i, node.label, node.op, cells)
        for i, (node, cells) in enumerate(zip(circuit.nodes, node_cells(circuit, plan), strict=True))
        if cells
    )
    return Estimate(
        NAME,
        UNIT,
        cost.cells,
        plan.options.chunk_bits,
        cost.prove_seconds,
        cost.prove_bytes,
        cost.proof_bytes,
        layers,
    )


def node_cells(circuit: Circuit, plan: Plan) -> list[int]:
    """For each node the committed numbers and leaves that it brings about; a table counts for its first."""
    lowering = settled(structure_of(circuit), plan.batch, plan.options)
    system, cells = lowering.system, []
    tensors = lookups = 0
    for next_tensor, next_lookup in lowering.ends:
        made = range(tensors, next_tensor)
        columns = [lookup.columns[0] for lookup in system.lookups[lookups:next_lookup]]
        committed = [i for i in made if isinstance(system.tensors[i], Committed)]
        cells.append(sum(1 << padded_bits(system.shape(i)) for i in (*committed, *columns)))
        tensors, lookups = next_tensor, next_lookup
    return cells
