"""Rules that round: clips, tables, quotients, roundings."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from circuits.calibrate import Range
from circuits.functions import STEEP, function
from circuits.graph import GraphNode
from circuits.ops.narrowing import MAX_TABLE_ROWS
from circuits.quantise.linear import scaled
from circuits.quantise.quantiser import WIDE, Quantised, Quantiser, rule
from circuits.tensor import FloatArray

TABLE_EXTRA_BITS = 1
"""A table reads its input one bit finer than activations are kept."""
FINE_EXTRA_BITS = 8
STEEP_BITS = 15
SEGMENT_BITS, SEGMENT_SHIFT = 14, 6
QUOTIENT_BITS = 60
ROOT_ROOM_BITS, GUESS_BITS = 2, 14
NEAR_ZERO = 32.0
"""Functions do what they do around 0: they are sampled more finely there."""
TAIL_SAMPLES = 4097


@rule("clip")
def clip(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """A clamp, in the same rescale that narrows the tensor where it is wide."""
    x, (lo, hi) = q.tensor(node.inputs[0]), (node.attrs["lo"], node.attrs["hi"])
    if node.kind != "real":
        bound = q.operand(x)
        low = None if lo is None or math.ceil(lo) <= bound.lo else math.ceil(lo)
        high = None if hi is None or math.floor(hi) >= bound.hi else math.floor(hi)
        if low is None and high is None:
            return x
        return Quantised(q.op("rescale", [x.id], mul=1, shift=0, lo=low, hi=high), x.scale)
    return q.narrow(x, i, 0, lo, hi)


@rule("function")
def unary(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """A table over the input's bound, narrowed first to what a table can hold."""
    name, params = node.attrs["name"], node.attrs["params"]
    source = node.inputs[0]
    if name == "abs":
        x = q.tensor(source)
        return Quantised(q.op("max", [x.id, q.op("sub", [q.number(0), x.id])]), x.scale)
    if (name == "sqrt" or (name, tuple(params)) == ("pow", (0.5,))) and q.graph.nodes[source].kind == "real":
        return square_root(q, i, source)
    kernel = function(name, params)
    extra = FINE_EXTRA_BITS if i in q.fine else 0
    scale = q.target(i, extra)
    edge = 1 << (q.bits(node) - 1 + q.options.headroom + extra)
    x = q.tensor(source)

    def rows(reals: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):  # what overflows is clipped to `edge`
            return kernel(reals) / scale

    if name in STEEP and _spread(q, x, source):
        return Quantised(_segmented(q, x, rows, edge), scale)
    x = x if name in STEEP else _without_tails(q, x, source, rows, edge)
    x = _indexable(q, x, source, name)
    bound = q.operand(x)
    return Quantised(look_up(q, x.id, rows(np.arange(bound.lo, bound.hi + 1) * x.scale), edge), scale)


def _indexable(q: Quantiser, x: Quantised, source: int, name: str) -> Quantised:
    """x with few enough values to index a table: one bit finer than activations, or what a table holds for
    steep functions."""
    bits = q.bits(q.graph.nodes[source])
    bound = q.operand(x)
    if bound.hi - bound.lo < 1 << (bits + TABLE_EXTRA_BITS):
        return x
    extra = STEEP_BITS - bits if name in STEEP else TABLE_EXTRA_BITS
    x = q.narrow(x, source, extra, limit=min(bits + extra, STEEP_BITS))
    bound = q.operand(x)
    if bound.hi - bound.lo >= MAX_TABLE_ROWS:
        edge = (1 << STEEP_BITS) - 1
        x = Quantised(q.op("rescale", [x.id], mul=1, shift=0, lo=-edge, hi=edge), x.scale)
    return x


def _without_tails(
    q: Quantiser, x: Quantised, source: int, rows: Callable[[FloatArray], FloatArray], edge: int
) -> Quantised:
    """x clamped to where a function still changes, as a sigmoid does only around 0, and kept more finely
    there; as it is where that gains nothing."""
    seen, bound, bits = q.ranges[source], q.operand(x), q.bits(q.graph.nodes[source]) + TABLE_EXTRA_BITS
    if q.graph.nodes[source].kind != "real" or bound.hi - bound.lo < 1 << bits:
        return x
    near = np.linspace(max(seen.lo, -NEAR_ZERO), min(seen.hi, NEAR_ZERO), TAIL_SAMPLES)
    grid = np.union1d(np.linspace(seen.lo, seen.hi, TAIL_SAMPLES), near)
    values = _rounded_rows(rows(grid), edge)
    changes = np.flatnonzero(values[1:] != values[:-1])
    if changes.size == 0:
        return x
    lo, hi = float(grid[changes[0]]), float(grid[changes[-1] + 1])
    for inner, outer, end in ((lo, bound.lo * x.scale, 0), (hi, bound.hi * x.scale, -1)):
        if (_rounded_rows(rows(np.linspace(inner, outer, TAIL_SAMPLES)), edge) != values[end]).any():
            return x
    kept = Range(lo, hi, np.clip(seen.sample, lo, hi))
    if 2 * kept.reach > seen.reach or x.scale > kept.scale(bits):
        return x
    scale = kept.scale(bits)
    return q.rescaled(x, scale, math.floor(lo / scale), math.ceil(hi / scale))


def _spread(q: Quantiser, x: Quantised, source: int) -> bool:
    """Whether positive values lie so far apart that one table of even steps would blur the small ones."""
    seen, bound = q.ranges[source], q.operand(x)
    step = max(seen.scale(STEEP_BITS), x.scale)
    return seen.lo > 0 and bound.hi >= MAX_TABLE_ROWS // 2 and seen.lo < step * (1 << SEGMENT_SHIFT)


def _segmented(q: Quantiser, x: Quantised, kernel: Callable[[FloatArray], FloatArray], edge: int) -> int:
    """A steep function of a positive tensor through tables for one magnitude after another, each
    2^SEGMENT_SHIFT times coarser than the one before, so that every value is looked up with a relative step
    of 2^-SEGMENT_SHIFT or finer."""
    top = (1 << SEGMENT_BITS) - 1
    x = Quantised(q.op("rescale", [x.id], mul=1, shift=0, lo=1, hi=(1 << WIDE) - 1), x.scale)
    result: int | None = None
    for shift in range(0, max(1, q.operand(x).hi.bit_length() - SEGMENT_BITS + SEGMENT_SHIFT), SEGMENT_SHIFT):
        index = q.op("rescale", [x.id], mul=1, shift=shift, lo=None, hi=top)
        bound = q.circuit.operands[index]
        values = look_up(q, index, kernel(np.arange(bound.lo, bound.hi + 1) * (x.scale * 2.0**shift)), edge)
        if result is None:
            result = values
        else:
            coarser = q.op("greater", [x.id, q.number(top << (shift - SEGMENT_SHIFT))])
            result = q.op("where", [coarser, values, result])
    assert result is not None
    return result


def look_up(q: Quantiser, x: int, rows: FloatArray, edge: int) -> int:
    """A table whose first row stands for x's lower bound; rows without a value repeat their nearest
    neighbour's."""
    table = q.circuit.constant(_rounded_rows(rows, edge).astype(np.int64))
    return q.op("table", [x, table], lo=q.circuit.operands[x].lo)


def _rounded_rows(rows: FloatArray, edge: int) -> FloatArray:
    """The rows of a table as integers within `edge`."""
    finite = np.isfinite(rows)
    if not finite.all() and finite.any():
        known = np.flatnonzero(finite)
        after = np.searchsorted(known, np.arange(rows.size)).clip(0, known.size - 1)
        before = (after - 1).clip(0)
        nearer = np.abs(known[before] - np.arange(rows.size)) < np.abs(known[after] - np.arange(rows.size))
        rows = rows[np.where(nearer, known[before], known[after])]
    return np.clip(np.rint(np.nan_to_num(rows)), -edge, edge)


def square_root(q: Quantiser, i: int, source: int) -> Quantised:
    """A table for the first guess and two Newton steps, y <- (y + z / y) / 2: near full relative precision
    over the wide range that variances have, which no table alone gives.

    z saturates where y would be 2^ROOT_ROOM_BITS times what calibration saw: the guess is fine for the roots
    that occur, not spread over a worst case, and roots of one width share a table.
    """
    x = q.tensor(source)
    bits = q.bits(q.graph.nodes[i]) + 2
    scale = q.ranges[i].scale(bits)
    widest = max(bits - 1, math.ceil(math.log2(q.ranges[i].reach / scale)))
    edge = ((1 << GUESS_BITS) - 1) << (2 * (widest + ROOT_ROOM_BITS) - GUESS_BITS)
    lo = 0 if q.operand(x).lo < 0 else None
    z = q.rescaled(x, scale * scale, lo, edge if q.operand(x).hi * x.scale > edge * scale * scale else None)
    high = q.operand(z).hi
    shift = 0 if high < MAX_TABLE_ROWS else max(0, high.bit_length() - GUESS_BITS)
    head = q.op("rescale", [z.id], mul=1, shift=shift, lo=None, hi=None) if shift else z.id
    rows = np.sqrt(np.arange(q.circuit.operands[head].lo, q.circuit.operands[head].hi + 1) * 2.0**shift)
    if shift:
        if q.circuit.operands[head].lo == 0:
            rows[0] = math.sqrt(2.0**shift / 4)
        y = look_up(q, head, np.maximum(rows, 1), 1 << 31)
        for _ in range(2):
            y = q.op("add", [y, q.op("floor_divide", [z.id, y])])
            y = q.op("rescale", [y], mul=1, shift=1, lo=1, hi=None)
    else:
        y = look_up(q, head, rows, 1 << 31)
    return Quantised(y, scale)


@rule("divide")
def divide(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """round(x / d) at the calibrated scale: floor((2 * x * 2^m + d) / (2 * d)), the sign of d moved to x
    first."""
    x, d = node.inputs
    constant = q.constant_of(d)
    if constant is not None:
        return scaled(q, x, 1.0 / constant.astype(np.float64), node.label)
    denominator = q.tensor(d)
    if q.operand(denominator).magnitude >= 1 << 30:
        denominator = q.narrow(denominator, d, 12)
    scale = q.target(i, 2)
    if q.constant_of(x) is not None:
        numerator = q.constant(x, denominator.scale * scale)
    else:
        numerator = q.tensor(x)
        room = QUOTIENT_BITS - math.ceil(math.log2(max(numerator.scale / (denominator.scale * scale), 1)))
        if q.operand(numerator).magnitude.bit_length() > room:
            numerator = q.narrow(numerator, x, 8)
    num, den = _positive(q, numerator.id, denominator, q.ranges[d].lo, node.attrs["at_least"])
    m = max(0, math.ceil(math.log2(numerator.scale / (denominator.scale * scale))))
    m = max(0, min(m, QUOTIENT_BITS - q.circuit.operands[num].magnitude.bit_length()))
    doubled = q.op("mul", [num, q.number(2 << m)])
    quotient = q.op("floor_divide", [q.op("add", [doubled, den]), q.op("mul", [den, q.number(2)])])
    return Quantised(quotient, numerator.scale / denominator.scale / (1 << m))


def _positive(q: Quantiser, num: int, d: Quantised, seen: float, at_least: float | None) -> tuple[int, int]:
    """Numerator and denominator with the denominator at least 1, or at least half of the least that
    calibration saw."""
    den = d.id
    if q.operand(d).lo < 0 and seen < 0:
        negative = q.op("greater", [q.number(0), den])
        num = q.op("where", [negative, q.op("sub", [q.number(0), num]), num])
        den = q.op("max", [den, q.op("sub", [q.number(0), den])])
        seen = 0.0
    floor = max(1, math.floor((at_least if at_least is not None else max(seen, 0.0) / 2) / d.scale))
    if q.circuit.operands[den].lo < floor:
        den = q.op("max", [den, q.number(floor)])
    return num, den


@rule("round")
def rounding(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """A real becomes the integer below, above, nearest (ties to even) or towards zero."""
    x = q.tensor(node.inputs[0])
    mode = node.attrs["mode"]
    if x.scale == round(x.scale):
        return Quantised(q.rescaled(x, 1.0).id, 1.0)
    bound = q.operand(x)
    if bound.hi - bound.lo < MAX_TABLE_ROWS:
        kernel = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "even": np.rint}[mode]
        rows = kernel(np.arange(bound.lo, bound.hi + 1) * x.scale)
        return Quantised(look_up(q, x.id, rows, 1 << 62), 1.0)
    if mode == "floor":
        return Quantised(_floor(q, x), 1.0)
    if mode == "even":
        return Quantised(_nearest_even(q, x), 1.0)
    minus = Quantised(q.op("sub", [q.number(0), x.id]), x.scale)
    ceiling = q.op("sub", [q.number(0), _floor(q, minus)])
    if mode == "ceil":
        return Quantised(ceiling, 1.0)
    below_zero = q.op("greater", [q.number(0), x.id])
    return Quantised(q.op("where", [below_zero, ceiling, _floor(q, x)]), 1.0)


def _nearest_even(q: Quantiser, x: Quantised) -> int:
    """The nearest integer; halfway, where r = floor(x + 1/2) equals x + 1/2, an odd r goes one down."""
    above = q.rescaled(x, 1.0)
    if 2.0 ** round(math.log2(x.scale)) != x.scale:
        return above.id  # a scale that is no power of two never lies exactly halfway
    unit = round(1 / x.scale)
    excess = q.op("sub", [q.op("add", [x.id, q.number(unit // 2)]), q.op("mul", [above.id, q.number(unit)])])
    tie = q.op("sub", [q.number(1), q.op("greater", [excess, q.number(0)])])
    half = q.op("rescale", [q.op("sub", [above.id, q.number(1)])], mul=1, shift=1, lo=None, hi=None)
    odd = q.op("sub", [above.id, q.op("mul", [half, q.number(2)])])
    return q.op("sub", [above.id, q.op("mul", [tie, odd])])


def _floor(q: Quantiser, x: Quantised) -> int:
    """floor(scale * x) by a rescale whose rounding half is taken off first; exact for scales that are powers
    of two."""
    shift = -round(math.log2(x.scale))
    exact = Quantised(q.rescaled(x, 2.0**-shift).id, 2.0**-shift) if 2.0**-shift != x.scale else x
    lowered = q.op("sub", [exact.id, q.number(1 << (shift - 1))])
    return q.op("rescale", [lowered], mul=1, shift=shift, lo=None, hi=None)


@rule("int_divide")
def int_divide(q: Quantiser, i: int, node: GraphNode) -> Quantised:
    """Integer division towards minus infinity or towards zero; a divisor of either sign."""
    x, d = (q.tensor(source) for source in node.inputs)
    num, den = x.id, d.id
    if q.operand(d).lo < 1:
        negative = q.op("greater", [q.number(0), den])
        num = q.op("where", [negative, q.op("sub", [q.number(0), num]), num])
        den = q.op("max", [q.op("max", [den, q.op("sub", [q.number(0), den])]), q.number(1)])
    quotient = q.op("floor_divide", [num, den])
    if node.attrs["mode"] == "floor" or q.circuit.operands[num].lo >= 0:
        return Quantised(quotient, 1.0)
    minus = q.op("sub", [q.number(0), q.op("floor_divide", [q.op("sub", [q.number(0), num]), den])])
    return Quantised(q.op("where", [q.op("greater", [q.number(0), num]), minus, quotient]), 1.0)
