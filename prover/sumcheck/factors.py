"""Factors of weights as vectors on a device.

Tensors of like layers are claimed at the same points, so that of thousands of factors a few dozen differ:
each is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from prover.sumcheck.device import Device, Shape, Vector
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.weights import Factor


class FactorVectors:
    """Makes vectors of factors, and keeps them. They are shared, so nobody may overwrite one."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._made: dict[Hashable, Vector] = {}

    def factor(self, factor: Factor) -> Vector:
        """A factor's values; eq is made on the device, and only the others by the verifier's code."""

        def make() -> Vector:
            if factor.point is not None:
                return self.device.part(self.device.eq(factor.point), 0, factor.sizes[0])
            return self.device.vector(factor.values)

        return self._once(("factor", factor.sizes, factor.key), make)

    def expanded(self, shape: Shape, factors: Sequence[Factor], start: int) -> Vector:
        """The product of factors over all axes of a shape, zero on the padding; its first axis is `start`."""

        def make() -> Vector:
            product = self.product(shape, factors, start)
            return self.device.arranged(product, shape, range(len(shape)), padded_shape(shape))

        return self._once(("expanded", shape, names(factors, start)), make)

    def product(self, shape: Shape, factors: Sequence[Factor], start: int) -> Vector:
        """The same on the true cells alone."""

        def make() -> Vector:
            made = self.device.vector([1])
            axes: list[int] = []
            for factor in factors:
                made = self.device.kron(made, self.factor(factor))
                axes += [axis - start for axis in factor.axes]
            sizes = tuple(shape[axis] for axis in axes)
            order = sorted(range(len(axes)), key=lambda i: axes[i])
            return self.device.arranged(made, sizes, order, tuple(sizes[i] for i in order))

        return self._once(("product", shape, names(factors, start)), make)

    def _once(self, key: Hashable, make: Callable[[], Vector]) -> Vector:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def names(factors: Sequence[Factor], start: int) -> Hashable:
    """Equal for factors that are equal, axes being counted from `start`."""
    return frozenset((tuple(axis - start for axis in f.axes), f.sizes, f.key) for f in factors)


def padded_shape(shape: Shape) -> Shape:
    """The shape with each axis padded to a power of two."""
    return tuple(1 << bits_of(n) for n in shape)
