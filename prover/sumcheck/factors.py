"""Factors of weights as vectors on a device."""

from __future__ import annotations

from collections.abc import Sequence

from prover.sumcheck.device import Device, Shape, Vector
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.weights import Factor


def factor_vector(device: Device, factor: Factor) -> Vector:
    """A factor's values; eq is made on the device, and only the others by the verifier's code."""
    if factor.point is not None:
        return device.part(device.eq(factor.point), 0, factor.sizes[0])
    return device.vector(factor.values)


def expanded(device: Device, shape: Shape, factors: Sequence[Factor], start: int) -> Vector:
    """The product of factors over all axes of a shape, zero on the padding; its first axis is `start`."""
    return device.arranged(
        product_of(device, shape, factors, start), shape, range(len(shape)), padded_shape(shape)
    )


def product_of(device: Device, shape: Shape, factors: Sequence[Factor], start: int) -> Vector:
    """The same on the true cells alone."""
    made = device.vector([1])
    axes: list[int] = []
    for factor in factors:
        made = device.kron(made, factor_vector(device, factor))
        axes += [axis - start for axis in factor.axes]
    sizes = tuple(shape[axis] for axis in axes)
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    return device.arranged(made, sizes, order, tuple(sizes[i] for i in order))


def padded_shape(shape: Shape) -> Shape:
    """The shape with each axis padded to a power of two."""
    return tuple(1 << bits_of(n) for n in shape)
