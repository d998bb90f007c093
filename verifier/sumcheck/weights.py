"""Weights: what a claim says of a tensor.

A claim is a pair (W, v), "the cells of X, each times its weight, add up to v"::

    sum_i W[i] * X[i] = v,    i over the true cells of X.

A claim at a point z of X's multilinear extension has the weights eq(z, i). Since only true cells count, what
stands in the padding of a committed tensor can never matter.

Weights are a product of factors over disjoint sets of axes, so that neither side ever writes out as many
weights as X has cells. Each factor's values are computed when they are first asked for; its key says how they
come about, so that equal factors are found without computing them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import (
    Point,
    bits_of,
    eq_index,
    eq_mass,
    eq_overlap,
    eq_vector,
    inner_product,
    outer_product,
)

Shape = tuple[int, ...]
Extend = Callable[[Sequence[Point]], int]
"""The value of an extension at a point given axis by axis."""


class Factor:
    """A weight for each combination of indices along some axes.

    Parameters
    ----------
    axes
        The axes of the tensor, each of size above 1, in the order in which `values` has them. A factor over
        no axes is a number.
    sizes
        Their sizes.
    key
        How the values come about: two factors with the same key and sizes have the same values.
    compute
        Gives the values, row-major.
    sources
        The factors whose values that takes.
    extend
        Gives the extension at a point, if there is a way that does not take all values.
    """

    __slots__ = ("__dict__", "_compute", "_extend", "axes", "key", "sizes", "sources")

    def __init__(
        self,
        axes: tuple[int, ...],
        sizes: Shape,
        key: Hashable,
        compute: Callable[[], list[int]],
        sources: tuple[Factor, ...] = (),
        extend: Extend | None = None,
    ) -> None:
        self.axes, self.sizes, self.key = axes, sizes, key
        self._compute, self.sources, self._extend = compute, sources, extend

    @cached_property
    def values(self) -> list[int]:
        """The weights, row-major over `axes`, canonical."""
        return self._compute()

    @property
    def point(self) -> Point | None:
        """Where the factor is eq(z, i) over one axis: z."""
        match self.key:
            case ("eq", tuple(point)) if len(self.axes) == 1:
                return point
        return None

    @property
    def identity(self) -> Hashable:
        """Equal for factors that are equal."""
        return self.axes, self.sizes, self.key

    def moved(self, axes: tuple[int, ...]) -> Factor:
        """The same factor over other axes."""
        if axes == self.axes:
            return self
        return Factor(axes, self.sizes, self.key, lambda: self.values, (self,), self._extend)

    def at(self, index: int) -> int:
        """The weight at an index along the one axis."""
        return self.values[index] if self.point is None else eq_index(self.point, index)

    def total(self) -> Factor:
        """The sum of the values, as a number."""
        return Factor((), (), ("total", self.key, self.sizes), lambda: [self.sum()], (self,))

    def sum(self) -> int:
        """The sum of the values."""
        point = self.point
        return sum(self.values) % SCALAR_FIELD if point is None else eq_mass(point, self.sizes[0])

    def extension(self, points: Sequence[Point]) -> int:
        """The multilinear extension, zero on the padding, at a point given axis by axis."""
        if self.point is not None:
            return eq_overlap(self.point, points[0], self.sizes[0])
        if self.key == "ones" and len(self.axes) == 1:
            return eq_mass(points[0], self.sizes[0])
        if self._extend is not None:
            return self._extend(points)
        vectors = [eq_vector(point, size) for point, size in zip(points, self.sizes, strict=True)]
        return inner_product(self.values, kron(vectors))


def eq_factor(axis: int, size: int, point: Point) -> Factor:
    """eq(point, i) for i = 0, ..., size - 1 along one axis."""
    return Factor((axis,), (size,), ("eq", point), lambda: eq_vector(point, size))


def ones(axis: int, size: int) -> Factor:
    """The weight 1 everywhere along one axis."""
    return Factor((axis,), (size,), "ones", lambda: [1] * size)


class Weights:
    """A coefficient times factors that cover each axis of size above 1 exactly once."""

    __slots__ = ("__dict__", "coefficient", "factors")

    def __init__(self, coefficient: int, factors: Iterable[Factor]) -> None:
        self.coefficient = coefficient
        self.factors = tuple(factors)

    @cached_property
    def identity(self) -> Hashable:
        """Equal for weights that differ in their coefficients at most."""
        return frozenset(Counter(factor.identity for factor in self.factors).items())

    def scaled(self, by: int) -> Weights:
        """The weights times a number."""
        return Weights(self.coefficient * by % SCALAR_FIELD, self.factors)

    def scaled_sum(self, other: Weights) -> Weights:
        """The sum with weights that differ in the coefficient at most."""
        return Weights((self.coefficient + other.coefficient) % SCALAR_FIELD, self.factors)

    @property
    def unit_scale(self) -> int:
        """The product of the factors that are numbers."""
        product = 1
        for factor in self.factors:
            if not factor.axes:
                product = product * factor.values[0] % SCALAR_FIELD
        return product

    @property
    def scale(self) -> int:
        """The coefficient times all factors that are numbers."""
        return self.coefficient * self.unit_scale % SCALAR_FIELD

    @property
    def proper_factors(self) -> tuple[Factor, ...]:
        """The factors that are not numbers."""
        return tuple(factor for factor in self.factors if factor.axes)

    def total(self) -> int:
        """The sum of all weights."""
        product = self.unit_scale
        for factor in self.proper_factors:
            product = product * factor.sum() % SCALAR_FIELD
        return self.coefficient * product % SCALAR_FIELD

    def unit_extension(self, point: Sequence[Point]) -> int:
        """The multilinear extension of the weights over the coefficient, zero on the padding.

        The point is given axis by axis.
        """
        product = self.unit_scale
        for factor in self.proper_factors:
            product = product * factor.extension([point[axis] for axis in factor.axes]) % SCALAR_FIELD
        return product


def values_to_compute(weights: Iterable[Weights]) -> int:
    """How many values weights consist of, with all that they are computed from; computes none of them."""
    pending = [factor for each in weights for factor in each.factors]
    seen: dict[int, Factor] = {}
    while pending:
        factor = pending.pop()
        if id(factor) not in seen:
            seen[id(factor)] = factor
            pending += factor.sources
    return sum(math.prod(factor.sizes) for factor in seen.values())


def at_point(shape: Shape, point: Point) -> Weights:
    """The weights eq(z, i) on the true cells of a tensor, z being the last variables of `point`."""
    factors = []
    end = len(point)
    for axis in reversed(range(len(shape))):
        start = end - bits_of(shape[axis])
        if shape[axis] > 1:
            factors.append(eq_factor(axis, shape[axis], point[start:end]))
        end = start
    return Weights(1, reversed(factors))


def padded_bits(shape: Shape) -> int:
    """The number of variables of a tensor each of whose axes is padded to a power of two."""
    return sum(bits_of(n) for n in shape)


def kron(vectors: Sequence[list[int]]) -> list[int]:
    """The products of one entry from each vector, the first index slowest."""
    if not vectors:
        return [1]
    product = list(vectors[0])
    for vector in vectors[1:]:
        product = outer_product(product, vector)
    return product


def joined(factors: Sequence[Factor], first: Sequence[int]) -> Factor:
    """One factor for several: the axes of `first` in that order, then the others in theirs.

    Axes of `first` that no factor covers are those of size 1, and are left out.
    """
    axes = tuple(axis for factor in factors for axis in factor.axes)
    sizes = tuple(n for factor in factors for n in factor.sizes)
    position = {axis: i for i, axis in enumerate(axes)}
    order = [position[axis] for axis in first if axis in position]
    order += [i for i, axis in enumerate(axes) if axis not in first]
    key = tuple((factor.key, factor.sizes) for factor in factors), tuple(order)
    if len(factors) == 1 and order == list(range(len(axes))):
        return factors[0]

    def compute() -> list[int]:
        values = kron([factor.values for factor in factors])
        return values if order == list(range(len(axes))) else _permuted(values, sizes, order)

    return Factor(tuple(axes[i] for i in order), tuple(sizes[i] for i in order), key, compute, tuple(factors))


def _permuted(values: list[int], sizes: Shape, order: Sequence[int]) -> list[int]:
    """A row-major array with its axes in another order."""
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    offsets = [0]
    for i in order:
        offsets = [offset + j * strides[i] for offset in offsets for j in range(sizes[i])]
    return [values[offset] for offset in offsets]
