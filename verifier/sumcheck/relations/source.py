"""Inputs and constants.

input      public, its bounds checked as integers; or committed with its padding (`inputs`): then
           lo <= x <= hi is shown exactly, and all of the committed tensor but x is zero
constant   one of one element is a number that both sides know; any other is a parameter
"""

from __future__ import annotations

from verifier.sumcheck.inputs import padded_input
from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.system import CommittedInput, Public
from verifier.sumcheck.weights import Shape


def input_(lowering: Lowering, i: int) -> int:
    """The tensor of an input node."""
    node, port = lowering.node(i), lowering.structure.inputs.index(i)
    shape = (lowering.batch, *node.shape)
    if lowering.input_bits is None:
        return lowering.system.add(Public(shape, ("input", port)))
    padded = padded_input(node.shape, lowering.input_bits)
    whole = lowering.system.add(CommittedInput(padded, port))
    x = _cut(lowering, whole, shape)
    if x != whole:
        again = _cut(lowering, x, padded)
        lowering.require_zero(lowering.system.sum([(1, whole), (-1, again)]))
    lo, hi = lowering.bound(i)
    lowering.require_difference(hi - lo)
    lowering.require_range(lowering.system.sum([(1, x)], -lo), hi - lo + 1)
    return x


def _cut(lowering: Lowering, tensor: int, shape: Shape) -> int:
    """The first cells along each axis, zeros behind them where there are too few."""
    for axis, n in enumerate(shape):
        tensor = lowering.selected(tensor, axis, range(n))
    return tensor


def constant(lowering: Lowering, i: int) -> int:
    """The tensor of a constant node."""
    value = lowering.structure.revealed.get(i)
    if value is not None and value.size == 1:
        return lowering.constant((1, *lowering.node(i).shape), int(value.reshape(-1)[0]))
    return lowering.parameter(i)


RELATIONS = {"input": input_, "constant": constant}
