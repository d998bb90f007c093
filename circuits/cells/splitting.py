"""Splits cells that would not fit one transaction, by materialising more.

A long or scattered reduction becomes a tensor of partial sums (or maxima) with the outer part of the
reduction as further axes, and a shorter reduction over it. Where that takes more elements than a copy of the
scattered operand, with the reduced axes innermost, the copy is made instead. Weights are simply stored in the
order in which they are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from circuits.cells.accesses import Access, Digit, Layout, Tensor, normalised, whole
from circuits.cells.cost import access_cost, cost_of, term_cost
from circuits.cells.terms import Definition, Expression, Term, plain_sum, settled
from circuits.errors import CircuitError
from circuits.records import MAX_CELLS, MAX_GUARD_STEP, OUTPUT_AXES, REDUCTION_AXES, Kind, Region
from circuits.tensor import width_of

Materialise = Callable[[Definition, int, int], Tensor]
"""Adds a tensor to the trace, given its cells' definition, their number and their width."""

MAX_STEPS = 64


def fitted(definition: Definition, materialise: Materialise) -> Definition:
    """An equal definition whose cells fit one transaction.

    Raises
    ------
    CircuitError
        If there is none.
    """
    definition = replace(definition, terms=settled([relaid(term) for term in definition.terms]))
    for _ in range(MAX_STEPS):
        terms = definition.terms
        crowded = [term for term in terms if len(term.inner) > REDUCTION_AXES]
        if not crowded and cost_of(terms).fits:
            return definition
        reduced = [term for term in terms if term.inner]
        if not reduced:
            break
        worst = crowded[0] if crowded else max(reduced, key=lambda term: term_cost(term).gas)
        if definition.kind is Kind.ORDER:
            definition = _shortened_order(definition, materialise)
        else:
            at = terms.index(worst)
            shorter = _shortened(definition.kind, worst, materialise)
            definition = replace(definition, terms=(*terms[:at], *shorter, *terms[at + 1 :]))
        definition = replace(definition, terms=settled(definition.terms))
    raise CircuitError("one of its cells has too many operands to be disputed in one transaction")


def relaid(term: Term) -> Term:
    """The term with each constant stored in the order of outer, then inner digits, so that a cell reads it in
    one piece."""
    if not term.inner:
        return term
    return replace(term, accesses=tuple(map(_relaid, term.accesses)))


def _relaid(access: Access) -> Access:
    tensor = access.tensor
    if (
        tensor.region is not Region.WEIGHTS
        or tensor.first >= 0
        or tensor.layout
        or access.limits
        or access.bases[0]
    ):
        return access
    digits = [digit for digit in (*access.outer, *access.inner) if digit.steps[0]]
    natural = sorted(range(len(digits)), key=lambda i: -digits[i].steps[0])
    rows = 1
    for i in reversed(natural):
        if digits[i].steps[0] != rows:
            return access
        rows *= digits[i].size
    order = tuple(natural.index(i) for i in range(len(digits)))
    if rows != tensor.elements or list(order) == sorted(order):
        return access
    layout = Layout(tuple(digits[i].size for i in natural), order)
    return _laid_out(replace(tensor, layout=layout), _use(access.outer), _use(access.inner))


Use = tuple[int, bool]
"""The size of a digit, and whether it makes a difference."""


def _laid_out(tensor: Tensor, outer: Sequence[Use], inner: Sequence[Use]) -> Access:
    """The access to a tensor that holds the digits in use, outer then inner, row-major."""
    step = 1
    digits: list[Digit] = []
    for size, used in reversed((*outer, *inner)):
        digits.insert(0, Digit(size, (step if used else 0,)))
        step *= size if used else 1
    return normalised(Access(tensor, tuple(digits[: len(outer)]), tuple(digits[len(outer) :]), (0,)))


def _use(digits: Sequence[Digit]) -> list[Use]:
    return [(digit.size, any(digit.steps)) for digit in digits]


def _uses(term: Term) -> list[Use]:
    """For each outer digit, whether the term depends on it."""
    columns = zip(*(access.outer for access in term.accesses), strict=True)
    return [(digits[0].size, any(any(digit.steps) for digit in digits)) for digits in columns]


def _used(access: Access, uses: Sequence[Use]) -> tuple[Digit, ...]:
    """The outer digits of the access on which its term depends."""
    return tuple(digit for digit, (_, used) in zip(access.outer, uses, strict=True) if used)


def _shortened(kind: Kind, term: Term, materialise: Materialise) -> Expression:
    """Terms that give the same value with fewer or closer operands a cell."""
    keep, size = _fitting_part(term)
    at = len(term.inner) - keep - 1
    moved = math.prod(term.inner[:at]) * -(-term.inner[at] // size)
    partial_cells = math.prod(size for size, used in _uses(term) if used) * moved
    for i, access in enumerate(term.accesses):
        copy_cells = math.prod(digit.size for digit in (*access.outer, *access.inner) if any(digit.steps))
        axes = sum(1 for digit in (*access.outer, *access.inner) if any(digit.steps))
        scattered = access_cost(access).ranges > 1 and not access.skip
        if scattered and copy_cells <= partial_cells and axes <= OUTPUT_AXES:
            copied = _copied(access, materialise)
            return (replace(term, accesses=(*term.accesses[:i], copied, *term.accesses[i + 1 :])),)
    return _partial(kind, term, at, size, materialise)


def _copied(access: Access, materialise: Materialise) -> Access:
    """The access, to a materialised copy with the reduced digits innermost."""
    active = tuple(digit for digit in (*access.outer, *access.inner) if any(digit.steps))
    width = max(access.tensor.width, width_of(min(access.fill, 0), max(access.fill, 0)))
    edge = 1 << (8 * width - 1)
    flat = normalised(replace(access, outer=active, inner=()))
    cells = math.prod(digit.size for digit in active)
    tensor = materialise(plain_sum((Term(1, (flat,), -edge, edge - 1),)), cells, width)
    return _laid_out(tensor, _use(access.outer), _use(access.inner))


def _fitting_part(term: Term) -> tuple[int, int]:
    """How much of a reduction one cell can take: so many innermost digits whole, and this much of the next
    one."""

    def fits(keep: int, size: int) -> bool:
        digits = keep + (size > 1)
        part = _restricted(term, len(term.inner) - keep - 1, size)
        return digits <= REDUCTION_AXES and cost_of([part]).fits

    keep = 0
    while keep < len(term.inner) - 1 and fits(keep, term.inner[-keep - 1]):
        keep += 1
    low, high = 1, term.inner[-keep - 1]
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(keep, middle) else (low, middle - 1)
    whole_size = term.inner[-keep - 1]
    if low < whole_size and _shares_a_guard(term, len(term.inner) - keep - 1):
        return keep, 1
    divisor = max(size for size in range(1, low + 1) if whole_size % size == 0)
    return keep, divisor if 2 * divisor > low else low


def _shares_a_guard(term: Term, at: int) -> bool:
    """Whether inner digit `at` is one of two in a guard: cut in two, it would be one of three, and there is
    room for two."""
    for access in term.accesses:
        others = (*access.outer, *access.inner[:at], *access.inner[at + 1 :])
        for column in range(1, len(access.bases)):
            if access.inner[at].steps[column] and any(digit.steps[column] for digit in others):
                return True
    return False


def _restricted(term: Term, at: int, size: int) -> Term:
    """The term with only the first `size` values of inner digit `at`, and none of the digits outside it."""
    accesses = (
        replace(access, inner=(Digit(size, access.inner[at].steps), *access.inner[at + 1 :]))
        for access in term.accesses
    )
    return replace(term, accesses=tuple(accesses))


def _partial(kind: Kind, term: Term, at: int, size: int, materialise: Materialise) -> Expression:
    """Partial results over the digits inside inner digit `at` and `size` values of that digit; then, over
    those, the rest.

    Where `size` does not divide the digit, what is left over stays a term of its own.
    """
    chunks, left = divmod(term.inner[at], size)
    uses = _uses(term)
    accesses, rest = [], []
    for access in term.accesses:
        before, cut, behind = access.inner[:at], access.inner[at], access.inner[at + 1 :]
        outside = (*before, Digit(chunks, tuple(step * size for step in cut.steps)))
        inside = (Digit(size, cut.steps), *behind)
        accesses.append(normalised(replace(access, outer=(*_used(access, uses), *outside), inner=inside)))
        bases = tuple(base + chunks * size * step for base, step in zip(access.bases, cut.steps, strict=True))
        rest.append(
            normalised(replace(access, bases=bases, inner=(*before, Digit(left, cut.steps), *behind)))
        )
    outside_sizes = [(n, True) for n in (*term.inner[:at], chunks)]
    cells = math.prod(n for n, used in (*uses, *outside_sizes) if used)
    if cells > MAX_CELLS:
        raise CircuitError(f"splitting one of its cells would take {cells} partial results")
    part = replace(term, accesses=tuple(accesses))
    coefficient = term.coefficient
    if kind is Kind.MAX:  # a negative coefficient turns the order round: it belongs to the parts
        lo, hi = sorted((coefficient * term.lo, coefficient * term.hi))
        definition, coefficient = Definition(Kind.MAX, (part,)), 1
    else:
        lo, hi = min(term.lo, 0), max(term.hi, 0)
        definition = plain_sum((replace(part, coefficient=1),))
    tensor = materialise(definition, cells, width_of(lo, hi))
    total = Term(coefficient, (_laid_out(tensor, uses, outside_sizes),), lo, hi)
    return (total, replace(term, accesses=tuple(rest))) if left else (total,)


def _shortened_order(definition: Definition, materialise: Materialise) -> Definition:
    """An equal definition whose axis lies in one piece, or, if it does already, with a shorter axis.

    argmax over a long axis follows from each chunk's maximum and the place of its first cell that reaches it:

        argmax = size * best + place[best], best the first chunk whose maximum is the largest
    """
    (term,) = definition.terms
    (access,) = term.accesses
    if len(access.inner) > 1 or access.limits or access_cost(access).ranges > 1:
        if access.skip:
            raise CircuitError("the order of scattered cells cannot be disputed in one transaction")
        return replace(definition, terms=(replace(term, accesses=(_copied(access, materialise),)),))
    if definition.hi != 1:
        raise CircuitError(f"the order of {term.count} cells cannot be disputed in one transaction")
    (digit,), uses = access.inner, _uses(term)
    size = min(_fitting_part(term)[1], MAX_GUARD_STEP)
    chunks = -(-digit.size // size)
    # the last chunk may be short: what would lie behind the end of the axis is skipped
    step = digit.steps[0]
    outer = (*(Digit(d.size, (*d.steps, 0)) for d in _used(access, uses)), Digit(chunks, (size * step, size)))
    split = Access(
        access.tensor, outer, (Digit(size, (step, 1)),), (*access.bases, 0), limits=(digit.size,), skip=True
    )
    chunk = replace(term, accesses=(normalised(split),))
    rows = math.prod(n for n, used in uses if used)
    lo, hi = sorted((term.coefficient * term.lo, term.coefficient * term.hi))
    maxima = materialise(Definition(Kind.MAX, (chunk,)), rows * chunks, width_of(lo, hi))
    places = materialise(replace(definition, terms=(chunk,)), rows * chunks, width_of(0, size - 1))

    own = [(n, True) for n, used in uses if used]
    by_chunk = Term(1, (_laid_out(maxima, own, [(chunks, True)]),), lo, hi)
    best = materialise(replace(definition, terms=(by_chunk,)), rows, width_of(0, chunks - 1))
    row = replace(_laid_out(places, own, [(chunks, True)]), inner=())
    lookup = Definition(
        Kind.LOOKUP,
        (Term(1, (whole(best),), 0, chunks - 1), Term(1, (row,), 0, size - 1)),
        mul=chunks,
        lo=0,
        hi=1,
    )
    place = materialise(lookup, rows, width_of(0, size - 1))
    return plain_sum(
        (
            Term(size, (_laid_out(best, uses, ()),), 0, chunks - 1),
            Term(1, (_laid_out(place, uses, ()),), 0, size - 1),
        )
    )
