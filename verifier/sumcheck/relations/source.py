"""Constants.

A constant of one element is a number that both sides know; any other is a parameter.
"""

from __future__ import annotations

from verifier.sumcheck.lowering import Lowering


def constant(lowering: Lowering, i: int) -> int:
    """The tensor of a constant node."""
    value = lowering.structure.revealed.get(i)
    if value is not None and value.size == 1:
        return lowering.constant((1, *lowering.node(i).shape), int(value.reshape(-1)[0]))
    return lowering.parameter(i)


RELATIONS = {"constant": constant}
