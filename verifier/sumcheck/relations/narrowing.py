"""The operations that bring wide integers back to few bits.

    rescale       x * mul + half = 2^shift * q + r,  0 <= r < 2^shift,  y = clamp(q, lo, hi).
                  r is virtual. Where the bounds leave both clamps idle, y = q is committed. Else either q and
                  y are, and (q, y) is a row of a table; or y is, and for each limit an excess:
                  q = y + e_hi - e_lo,  e_hi * (hi - y) = 0,  e_lo * (y - lo) = 0: there is an excess only
                  where y is at the limit. Of an excess and its slack one is zero, so that their sum is at
                  least zero only if both are, and likewise the sum of two excesses, if lo < hi:
                      one limit     e + (hi - y) >= 0,  or  e + (y - lo) >= 0
                      two           e_hi + e_lo >= 0,  lo <= y <= hi
                  Where y is looked up in a table of such numbers, its own range follows from that.
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
    parts, beyond = [(1, x), (-(1 << shift), y)], []
    for limit, sign, role in ((hi, 1, "excess_high"), (lo, -1, "excess_low")):
        if limit is not None:
            excess = lowering.advice(shape, role, i)
            slack = lowering.system.sum([(-sign, y)], sign * limit)
            lowering.require_zero(lowering.elementwise(excess, slack, shape))
            parts.append((-sign << shift, excess))
            beyond.append((excess, slack))
    lowering.require_range(lowering.system.sum(parts), 1 << shift)
    if lo is not None and hi is not None:
        both = lowering.system.sum([(1, excess) for excess, _ in beyond])
        lowering.require_at_least_zero(both, max(q_hi - hi, lo - q_lo) + 1)
        if not _indexes(lowering, i, range(lo, hi + 1)):
            lowering.require_range(lowering.system.sum([(1, y)], -lo), hi - lo + 1)
    elif beyond:
        [(excess, slack)] = beyond
        limit = hi if lo is None else lo
        assert limit is not None
        reach = max(abs(q_hi - limit), abs(limit - q_lo)) + 1
        lowering.require_at_least_zero(lowering.system.sum([(1, excess), (1, slack)]), reach)
    elif not _indexes(lowering, i, None):
        lowering.require_at_least_zero(lowering.system.sum([(1, y)], -q_lo), q_hi - q_lo + 1)
    return y


def _indexes(lowering: Lowering, i: int, within: range | None) -> bool:
    """Whether a table that node i is looked up in has rows for these numbers only; for any few, if None."""
    for node in lowering.structure.nodes:
        if node.op == "table" and node.inputs[0] == i:
            rows = range(node.attrs["lo"], node.attrs["lo"] + lowering.node(node.inputs[1]).shape[0])
            if within is None or (within.start <= rows.start and rows.stop <= within.stop):
                return True
    return False


def quotient_bound(structure: Structure, i: int) -> tuple[int, int]:
    """The bound of what a rescale clamps."""
    node = structure.nodes[i]
    mul, shift = node.attrs["mul"], node.attrs["shift"]
    lo, hi = structure.bound(node.inputs[0])
    return (lo * mul + half_of(shift)) >> shift, (hi * mul + half_of(shift)) >> shift


def active_limits(structure: Structure, i: int) -> tuple[int | None, int | None]:
    """A rescale's limits, None where the bounds leave one idle."""
    q_lo, q_hi = quotient_bound(structure, i)
    lo, hi = (structure.nodes[i].attrs[name] for name in ("lo", "hi"))
    return lo if lo is not None and lo > q_lo else None, hi if hi is not None and hi < q_hi else None


def clamp_tables(structure: Structure, clamp_bits: int) -> dict[tuple[int | None, int | None], ClampTable]:
    """For each pair of limits one table of at most 2^clamp_bits numbers, for all rescales it can serve."""
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
