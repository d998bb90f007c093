"""The terms of the products' sumcheck (`verifier.sumcheck.products`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from prover.sumcheck.device import Device, Vector
from prover.sumcheck.factors import FactorVectors
from prover.sumcheck.operands import Operands
from prover.sumcheck.rounds import Term
from prover.sumcheck.witness import Witness
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.products import Group, Instance


def group_terms(device: Device, witness: Witness, groups: Sequence[Group]) -> list[Term]:
    """The terms of all groups."""
    vectors = FactorVectors(device)
    operands = Operands(vectors, witness)
    return [_group_term(vectors, operands, group) for group in groups]


def _group_term(vectors: FactorVectors, operands: Operands, group: Group) -> Term:
    device = vectors.device

    def weights() -> Iterable[Vector]:
        for instance in group.instances:
            yield device.scale(_shared_weights(vectors, instance), instance.scale)

    def lefts() -> Iterable[Vector]:
        for instance in group.instances:
            left = operands.operand(instance, "left")
            yield left if group.weighted or instance.scale == 1 else device.scale(left, instance.scale)

    rights = (operands.operand(instance, "right") for instance in group.instances)
    # made as they are joined: never do all of them exist twice
    sides = (weights(), lefts(), rights) if group.weighted else (lefts(), rights)
    factors = [device.joined(side, 1 << group.variables) for side in sides]
    return Term(group.variables, factors, device.product_sum(factors))


def _shared_weights(vectors: FactorVectors, instance: Instance) -> Vector:
    """w_B(b) for all (b, k)."""
    place = {label: axis for axis, (label, _) in enumerate(instance.shared)}
    factors = [f.moved(tuple(place[label] for label in f.axes)) for f in instance.shared_factors]
    weights = vectors.expanded(tuple(n for _, n in instance.shared), factors, 0)
    contracted = math.prod(1 << bits_of(n) for _, n in instance.contracted)
    return vectors.device.repeated(weights, contracted)
