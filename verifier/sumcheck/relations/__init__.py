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

Relation = Callable[[Lowering, int], int]
"""Adds what node i needs to the system and returns the tensor of its value."""

RELATIONS: dict[str, Relation] = {
    **source.RELATIONS,
    **arithmetic.RELATIONS,
    **contraction.RELATIONS,
    **movement.RELATIONS,
    **narrowing.RELATIONS,
    **maximum.RELATIONS,
    **choice.RELATIONS,
}
