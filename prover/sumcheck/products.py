"""The factors of the products' sumcheck, contracted from integer tensors.

A factor X'(b, k) = sum_i w_I(i) X(b, i, k) is computed from the integer values of X, the weighted axes
contracted one after another, the first time integers with field elements. The windows of a convolution are
never written out: their weights are brought to the axes of the tensor beneath.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, Vector
from prover.sumcheck.factors import expanded, factor_vector, padded_shape
from prover.sumcheck.rounds import Term
from prover.sumcheck.witness import Witness
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.maps import Window
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.products import Group, Instance
from verifier.sumcheck.system import Labels, Linear, System, Virtual
from verifier.sumcheck.weights import Factor

Axis = tuple[object, int]
"""A label and a size. Axes of size 1 without a label are left out."""
Step = tuple[list[object], Vector, list[Axis]]
"""Axes to contract, weights [made, taken], and the axes that take their place."""


def group_term(device: Device, witness: Witness, group: Group) -> Term:
    """The factors of a group's sum."""
    length, cells = 1 << group.variables, 1 << group.bits
    lefts, rights, weights = [], [], []
    for instance in group.instances:
        left = _operand(device, witness, instance, "left")
        if group.weighted:
            weights.append(device.scale(_shared_weights(device, instance), instance.scale))
        elif instance.scale != 1:
            left = device.scale(left, instance.scale)
        lefts.append(left)
        rights.append(_operand(device, witness, instance, "right"))
    assert all(device.length(vector) == cells for vector in (*lefts, *rights, *weights))
    factors = [device.joined(vectors, length) for vectors in (weights, lefts, rights) if vectors]
    return Term(group.variables, factors, _sum_of_products(device, factors))


def _sum_of_products(device: Device, factors: Sequence[Vector]) -> int:
    first, *middle, last = factors
    for vector in middle:
        first = device.multiply(first, vector)
    return device.dot(first, last)


def _shared_weights(device: Device, instance: Instance) -> Vector:
    """w_B(b) for all (b, k)."""
    place = {label: axis for axis, (label, _) in enumerate(instance.shared)}
    factors = [f.moved(tuple(place[label] for label in f.axes)) for f in instance.shared_factors]
    weights = expanded(device, tuple(n for _, n in instance.shared), factors, 0)
    contracted = math.prod(1 << bits_of(n) for _, n in instance.contracted)
    return device.repeated(weights, contracted)


@dataclass
class _Partial:
    """A tensor some of whose axes are contracted: integers at first, then a vector. Axes have labels."""

    axes: list[Axis]
    integers: IntArray | None
    vector: Vector = None


def _operand(device: Device, witness: Witness, instance: Instance, side: str) -> Vector:
    product = instance.product
    left = side == "left"
    tensor = product.left if left else product.right
    labels = product.left_labels if left else product.right_labels
    factors = instance.left_factors if left else instance.right_factors
    tensor, axes, steps, used = _beneath_windows(device, witness.system, tensor, labels, factors)
    steps += [(list(f.axes), factor_vector(device, f), []) for f in factors if f not in used]
    partial = _Partial(axes, witness.value(tensor).reshape([n for _, n in axes]))
    # what shrinks the tensor most comes first, while its entries are small integers
    for taken, weights, made in sorted(
        steps, key=lambda step: -device.length(step[1]) / _cells(step[2]) ** 2
    ):
        _contract(device, partial, taken, weights, made)
    vector = partial.vector if partial.integers is None else device.integers(partial.integers)
    order = [label for label, _ in (*instance.shared, *instance.contracted)]
    names = [label for label, _ in partial.axes]
    padded = padded_shape(tuple(n for _, n in (*instance.shared, *instance.contracted)))
    shape = tuple(n for _, n in partial.axes)
    return device.arranged(vector, shape, [names.index(label) for label in order], padded)


def _cells(axes: Sequence[Axis]) -> int:
    return math.prod(n for _, n in axes)


def _contract(
    device: Device, partial: _Partial, taken: Sequence[object], weights: Vector, made: list[Axis]
) -> None:
    """Replace the axes `taken`, in that order, by `made`: weights are [made, taken], row-major."""
    names = [label for label, _ in partial.axes]
    where = [names.index(label) for label in taken]
    if where != list(range(where[0], where[0] + len(where))):
        # bring them together where the first of them stands
        others = [i for i in range(len(names)) if i not in where]
        before = [i for i in others if i < where[0]]
        order = before + where + [i for i in others if i >= where[0]]
        shape = tuple(n for _, n in partial.axes)
        if partial.integers is not None:
            partial.integers = partial.integers.transpose(order)
        else:
            partial.vector = device.arranged(partial.vector, shape, order, tuple(shape[i] for i in order))
        partial.axes = [partial.axes[i] for i in order]
        start = len(before)
    else:
        start = where[0]
    end = start + len(where)
    outer, axis, inner = (
        _cells(part) for part in (partial.axes[:start], partial.axes[start:end], partial.axes[end:])
    )
    if partial.integers is not None:
        values = np.ascontiguousarray(partial.integers).reshape(outer, axis, inner)
        partial.vector, partial.integers = device.contract(values, weights), None
    else:
        partial.vector = device.contract_vector(partial.vector, (outer, axis, inner), weights)
    partial.axes[start:end] = made


def _beneath_windows(
    device: Device, system: System, tensor: int, labels: Labels, factors: Sequence[Factor]
) -> tuple[int, list[Axis], list[Step], list[Factor]]:
    """The tensor to which an operand's windows are applied, its axes, and the weights of the taps.

    A window turns an axis h into (p, q), h = p * stride + q * dilation - before. Where p alone has a factor
    w, the weights of h for each tap q are the w(p) with that h. An operand without such windows is its own
    source. Also returned are the factors that are used up.
    """
    axes: list[Axis] = list(zip(labels, system.shape(tensor), strict=True))
    by_label: dict[object, Factor] = {factor.axes[0]: factor for factor in factors if len(factor.axes) == 1}
    steps: list[Step] = []
    used = []
    while (window := _window(system, tensor)) is not None:
        (p, count), (q, kernel) = axes[window.axis : window.axis + 2]
        if count > 1 and p not in by_label:
            break
        if p in by_label:
            used.append(by_label[p])
        name = ("window", window.axis)
        matrix = _tap_weights(window, by_label[p].values if p in by_label else [1])
        steps.append(([name], device.vector(matrix), [(q, kernel)] if kernel > 1 else []))
        axes[window.axis : window.axis + 2] = [(name, window.source[window.axis])]
        tensor = system.tensors[tensor].terms[0].source  # type: ignore[union-attr]
    return tensor, [(label, n) for label, n in axes if label is not None], steps, used


def _window(system: System, tensor: int) -> Window | None:
    """The window map that a tensor is the image of."""
    made = system.tensors[tensor]
    if isinstance(made, Virtual) and len(made.terms) == 1 and made.constant == 0:
        [term] = made.terms
        if isinstance(term, Linear) and term.coefficient == 1 and isinstance(term.map, Window):
            return term.map
    return None


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
