"""Comparison, choice and order.

greater   c is 0 or 1, and (2c - 1) * (a - b) - c >= 0
where     virtual: b + c * (a - b)
top_k     s^1, ..., s^k one-hot along the axis, idx^a = sum_j j * s^a_j, v^a = sum_j s^a_j * x_j;
          the chosen cells differ: sum_a s^a_j is 0 or 1;
          they fall: v^a - v^(a+1) - g^a >= 0, where g^a = 1 if idx^a > idx^(a+1), shown as `greater` is;
          and every other cell comes later: (1 - chosen_j) * (v^k - x_j - [j < idx^k]) >= 0
"""

from __future__ import annotations

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Select, SumBehind


def greater(lowering: Lowering, i: int) -> int:
    node, shape = lowering.node(i), lowering.result_shape(i)
    c = lowering.advice(shape, "node", i)
    lowering.require_bits(c)
    (a_lo, a_hi), (b_lo, b_hi) = (lowering.bound(x) for x in node.inputs)
    gap = lowering.sum(shape, [(1, lowering.value[node.inputs[0]]), (-1, lowering.value[node.inputs[1]])])
    _require_greater(lowering, c, gap, max(a_hi - b_lo, b_hi - a_lo) + 1)
    return c


def _require_greater(lowering: Lowering, c: int, gap: int, count: int) -> None:
    """Demand that the bit c says whether gap > 0, given that an honest |gap| is below `count`."""
    gap, shape = lowering.linear(gap), lowering.system.shape(c)
    twice = lowering.elementwise(c, gap, shape, 2)
    lowering.require_at_least_zero(lowering.system.sum([(1, twice), (-1, gap), (-1, c)]), count)


def where(lowering: Lowering, i: int) -> int:
    shape = lowering.result_shape(i)
    c, a, b = (lowering.value[x] for x in lowering.node(i).inputs)
    (a_lo, a_hi), (b_lo, b_hi) = (lowering.bound(x) for x in lowering.node(i).inputs[1:])
    lowering.require_difference(max(a_hi - b_lo, b_hi - a_lo))
    chosen = lowering.elementwise(c, lowering.sum(shape, [(1, a), (-1, b)]), shape)
    return lowering.sum(shape, [(1, chosen), (1, b)])


def top_k(lowering: Lowering, i: int) -> int:
    node, out = lowering.node(i), lowering.result_shape(i)
    axis, k = node.attrs["axis"] + 1, node.attrs["k"]
    x = lowering.linear(lowering.value[node.inputs[0]])
    shape = lowering.system.shape(x)
    lo, hi = lowering.bound(node.inputs[0])
    size = shape[axis]
    # the choices stand along an axis of size k in front of the ordered one
    wide = (*shape[:axis], k, *shape[axis:])
    choice = lowering.one_hot(wide, [axis + 1], "top_k", x, axis, k)
    index = lowering.reshaped(lowering.chosen_index(choice, axis + 1), out)
    names = tuple(a if n > 1 else None for a, n in enumerate(wide))
    x_names = (*names[:axis], *names[axis + 1 :])
    best = lowering.linear(
        lowering.product(choice, x, (names, x_names, (*names[: axis + 1], *names[axis + 2 :])), out)
    )
    last = range(k - 1, k)
    if k > 1:
        lowering.require_bits(lowering.sum_axes(choice, [axis]))
        fewer = (*out[:axis], k - 1, *out[axis + 1 :])
        falls = []
        for values in (best, index):
            first, second = (lowering.image(values, Select(out, axis, range(a, a + k - 1))) for a in (0, 1))
            falls.append(lowering.sum(fewer, [(1, first), (-1, second)]))
        descends = lowering.advice(fewer, "positive", falls[1])
        lowering.require_bits(descends)
        _require_greater(lowering, descends, falls[1], size)
        lowering.require_at_least_zero(lowering.system.sum([(1, falls[0]), (-1, descends)]), hi - lo + 1)
    least = lowering.image(best, Select(out, axis, last))
    chosen = lowering.reshaped(lowering.sum_axes(choice, [axis]), shape)
    last_choice = lowering.reshaped(lowering.image(choice, Select(wide, axis, last)), shape)
    before = lowering.image(last_choice, SumBehind(shape, axis))
    gap = lowering.sum(shape, [(1, least), (-1, x), (-1, before)])
    kept = lowering.elementwise(chosen, gap, shape, -1)
    lowering.require_at_least_zero(lowering.system.sum([(1, gap), (1, kept)]), hi - lo + 1)
    return index


RELATIONS = {"greater": greater, "where": where, "top_k": top_k}
