"""The operations that bring wide integers back to few bits.

    rescale       x * mul + half = 2^shift * q + r,  0 <= r < 2^shift,  y = clamp(q, lo, hi).
                  Where the bounds leave both clamps idle, y = q. Else q = y + e_hi - e_lo with e_hi, e_lo >= 0,
                  lo <= y <= hi, and e_hi * (hi - y) = e_lo * (y - lo) = 0: whatever exceeds a limit, y is at it.
                  y, e_hi and e_lo are committed; r is virtual.
    table         (x, y) is a row of (lo + i, t[i])
    floor_divide  x = d * q + r,  r >= 0,  d - 1 - r >= 0; q is committed, r is virtual

The division is that of integers only because q, e and r are integers far below the field's order: each has
its range.
"""

from __future__ import annotations

from circuits.ops.narrowing import half_of
from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.system import PairTable


def rescale(lowering: Lowering, i: int) -> int:
    node, shape = lowering.node(i), lowering.result_shape(i)
    mul, shift, lo, hi = (node.attrs[name] for name in ("mul", "shift", "lo", "hi"))
    half = half_of(shift)
    x = lowering.system.sum([(mul, lowering.value[node.inputs[0]])], half)
    q_lo, q_hi = ((edge * mul + half) >> shift for edge in lowering.bound(node.inputs[0]))
    low, high = lo is not None and lo > q_lo, hi is not None and hi < q_hi
    if not (shift or low or high):
        return x
    y = lowering.advice(shape, "node", i)
    quotient = [(1, y)]
    excesses = []
    if high:
        e_hi = lowering.advice(shape, "excess_high", i)
        lowering.require_at_least_zero(e_hi, q_hi - hi + 1)
        quotient.append((1, e_hi))
        excesses.append((e_hi, lowering.system.sum([(-1, y)], hi)))
    if low:
        e_lo = lowering.advice(shape, "excess_low", i)
        lowering.require_at_least_zero(e_lo, lo - q_lo + 1)
        quotient.append((-1, e_lo))
        excesses.append((e_lo, lowering.system.sum([(1, y)], -lo)))
    remainder = lowering.system.sum([(1, x), *((-(c << shift), part) for c, part in quotient)])
    lowering.require_range(remainder, 1 << shift)
    if low and high:
        lowering.require_range(lowering.system.sum([(1, y)], -lo), hi - lo + 1)
    elif high:
        lowering.require_at_least_zero(lowering.system.sum([(-1, y)], hi), hi - min(q_lo, hi) + 1)
    else:
        least = lo if low else q_lo
        lowering.require_at_least_zero(lowering.system.sum([(1, y)], -least), max(q_hi, least) - least + 1)
    if excesses:
        # both products are of numbers at least zero, so their sum is zero only if each is
        products = [(1, lowering.elementwise(e, slack, shape)) for e, slack in excesses]
        lowering.require_zero(lowering.system.sum(products))
    return y


def table(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x, constant = node.inputs
    rows = lowering.node(constant).shape[0]
    y = lowering.advice(lowering.result_shape(i), "node", i)
    pairs = PairTable(node.attrs["lo"], lowering.parameter(constant), rows)
    lowering.system.lookup(pairs, (lowering.value[x], y))
    return y


def floor_divide(lowering: Lowering, i: int) -> int:
    node, shape = lowering.node(i), lowering.result_shape(i)
    x, d = (lowering.value[part] for part in node.inputs)
    q = lowering.advice(shape, "node", i)
    lowering.require_at_least_zero(lowering.system.sum([(1, q)], -node.lo), node.hi - node.lo + 1)
    remainder = lowering.sum(shape, [(1, x), (-1, lowering.elementwise(q, d, shape))])
    _, d_hi = lowering.bound(node.inputs[1])
    lowering.require_at_least_zero(remainder, d_hi)
    lowering.require_at_least_zero(lowering.sum(shape, [(1, lowering.linear(d)), (-1, remainder)], -1), d_hi)
    return q


RELATIONS = {"rescale": rescale, "table": table, "floor_divide": floor_divide}
