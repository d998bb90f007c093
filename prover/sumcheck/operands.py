"""The factors of products as vectors, contracted from integer tensors.

A factor X'(b, k) = sum_i w_I(i) X(b, i, k) is computed from the integer values of X, the weighted axes
contracted one after another, the first time integers with field elements. The windows of a convolution are
never written out: their weights are brought to the axes of the tensor beneath.

Like layers have operands of one shape with the same weights, and so one recipe.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Shape, Vector
from prover.sumcheck.factors import FactorVectors, padded_shape
from prover.sumcheck.witness import Witness
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.maps import Window
from verifier.sumcheck.products import Instance
from verifier.sumcheck.system import Labels, Linear, System, Virtual
from verifier.sumcheck.weights import Factor

Axis = tuple[Hashable, int]
"""A label and a size. Axes of size 1 without a label are left out."""


class Operands:
    """Makes the operands of instances."""

    def __init__(self, vectors: FactorVectors, witness: Witness) -> None:
        self._vectors, self._device, self._witness = vectors, vectors.device, witness
        self._recipes: dict[Hashable, _Recipe] = {}

    def operand(self, instance: Instance, side: str) -> Vector:
        """X' or Y' for all (b, k), zero where they pad: a vector of its own."""
        product = instance.product
        left = side == "left"
        tensor = product.left if left else product.right
        labels = product.left_labels if left else product.right_labels
        factors = instance.left_factors if left else instance.right_factors
        source, axes, taps = _beneath_windows(self._witness.system, tensor, labels, factors)
        variables = (*instance.shared, *instance.contracted)
        key = axes, taps, tuple(factor.identity for factor in factors), variables
        recipe = self._recipes.get(key)
        if recipe is None:
            steps = _steps(self._vectors, taps, factors)
            recipe = self._recipes[key] = _recipe(axes, steps, variables)
        return self._follow(recipe, self._witness.value(source).reshape(recipe.shape))

    def _follow(self, recipe: _Recipe, integers: IntArray) -> Vector:
        if not recipe.contractions:
            # padded while its cells are narrow
            return self._device.integers(_padded(integers.transpose(recipe.order), recipe.padded))
        first, *others = recipe.contractions
        matrix = np.ascontiguousarray(integers.transpose(first.order), like=integers).reshape(first.lengths)
        vector = self._device.contract(matrix, first.weights)
        for each in others:
            permuted = tuple(each.shape[i] for i in each.order)
            vector = self._device.arranged(vector, each.shape, each.order, permuted)
            vector = self._device.contract_vector(vector, each.lengths, each.weights)
        return self._device.arranged(vector, recipe.left, recipe.order, recipe.padded)


@dataclass(frozen=True)
class _Contraction:
    """A tensor with its axes in another order, then as [outer, axis, inner] contracted along the second."""

    shape: Shape
    order: tuple[int, ...]
    lengths: tuple[int, int, int]
    weights: Vector


@dataclass(frozen=True)
class _Recipe:
    """How an operand comes from the integers of a tensor.

    Parameters
    ----------
    shape
        The tensor's.
    contractions
        What is done first.
    left
        The shape of what they leave.
    order, padded
        Its axes in the order of the sum's variables, and what these are padded to.
    """

    shape: Shape
    contractions: Sequence[_Contraction]
    left: Shape
    order: tuple[int, ...]
    padded: Shape


@dataclass(frozen=True)
class _Tap:
    """A window between an operand and its source: from the axis called `name` it makes the place p and, if it
    has more than one, the tap q.
    """

    window: Window
    name: Hashable
    place: Hashable
    taps: tuple[Axis, ...]


@dataclass(frozen=True)
class _Step:
    """Axes to contract, with weights [made, taken], and the axes that take their place."""

    taken: tuple[Hashable, ...]
    weights: Vector
    cells: int
    """The number of weights."""
    made: tuple[Axis, ...]


def _beneath_windows(
    system: System, tensor: int, labels: Labels, factors: Sequence[Factor]
) -> tuple[int, tuple[Axis, ...], tuple[_Tap, ...]]:
    """The tensor to which an operand's windows are applied, its axes, and those windows.

    A window turns an axis h into (p, q), h = p * stride + q * dilation - before. Where p alone has a factor
    w, the weights of h for each tap q are the w(p) with that h. An operand without such windows is its own
    source.
    """
    axes: list[Axis] = list(zip(labels, system.shape(tensor), strict=True))
    weighted = {factor.axes[0] for factor in factors if len(factor.axes) == 1}
    taps = []
    while (window := _window(system, tensor)) is not None:
        (place, count), tap = axes[window.axis : window.axis + 2]
        if count > 1 and place not in weighted:
            break
        name = ("window", window.axis)
        taps.append(_Tap(window, name, place, (tap,) if tap[1] > 1 else ()))
        axes[window.axis : window.axis + 2] = [(name, window.source[window.axis])]
        tensor = system.tensors[tensor].terms[0].source  # type: ignore[union-attr]
    return tensor, tuple((label, n) for label, n in axes if label is not None), tuple(taps)


def _window(system: System, tensor: int) -> Window | None:
    """The window map that a tensor is the image of."""
    made = system.tensors[tensor]
    if isinstance(made, Virtual) and len(made.terms) == 1 and made.constant == 0:
        [term] = made.terms
        if isinstance(term, Linear) and term.coefficient == 1 and isinstance(term.map, Window):
            return term.map
    return None


def _steps(vectors: FactorVectors, taps: Sequence[_Tap], factors: Sequence[Factor]) -> list[_Step]:
    """What is contracted: what shrinks the tensor most comes first, while its entries are small integers."""
    by_label: dict[Hashable, Factor] = {f.axes[0]: f for f in factors if len(f.axes) == 1}
    used = {tap.place for tap in taps if tap.place in by_label}
    steps = []
    for tap in taps:
        matrix = _tap_weights(tap.window, by_label[tap.place].values if tap.place in used else [1])
        steps.append(_Step((tap.name,), vectors.device.vector(matrix), len(matrix), tap.taps))
    for factor in factors:
        if len(factor.axes) > 1 or factor.axes[0] not in used:
            steps.append(_Step(factor.axes, vectors.factor(factor), math.prod(factor.sizes), ()))
    return sorted(steps, key=lambda step: -step.cells / math.prod(n for _, n in step.made) ** 2)


def _tap_weights(window: Window, weights: Sequence[int]) -> list[int]:
    """The weights of the source's axis for each tap, row-major."""
    size = window.source[window.axis]
    matrix = [0] * (window.kernel * size)
    for tap in range(window.kernel):
        for place, weight in enumerate(weights):
            h = place * window.stride + tap * window.dilation - window.before
            if 0 <= h < size:
                matrix[tap * size + h] = (matrix[tap * size + h] + weight) % SCALAR_FIELD
    return matrix


def _recipe(axes: tuple[Axis, ...], steps: Sequence[_Step], variables: Sequence[Axis]) -> _Recipe:
    """Plan the steps, from a tensor with such axes to the variables."""
    left = list(axes)
    contractions = []
    for step in steps:
        shape = tuple(n for _, n in left)
        where = [[label for label, _ in left].index(label) for label in step.taken]
        # those that are taken stand together where the first of them stands
        others = [i for i in range(len(left)) if i not in where]
        before, behind = ([i for i in others if (i < where[0]) == first] for first in (True, False))
        order = (*before, *where, *behind)
        outer, axis, inner = (math.prod(shape[i] for i in part) for part in (before, where, behind))
        contractions.append(_Contraction(shape, order, (outer, axis, inner), step.weights))
        left = [*(left[i] for i in before), *step.made, *(left[i] for i in behind)]
    labels = [label for label, _ in left]
    return _Recipe(
        tuple(n for _, n in axes),
        contractions,
        tuple(n for _, n in left),
        tuple(labels.index(label) for label, _ in variables),
        padded_shape(tuple(n for _, n in variables)),
    )


def _padded(x: IntArray, shape: Shape) -> IntArray:
    out = np.zeros(shape, dtype=x.dtype, like=x)
    out[tuple(slice(0, n) for n in x.shape)] = x
    return out
