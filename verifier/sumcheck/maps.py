"""Linear maps on tensors, seen from the verifier: what a claim on the image says of the source.

For Y = M(X) and weights W on Y::

    sum_j W[j] * Y[j] = sum_i (M^T W)[i] * X[i],

so a claim is pulled back by the transpose of the map. Every map states its images' cells by a formula; `pull`
is its transpose. Where a map moves cells along axes, the factors over other axes stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import (
    Point,
    eq_before,
    eq_vector,
    index_extension,
    shifted_overlap,
    window_sum,
    window_values,
)
from verifier.sumcheck.weights import Extend, Factor, Shape, Weights, eq_factor, joined, ones


class Map(Protocol):
    """A linear map from a tensor of shape `source` to one of shape `shape`."""

    @property
    def source(self) -> Shape:
        """The shape of what is mapped."""
        ...

    @property
    def shape(self) -> Shape:
        """The shape of the image."""
        ...

    def pull(self, weights: Weights) -> Weights:
        """The weights on the source that say what `weights` say of the image."""
        ...


@dataclass(frozen=True)
class Identity:
    """y = x."""

    shape: Shape

    @property
    def source(self) -> Shape:
        return self.shape

    def pull(self, weights: Weights) -> Weights:
        return weights


@dataclass(frozen=True)
class Broadcast:
    """y[..., i, ...] = x[..., i or 0, ...], aligned at the last axis, as NumPy does."""

    source: Shape
    shape: Shape

    def pull(self, weights: Weights) -> Weights:
        new = len(self.shape) - len(self.source)
        factors = []
        for factor in weights.factors:
            kept = [axis for axis in factor.axes if axis >= new and self.source[axis - new] > 1]
            if len(kept) == len(factor.axes):
                factors.append(factor.moved(tuple(axis - new for axis in factor.axes)))
            elif kept:
                reduced = _summed(joined([factor], kept), len(kept))
                factors.append(reduced.moved(tuple(axis - new for axis in reduced.axes)))
            else:
                factors.append(factor.total())
        return Weights(weights.coefficient, factors)


def _summed(factor: Factor, keep: int) -> Factor:
    """A factor summed over all axes but its first `keep`."""
    inner = math.prod(factor.sizes[keep:])

    def compute() -> list[int]:
        values = factor.values
        return [sum(values[i : i + inner]) % SCALAR_FIELD for i in range(0, len(values), inner)]

    key = ("summed", factor.key, factor.sizes)
    return Factor(factor.axes[:keep], factor.sizes[:keep], key, compute, (factor,))


@dataclass(frozen=True)
class Transpose:
    """y[i_0, ...] = x[j] with j[perm[k]] = i_k."""

    source: Shape
    perm: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        return tuple(self.source[p] for p in self.perm)

    def pull(self, weights: Weights) -> Weights:
        moved = (factor.moved(tuple(self.perm[axis] for axis in factor.axes)) for factor in weights.factors)
        return Weights(weights.coefficient, moved)


@dataclass(frozen=True)
class Sum:
    """y[..., 0, ...] = sum_i x[..., i, ...] along one axis."""

    source: Shape
    axis: int

    @property
    def shape(self) -> Shape:
        return self.source[: self.axis] + (1,) + self.source[self.axis + 1 :]

    def pull(self, weights: Weights) -> Weights:
        size = self.source[self.axis]
        return (
            weights if size == 1 else Weights(weights.coefficient, (*weights.factors, ones(self.axis, size)))
        )


@dataclass(frozen=True)
class SumBehind:
    """y[..., t, ...] = sum_{i > t} x[..., i, ...] along one axis."""

    source: Shape
    axis: int

    @property
    def shape(self) -> Shape:
        return self.source

    def pull(self, weights: Weights) -> Weights:
        size = self.source[self.axis]
        if size == 1:
            return weights.scaled(0)
        extend = self._extend(weights, size)
        return _replace(weights, [self.axis], (self.axis,), (size,), ("behind",), _prefix_sums, extend)

    def _extend(self, weights: Weights, size: int) -> Extend | None:
        """The extension of the pulled factor, where the weights along the axis are eq, or all 1."""
        [own] = [factor for factor in weights.proper_factors if self.axis in factor.axes]
        point = own.point
        if point is not None:
            return lambda points: eq_before(point, points[0], size)
        if own.key == "ones" and len(own.axes) == 1:
            return lambda points: index_extension(points[0], size)[1]
        return None


def _prefix_sums(values: list[int], inner: int) -> list[int]:
    rows = len(values) // inner
    totals = [0] * inner
    result: list[int] = []
    for row in range(rows):
        result += totals
        totals = [
            (a + b) % SCALAR_FIELD
            for a, b in zip(totals, values[row * inner : (row + 1) * inner], strict=True)
        ]
    return result


@dataclass(frozen=True)
class Select:
    """y[..., t, ...] = x[..., index[t], ...] along one axis, or 0 where index[t] lies outside.

    Slices, padding with zeros, the parts of a concatenation and gathering at fixed indices are all of this
    kind; a range serves as an index too.
    """

    source: Shape
    axis: int
    index: range | tuple[int, ...]

    @property
    def shape(self) -> Shape:
        return self.source[: self.axis] + (len(self.index),) + self.source[self.axis + 1 :]

    def pull(self, weights: Weights) -> Weights:
        size, key = self.source[self.axis], ("select", self.index)
        return _scattered(weights, self.axis, 1, size, lambda: self.index, key, self._extend(weights))

    def _extend(self, weights: Weights) -> Extend | None:
        """The extension of the pulled factor, where it is eq on a stretch of the source."""
        points = [factor.point for factor in weights.proper_factors if self.axis in factor.axes]
        point, index = points[0] if points else None, self.index
        if point is None or not isinstance(index, range) or index.step != 1:
            return None
        begin, end = max(index.start, 0), min(index.stop, self.source[self.axis])
        shift = begin - index.start
        return lambda points: shifted_overlap(point, shift, points[0], begin, max(0, end - begin))


@dataclass(frozen=True)
class Window:
    """y[..., p, q, ...] = x[..., p * stride + q * dilation - before, ...], 0 outside; an axis becomes two."""

    source: Shape
    axis: int
    count: int
    kernel: int
    stride: int
    dilation: int
    before: int

    @property
    def shape(self) -> Shape:
        return self.source[: self.axis] + (self.count, self.kernel) + self.source[self.axis + 1 :]

    @cached_property
    def _index(self) -> tuple[int, ...]:
        return tuple(
            p * self.stride + q * self.dilation - self.before
            for p in range(self.count)
            for q in range(self.kernel)
        )

    def pull(self, weights: Weights) -> Weights:
        key = ("window", self.count, self.kernel, self.stride, self.dilation, self.before)
        size = self.source[self.axis]
        own = {factor.axes: factor for factor in weights.proper_factors}
        outer, inner = own.get((self.axis,)), own.get((self.axis + 1,))
        if outer is None or inner is None:
            # a window far too wide for anybody must not be written out before it is refused
            return _scattered(weights, self.axis, 2, size, lambda: self._index, key)
        others = [_past(factor, self.axis, 2) for factor in weights.factors if factor not in (outer, inner)]
        return Weights(weights.coefficient, (*others, self._separable(outer, inner, key)))

    def _separable(self, outer: Factor, inner: Factor, key: tuple[object, ...]) -> Factor:
        """The pulled factor, where the weights on the two axes are factors of their own."""
        size = self.source[self.axis]

        def compute() -> list[int]:
            return window_values(outer.values, inner.values, size, self.stride, self.dilation, self.before)

        def extend(points: Sequence[Point]) -> int:
            cells = eq_vector(points[0], size)
            return window_sum(outer.values, inner.values, cells, self.stride, self.dilation, self.before)

        axes, sizes = ((self.axis,), (size,)) if size > 1 else ((), ())
        whole = (*key, sizes, (outer.key, outer.sizes), (inner.key, inner.sizes))
        return Factor(axes, sizes, whole, compute, (outer, inner), extend if axes else None)


def _scattered(
    weights: Weights,
    axis: int,
    run: int,
    size: int,
    index: Callable[[], Sequence[int]],
    key: tuple[object, ...],
    extend: Extend | None = None,
) -> Weights:
    """Turn `run` axes of the image into one of the source: image index j gives its weight to index()[j]."""
    renumbered = Weights(weights.coefficient, [_past(factor, axis, run) for factor in weights.factors])

    def scatter(values: list[int], inner: int) -> list[int]:
        result = [0] * (size * inner)
        for row, target in enumerate(index()):
            if 0 <= target < size:
                for i in range(inner):
                    result[target * inner + i] += values[row * inner + i]
        return [value % SCALAR_FIELD for value in result]

    axes, sizes = ((axis,), (size,)) if size > 1 else ((), ())
    return _replace(renumbered, _marks(axis, run), axes, sizes, key, scatter, extend)


def _marks(axis: int, run: int) -> list[int]:
    """The names that `_past` gives to the axes of the run: they are no axes of the source."""
    return [axis] if run == 1 else [-1 - i for i in range(run)]


def _past(factor: Factor, axis: int, run: int) -> Factor:
    """Renumber the axes of an image in which one axis of the source has become a run of axes."""
    marks = _marks(axis, run)
    return factor.moved(
        tuple(a if a < axis else marks[a - axis] if a < axis + run else a - run + 1 for a in factor.axes)
    )


def _replace(
    weights: Weights,
    run: Sequence[int],
    axes: tuple[int, ...],
    sizes: Shape,
    key: tuple[object, ...],
    transform: Transform,
    extend: Extend | None = None,
) -> Weights:
    """Replace the factors over the axes `run` by one over `axes`, whose values `transform` makes."""
    touched = [factor for factor in weights.factors if any(axis in run for axis in factor.axes)]
    others = [factor for factor in weights.factors if not any(axis in run for axis in factor.axes)]
    joint = joined(touched, run) if touched else Factor((), (), "one", lambda: [1])
    outer = sum(axis in run for axis in joint.axes)
    rest, rest_sizes = joint.axes[outer:], joint.sizes[outer:]
    inner = math.prod(rest_sizes)
    made = Factor(
        axes + rest,
        sizes + rest_sizes,
        (*key, sizes, joint.key, joint.sizes),
        lambda: transform(joint.values, inner),
        (joint,),
        extend,
    )
    return Weights(weights.coefficient, (*others, made))


class Transform(Protocol):
    """Maps values over (run, others) to values over (new axis, others); `inner` is the number of others."""

    def __call__(self, values: list[int], inner: int) -> list[int]: ...


@dataclass(frozen=True)
class Reshape:
    """y[flat i] = x[flat i], row-major."""

    source: Shape
    shape: Shape

    def pull(self, weights: Weights) -> Weights:
        groups = _groups(self.shape, self.source)
        factors: list[Factor] = [factor for factor in weights.factors if not factor.axes]
        pending = [factor for factor in weights.factors if factor.axes]
        for images, sources in _merged(groups, pending):
            inside = [factor for factor in pending if factor.axes[0] in images]
            factors += _regrouped(inside, images, sources, self.source)
        return Weights(weights.coefficient, factors)


Group = tuple[list[int], list[int]]


def _groups(image: Shape, source: Shape) -> list[Group]:
    """The shortest runs of axes (of size above 1) of both shapes that hold the same cells."""
    left = [axis for axis, n in enumerate(image) if n > 1]
    right = [axis for axis, n in enumerate(source) if n > 1]
    groups: list[Group] = []
    i = j = 0
    while i < len(left):
        first, second = i, j
        a, b = image[left[i]], source[right[j]]
        i, j = i + 1, j + 1
        while a != b:
            if a < b:
                a, i = a * image[left[i]], i + 1
            else:
                b, j = b * source[right[j]], j + 1
        groups.append((left[first:i], right[second:j]))
    return groups


def _merged(groups: list[Group], factors: Sequence[Factor]) -> list[Group]:
    """Join the groups that one factor reaches into."""
    for factor in factors:
        touched = [group for group in groups if any(axis in group[0] for axis in factor.axes)]
        if len(touched) > 1:
            joint = (
                [a for images, _ in touched for a in images],
                [a for _, sources in touched for a in sources],
            )
            groups = [group for group in groups if group not in touched] + [joint]
    return groups


def _regrouped(inside: list[Factor], images: list[int], sources: list[int], shape: Shape) -> list[Factor]:
    """The factors over the source's axes of a group."""
    if len(images) == len(sources) == 1:
        return [factor.moved((sources[0],)) for factor in inside]
    by_axis = {factor.axes[0]: factor for factor in inside if len(factor.axes) == 1}
    whole = [by_axis[axis] for axis in images if axis in by_axis]
    point = _one_point(whole) if len(whole) == len(images) else None
    if point is not None:
        pieces = _split(point, [shape[axis] for axis in sources])
        if pieces is not None:
            return [eq_factor(axis, shape[axis], piece) for axis, piece in zip(sources, pieces, strict=True)]
    joint = joined(inside, images)
    sizes = tuple(shape[axis] for axis in sources)
    return [Factor(tuple(sources), sizes, joint.key, lambda: joint.values, (joint,))]


def _one_point(factors: Sequence[Factor]) -> tuple[int, ...] | None:
    """The point z with eq(z, .) equal to the product of the factors over their joint index, if there is one.

    All but the first must fill a power of two, so that bits of the joint index are bits of one of theirs.
    """
    point: tuple[int, ...] = ()
    for i, factor in enumerate(factors):
        size = factor.sizes[0]
        if factor.point is None or (i > 0 and size & (size - 1)):
            return None
        point += factor.point
    return point


def _split(point: tuple[int, ...], sizes: Sequence[int]) -> list[tuple[int, ...]] | None:
    """The points of eq's factors over several axes, all but the first filling a power of two."""
    pieces: list[tuple[int, ...]] = []
    end = len(point)
    for size in reversed(sizes[1:]):
        if size & (size - 1):
            return None
        start = end - (size.bit_length() - 1)
        pieces.append(point[start:end])
        end = start
    return [point[:end], *reversed(pieces)]
