"""Accesses: the addresses of an operand's elements as linear forms over the digits of an index.

A flat, row-major index of a tensor is written in mixed radix: its digits, outermost first, multiply up to the
number of elements. An access gives each digit a step of the operand's address (and of the coordinates that
guard it), so

    address    = base + sum of digit * step          within the operand's stored tensor
    coordinate = the same with a guard's base and steps; outside [0, limit) the operand counts as `fill`, or
    is skipped

A reshape changes nothing but the grouping of digits, a transpose their order, a slice, a pad or a
convolution's window their steps: each movement turns an access to its input into an access to the same stored
elements. Where digits cannot say it, `Unrepresentable` is raised, and the planner materialises the operand
first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from circuits.errors import CircuitError
from circuits.records import Region
from circuits.tensor import Shape


class Unrepresentable(CircuitError):
    """An operand cannot be addressed by digits as it is; materialised, it can. `operand` is its place among
    the node's inputs, where one is known to be at fault."""

    def __init__(self, reason: str, operand: int | None = None) -> None:
        super().__init__(reason)
        self.operand = operand


@dataclass(frozen=True)
class Layout:
    """Another order of a constant's elements: `array.reshape(sizes).transpose(order)`. No sizes at all: one
    element stands for all, which are equal."""

    sizes: tuple[int, ...]
    order: tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A stored tensor. `first` is its first leaf. A constant's place follows only when a record reads it:
    until then it is known by its node and layout (None: as it is)."""

    region: Region
    width: int
    elements: int
    first: int = -1
    constant: int = -1
    layout: Layout | None = None


@dataclass(frozen=True)
class Digit:
    """One digit of an index: its size, and its step in the address and in each guard's coordinate."""

    size: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Access:
    """Where one operand lies, over the digits of the output's index (`outer`) and of the reduction
    (`inner`)."""

    tensor: Tensor
    outer: tuple[Digit, ...]
    inner: tuple[Digit, ...]
    bases: tuple[int, ...]
    """Of the address, then of each guard's coordinate."""
    limits: tuple[int, ...] = ()
    fill: int = 0
    skip: bool = False

    @property
    def active(self) -> tuple[Digit, ...]:
        """The outer digits that make a difference."""
        return tuple(digit for digit in self.outer if any(digit.steps))


class Fresh:
    """An axis that an operation adds to the index."""

    def __init__(self, size: int) -> None:
        self.size = size


@dataclass(frozen=True)
class Affine:
    """An old axis' index as base + sum of step * a fresh axis' index."""

    base: int
    steps: tuple[tuple[Fresh, int], ...] = ()


Item = int | Fresh
"""An axis of a new index: an old axis kept whole, or a fresh one."""


def whole(tensor: Tensor) -> Access:
    """All elements of a stored tensor, in order."""
    digits = (Digit(tensor.elements, (1,)),) if tensor.elements > 1 else ()
    return Access(tensor, digits, (), (0,))


def normalised(access: Access) -> Access:
    """The same addresses with the fewest digits and guards, so that equal accesses are equal values."""
    digits = (*access.outer, *access.inner)
    # guards with the same steps bound the same sum: it must lie in all their intervals
    intervals: dict[tuple[int, ...], tuple[int, int]] = {}
    for column, limit in enumerate(access.limits, start=1):
        steps = tuple(digit.steps[column] for digit in digits)
        low, high = -access.bases[column], limit - access.bases[column]
        earlier = intervals.get(steps, (low, high))
        intervals[steps] = (max(low, earlier[0]), min(high, earlier[1]))
    kept = {steps: edges for steps, edges in intervals.items() if not _inside(steps, digits, *edges)}
    columns = [tuple(digit.steps[0] for digit in digits), *kept]
    joined = [Digit(d.size, tuple(column[k] for column in columns)) for k, d in enumerate(digits)]
    return Access(
        access.tensor,
        outer=merged(joined[: len(access.outer)]),
        inner=merged(joined[len(access.outer) :]),
        bases=(access.bases[0], *(-low for low, _ in kept.values())),
        limits=tuple(max(high - low, 0) for low, high in kept.values()),
        fill=access.fill if kept and not access.skip else 0,
        skip=access.skip and bool(kept),
    )


def _inside(steps: Sequence[int], digits: Sequence[Digit], low: int, high: int) -> bool:
    """Whether the sum of digits times steps always lies in [low, high)."""
    edges = [step * (digit.size - 1) for step, digit in zip(steps, digits, strict=True)]
    return low <= sum(min(edge, 0) for edge in edges) and sum(max(edge, 0) for edge in edges) < high


def merged(digits: Iterable[Digit]) -> tuple[Digit, ...]:
    """The digits without those of size 1, and with each neighbour that only continues the next one's steps
    joined to it."""
    out: list[Digit] = []
    for digit in digits:
        if digit.size == 1:
            continue
        if out and out[-1].steps == tuple(step * digit.size for step in digit.steps):
            out[-1] = Digit(out[-1].size * digit.size, digit.steps)
        else:
            out.append(digit)
    return tuple(out)


def cuts_of(sizes: Sequence[int]) -> set[int]:
    """Where a row-major index is cut by these sizes: the products of the last few of them."""
    cuts, product = set(), 1
    for size in reversed(sizes):
        product *= size
        cuts.add(product)
    return cuts


def refined(digits: Sequence[Digit], cuts: Iterable[int]) -> tuple[Digit, ...]:
    """The digits split so that the index is cut wherever `cuts` says.

    Raises
    ------
    Unrepresentable
        If a cut falls inside a digit and does not divide it.
    """
    ordered = sorted(cuts)
    out: list[Digit] = []
    below = 1
    for digit in reversed(digits):
        start = below
        for cut in ordered:
            if below < cut < start * digit.size:
                if cut % below or digit.size * start % cut:
                    raise Unrepresentable("the axes of two operands do not divide one another")
                out.append(Digit(cut // below, tuple(step * (below // start) for step in digit.steps)))
                below = cut
        out.append(Digit(digit.size * start // below, tuple(step * (below // start) for step in digit.steps)))
        below = start * digit.size
    return tuple(digit for digit in reversed(out) if digit.size > 1)


def by_axis(digits: Sequence[Digit], shape: Shape) -> list[list[Digit]]:
    """The digits of each axis of a tensor of `shape`, whose index they make up."""
    rest = list(refined(digits, cuts_of(shape)))
    axes: list[list[Digit]] = []
    for size in reversed(shape):
        own: list[Digit] = []
        while math.prod(digit.size for digit in own) < size:
            own.insert(0, rest.pop())
        axes.insert(0, own)
    return axes


def remapped(
    access: Access,
    shape: Shape,
    outer: Sequence[Item],
    inner: Sequence[Item] = (),
    affine: Mapping[int, Affine] | None = None,
    guarded: Sequence[int] = (),
    fill: int = 0,
    skip: bool = False,
) -> Access:
    """The access after a movement: an index over new axes, each an old axis of `shape` kept or a fresh one.

    Parameters
    ----------
    outer, inner
        The axes of the new output index, and those that are reduced over from now on.
    affine
        How the index of each old axis that was not kept follows from fresh axes; an axis left out altogether
        is at 0.
    guarded
        Old axes whose index may leave [0, size): there the operand counts as `fill`, or is skipped.

    Raises
    ------
    Unrepresentable
        If an axis of several digits is moved as a whole, or the access has other guards already.
    """
    affine = affine or {}
    axes = by_axis(access.outer, shape)
    columns = len(access.bases)
    bases = list(access.bases)
    steps = {item: [0] * columns for item in (*outer, *inner) if isinstance(item, Fresh)}
    for axis, form in affine.items():
        if form.steps and len(axes[axis]) > 1:
            raise Unrepresentable("an axis was split by an earlier movement")
        rest = form.base
        for digit in reversed(axes[axis]):
            # a fixed index is spread over several digits; a moving one has a single digit
            at = rest if form.steps else rest % digit.size
            rest //= digit.size
            for column, step in enumerate(digit.steps):
                bases[column] += at * step
                for fresh, factor in form.steps:
                    steps[fresh][column] += factor * step
    failing = [axis for axis in guarded if _may_leave(affine[axis], shape[axis])]
    if failing and access.limits and (access.fill, access.skip) != (fill, skip):
        raise Unrepresentable("an operand is padded twice, with different values")
    for axis in failing:
        bases.append(affine[axis].base)
        for fresh, own in steps.items():
            own.append(sum(factor for item, factor in affine[axis].steps if item is fresh))

    def digits(items: Sequence[Item]) -> list[Digit]:
        out = []
        for item in items:
            if isinstance(item, Fresh):
                out.append(Digit(item.size, tuple(steps[item])))
            else:
                out.extend(_padded(digit, len(failing)) for digit in axes[item])
        return out

    return normalised(
        Access(
            access.tensor,
            outer=tuple(digits(outer)),
            inner=(*digits(inner), *(_padded(digit, len(failing)) for digit in access.inner)),
            bases=tuple(bases),
            limits=(*access.limits, *(shape[axis] for axis in failing)),
            fill=fill if failing else access.fill,
            skip=skip if failing else access.skip,
        )
    )


def _may_leave(form: Affine, size: int) -> bool:
    """Whether an axis' index can leave [0, size)."""
    edges = [step * (fresh.size - 1) for fresh, step in form.steps]
    low, high = (form.base + sum(pick(edge, 0) for edge in edges) for pick in (min, max))
    return low < 0 or high >= size


def _padded(digit: Digit, columns: int) -> Digit:
    return Digit(digit.size, (*digit.steps, *(0,) * columns)) if columns else digit


def reshaped(access: Access, shape: Shape) -> Access:
    """Check that the index can be read with the axes of `shape`; the digits stay as they are."""
    refined(access.outer, cuts_of(shape))
    return access


def sliced(
    access: Access, shape: Shape, starts: Sequence[int], steps: Sequence[int], sizes: Sequence[int]
) -> Access:
    """The access to a slice. A slice of whole rows of an axis of several digits moves its outermost digit
    only."""
    axes = by_axis(access.outer, shape)
    split: list[int] = []
    outer: list[Item] = []
    affine: dict[int, Affine] = {}
    for axis, (start, step, size) in enumerate(zip(starts, steps, sizes, strict=True)):
        own = axes[axis]
        rows = math.prod(digit.size for digit in own[1:])
        if size == shape[axis] and step == 1:
            outer.append(len(split))
            split.append(shape[axis])
            continue
        if len(own) > 1 and step == 1 and start % rows == size % rows == 0:
            fresh = Fresh(size // rows)
            affine[len(split)] = Affine(start // rows, ((fresh, 1),))
            outer.extend((fresh, len(split) + 1))
            split.extend((own[0].size, rows))
            continue
        if size == 1:
            affine[len(split)] = Affine(start)
        else:
            fresh = Fresh(size)
            affine[len(split)] = Affine(start, ((fresh, step),))
            outer.append(fresh)
        split.append(shape[axis])
    return remapped(access, tuple(split), outer, affine=affine)
