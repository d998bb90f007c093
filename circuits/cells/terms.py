"""Terms: the operands of a cell, and the shared digits that turn them into one record.

    term       = coefficient * access [* access], summed over the reduction where there is one
    expression = the sum of its terms: a tensor that is not materialised (yet)
    definition = terms with a kind: what a record says

Equal terms of a sum are one term.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from circuits.cells.accesses import Access, Digit, Unrepresentable, cuts_of, refined
from circuits.records import (
    HIGHEST,
    LOWEST,
    MAX_GUARD_STEP,
    MAX_GUARDS,
    MAX_VIEWS,
    OUTPUT_AXES,
    REDUCTION_AXES,
    Kind,
)


@dataclass(frozen=True)
class Term:
    """coefficient * the sum over the reduction of the product of one or two accesses. Every partial sum of
    that, without the coefficient, lies in [lo, hi]."""

    coefficient: int
    accesses: tuple[Access, ...]
    lo: int
    hi: int

    @property
    def inner(self) -> tuple[int, ...]:
        """The sizes of the reduction's digits, common to the accesses once they are settled."""
        return tuple(digit.size for digit in self.accesses[0].inner)

    @property
    def count(self) -> int:
        """How many products one cell sums."""
        return math.prod(self.inner)

    @property
    def pure(self) -> bool:
        """Whether the term is one element of one tensor."""
        return len(self.accesses) == 1 and not self.inner


Expression = tuple[Term, ...]


@dataclass(frozen=True)
class Definition:
    """How the cells of a tensor follow from terms; `mul`, `lo`, `hi`, `shift` as in the record."""

    kind: Kind
    terms: Expression
    mul: int = 0
    lo: int = 0
    hi: int = 0
    shift: int = 0


def plain_sum(terms: Expression) -> Definition:
    """The sum of the terms, not narrowed."""
    return Definition(Kind.SUM, terms, mul=1, lo=LOWEST, hi=HIGHEST)


def moved(expression: Expression, movement: Callable[[Access], Access]) -> Expression:
    """The expression after a movement of all its accesses."""
    return tuple(replace(term, accesses=tuple(map(movement, term.accesses))) for term in expression)


def scaled(expression: Expression, factor: int) -> Expression:
    """The expression times an integer."""
    if factor == 0:
        return ()
    return tuple(replace(term, coefficient=term.coefficient * factor) for term in expression)


def added(*expressions: Expression) -> Expression:
    """The sum of expressions, equal terms taken together."""
    totals: dict[tuple[Access, ...], Term] = {}
    for term in (term for expression in expressions for term in expression):
        earlier = totals.get(term.accesses)
        total = term.coefficient + (earlier.coefficient if earlier else 0)
        totals[term.accesses] = replace(term, coefficient=total)
    return tuple(term for term in totals.values() if term.coefficient)


def settled(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The terms with the same outer digits, and both accesses of each with the same inner digits.

    Raises
    ------
    Unrepresentable
        If they have no common digits, or a record has no room for them.
    """
    if sum(len(term.accesses) for term in terms) > MAX_VIEWS:
        raise Unrepresentable(f"a cell has over {MAX_VIEWS} operands")
    outer = _chain(sizes_of(access.outer) for term in terms for access in term.accesses)
    result = []
    for term in terms:
        inner = _chain(sizes_of(access.inner) for access in term.accesses)
        if len(outer) > OUTPUT_AXES or len(outer) + len(inner) > OUTPUT_AXES + REDUCTION_AXES:
            raise Unrepresentable("a cell's index has too many axes")
        accesses = tuple(
            replace(access, outer=refined(access.outer, outer), inner=refined(access.inner, inner))
            for access in term.accesses
        )
        for access in accesses:
            _check_fields(access)
        if abs(term.coefficient) >= 1 << 31:
            raise Unrepresentable("a coefficient is over 31 bits")
        result.append(replace(term, accesses=accesses))
    return tuple(result)


def sizes_of(digits: Iterable[Digit]) -> tuple[int, ...]:
    """The sizes of digits."""
    return tuple(digit.size for digit in digits)


def _chain(indices: Iterable[tuple[int, ...]]) -> list[int]:
    """All places where any of the indices is cut, rising; each must divide the next, for digits to exist."""
    cuts = sorted({cut for sizes in indices for cut in cuts_of(sizes)})
    if any(after % before for before, after in itertools.pairwise(cuts)):
        raise Unrepresentable("the axes of two operands do not divide one another")
    return cuts


def _check_fields(access: Access) -> None:
    digits = (*access.outer, *access.inner)
    if any(abs(digit.steps[0]) >= 1 << 31 for digit in digits):
        raise Unrepresentable("a stride is over 31 bits")
    if len(access.limits) > MAX_GUARDS:
        raise Unrepresentable(f"an operand has over {MAX_GUARDS} guards")
    for column in range(1, len(access.bases)):
        steps = [digit.steps[column] for digit in digits if digit.steps[column]]
        if (
            len(steps) > 2
            or any(abs(step) > MAX_GUARD_STEP for step in steps)
            or abs(access.bases[column]) >= 1 << 31
        ):
            raise Unrepresentable("a guard has over two axes, or a step over 15 bits")
