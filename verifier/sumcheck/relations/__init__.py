"""The relations of the circuit's operations, one module a family: what a proof of each shows."""

from collections.abc import Callable

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.relations import (
    arithmetic,
    choice,
    contraction,
    maximum,
    movement,
    narrowing,
    source,
)
from verifier.sumcheck.relations.narrowing import clamp_tables

Relation = Callable[[Lowering, int], int]
"""Adds what node i needs to the system and returns the tensor of its value."""

__all__ = ["RELATIONS", "Relation", "clamp_tables"]

RELATIONS: dict[str, Relation] = {
    **source.RELATIONS,
    **arithmetic.RELATIONS,
    **contraction.RELATIONS,
    **movement.RELATIONS,
    **narrowing.RELATIONS,
    **maximum.RELATIONS,
    **choice.RELATIONS,
}
