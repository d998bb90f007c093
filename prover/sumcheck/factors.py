"""Factors of weights as vectors on a device."""

from __future__ import annotations

from prover.sumcheck.device import Device, Vector
from verifier.sumcheck.weights import Factor


def factor_vector(device: Device, factor: Factor) -> Vector:
    """A factor's values; eq is made on the device, and only the others by the verifier's code."""
    if factor.point is not None:
        return device.part(device.eq(factor.point), 0, factor.sizes[0])
    return device.vector(factor.values)
