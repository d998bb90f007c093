"""Committing to inputs (`verifier.sumcheck.inputs`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.commitments import commit
from prover.sumcheck.device import Device
from verifier.circuit_header import CircuitHeader
from verifier.input_commitment import InputCommitment
from verifier.statement import input_commitment
from verifier.sumcheck.inputs import lay_out_inputs, padded_input
from verifier.sumcheck.weights import Shape


def padded_cells(x: IntArray, shape: Shape) -> IntArray:
    """An input of shape (1, *port's shape) with zeros behind it along each axis."""
    padded: IntArray = np.zeros(shape, dtype=x.dtype, like=x)
    padded[tuple(slice(0, n) for n in x.shape)] = x
    return padded


def commit_inputs(
    device: Device, header: CircuitHeader, chunk_bits: int, inputs: Sequence[IntArray]
) -> InputCommitment:
    """The commitment to one sample.

    Parameters
    ----------
    inputs
        For each port an array of shape (1, *port's shape).

    Raises
    ------
    BoundError
        If the inputs are not within the declared bounds.
    """
    root = input_commitment([int(v) for x in inputs for v in x.reshape(-1).tolist()], header)
    layout = lay_out_inputs([(i, port.shape) for i, port in enumerate(header.inputs)], chunk_bits)

    def cells(port: int) -> IntArray:
        return padded_cells(inputs[port], padded_input(header.inputs[port].shape, chunk_bits))

    points, _ = commit(device, layout, chunk_bits, cells)
    return InputCommitment(root, points)
