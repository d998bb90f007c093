"""Elementwise arithmetic and sums.

add, sub, reduce_sum      virtual: linear in the inputs
mul                       virtual: one product, or linear where a factor is a number
"""

from __future__ import annotations

from verifier.sumcheck.lowering import Lowering


def add(lowering: Lowering, i: int) -> int:
    a, b = (lowering.value[x] for x in lowering.node(i).inputs)
    return lowering.sum(lowering.result_shape(i), [(1, a), (1, b)])


def sub(lowering: Lowering, i: int) -> int:
    a, b = (lowering.value[x] for x in lowering.node(i).inputs)
    return lowering.sum(lowering.result_shape(i), [(1, a), (-1, b)])


def mul(lowering: Lowering, i: int) -> int:
    a, b = lowering.node(i).inputs
    shape = lowering.result_shape(i)
    for number, other in ((a, b), (b, a)):
        value = lowering.structure.revealed.get(number)
        if value is not None and value.size == 1:
            return lowering.sum(shape, [(int(value.reshape(-1)[0]), lowering.value[other])])
    return lowering.elementwise(lowering.value[a], lowering.value[b], shape)


def reduce_sum(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    return lowering.sum_axes(lowering.value[node.inputs[0]], [axis + 1 for axis in node.attrs["axes"]])


RELATIONS = {"add": add, "sub": sub, "mul": mul, "reduce_sum": reduce_sum}
