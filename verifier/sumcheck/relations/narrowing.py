"""The operations that bring wide integers back to few bits.

    rescale       x * mul + half = 2^shift * q + r,  0 <= r < 2^shift,  y = clamp(q, lo, hi).
                  r is virtual. Where the bounds leave both clamps idle, y = q is committed. Else either q and y
                  are, and (q, y) is a row of a table; or y, e_hi and e_lo are, with q = y + e_hi - e_lo,
                  e_hi, e_lo >= 0, lo <= y <= hi, and e_hi * (hi - y) = e_lo * (y - lo) = 0: what exceeds a
                  limit does so where y is at it.
    table         (x, y) is a row of (lo + i, t[i])
    floor_divide  x = d * q + r,  r >= 0,  d - 1 - r >= 0; q is committed, r is virtual

The division is that of integers only because q, e and r are integers far below the field's order: each has
its range.
"""

from __future__ import annotations

from circuits.ops.narrowing import half_of
from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.structure import Structure
from verifier.sumcheck.system import ClampTable, PairTable


def rescale(lowering: Lowering, i: int) -> int:
    node, shape = lowering.node(i), lowering.result_shape(i)
    mul, shift = node.attrs["mul"], node.attrs["shift"]
    x = lowering.system.sum([(mul, lowering.value[node.inputs[0]])], half_of(shift))
    (q_lo, q_hi), (lo, hi) = quotient_bound(lowering.structure, i), active_limits(lowering.structure, i)
    if not shift and lo is None and hi is None:
        return x
    y = lowering.advice(shape, "node", i)
    table = lowering.clamp_tables.get((lo, hi))
    if table is not None and table.first <= q_lo and q_hi < table.first + table.count:
        q = lowering.advice(shape, "quotient", i) if shift else x
        lowering.system.lookup(table, (q, y))
        if shift:
            lowering.require_range(lowering.system.sum([(1, x), (-(1 << shift), q)]), 1 << shift)
        return y
    quotient = [(1, y)]
    excesses = []
    if hi is not None:
        e_hi = lowering.advice(shape, "excess_high", i)
        lowering.require_at_least_zero(e_hi, q_hi - hi + 1)
        quotient.append((1, e_hi))
        excesses.append((e_hi, lowering.system.sum([(-1, y)], hi)))
    if lo is not None:
        e_lo = lowering.advice(shape, "excess_low", i)
        lowering.require_at_least_zero(e_lo, lo - q_lo + 1)
        quotient.append((-1, e_lo))
        excesses.append((e_lo, lowering.system.sum([(1, y)], -lo)))
    remainder = lowering.system.sum([(1, x), *((-(c << shift), part) for c, part in quotient)])
    lowering.require_range(remainder, 1 << shift)
    if lo is not None and hi is not None:
        lowering.require_range(lowering.system.sum([(1, y)], -lo), hi - lo + 1)
    elif hi is not None:
        lowering.require_at_least_zero(lowering.system.sum([(-1, y)], hi), hi - min(q_lo, hi) + 1)
    else:
        least = q_lo if lo is None else lo
        lowering.require_at_least_zero(lowering.system.sum([(1, y)], -least), max(q_hi, least) - least + 1)
    if excesses:
        # both products are of numbers at least zero, so their sum is zero only if each is
        products = [(1, lowering.elementwise(e, slack, shape)) for e, slack in excesses]
        lowering.require_zero(lowering.system.sum(products))
    return y


def quotient_bound(structure: Structure, i: int) -> tuple[int, int]:
    """The bound of what a rescale clamps."""
    node = structure.nodes[i]
    x, mul, shift = structure.nodes[node.inputs[0]], node.attrs["mul"], node.attrs["shift"]
    return (x.lo * mul + half_of(shift)) >> shift, (x.hi * mul + half_of(shift)) >> shift


def active_limits(structure: Structure, i: int) -> tuple[int | None, int | None]:
    """A rescale's limits, None where the bounds leave one idle."""
    q_lo, q_hi = quotient_bound(structure, i)
    lo, hi = (structure.nodes[i].attrs[name] for name in ("lo", "hi"))
    return lo if lo is not None and lo > q_lo else None, hi if hi is not None and hi < q_hi else None


def clamp_tables(structure: Structure, clamp_bits: int) -> dict[tuple[int | None, int | None], ClampTable]:
    """For each pair of limits one table of at most 2^clamp_bits numbers, for all rescales that it can serve."""
    tables: dict[tuple[int | None, int | None], ClampTable] = {}
    for i, node in enumerate(structure.nodes):
        if node.op != "rescale":
            continue
        limits, (q_lo, q_hi) = active_limits(structure, i), quotient_bound(structure, i)
        half_count = 1 << bits_of(max(-q_lo, q_hi + 1, 1))
        if limits != (None, None) and 2 * half_count <= 1 << clamp_bits:
            known = tables.get(limits)
            if known is None or known.count < 2 * half_count:
                tables[limits] = ClampTable(-half_count, 2 * half_count, *limits)
    return tables


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
