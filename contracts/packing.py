"""How a claim's tensors are packed.

Outputs and inputs are packed as in the leaves of their trees, but with nothing in between: the tensors in
port order, elements row-major in two's complement, big-endian, in the width of their port.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits import _kernels
from circuits.circuit import Circuit, Port
from circuits.errors import InputError
from circuits.tensor import IntArray


def pack_outputs(circuit: Circuit, outputs: Sequence[IntArray]) -> bytes:
    """The outputs of one sample as a claim holds them.

    Parameters
    ----------
    outputs
        One array for each output port, with as many elements as the port; a batch axis of 1 does no harm.

    Raises
    ------
    InputError
        If an array is missing, has another number of elements, or an element does not fit the port's width.
    """
    return _pack(circuit, circuit.outputs, outputs, "output")


def output_hashes(circuit: Circuit, outputs: Sequence[IntArray]) -> list[bytes]:
    """keccak256 of every sample's packed outputs, 32 bytes each.

    Parameters
    ----------
    outputs
        One array for each output port, of shape (batch, *port's shape).

    Raises
    ------
    InputError
        As `pack_outputs`.
    """
    if len(outputs) != len(circuit.outputs):
        raise InputError(f"the circuit has {len(circuit.outputs)} outputs, not {len(outputs)}")
    batch = len(outputs[0])
    columns = []
    for port, array in zip(circuit.outputs, outputs, strict=True):
        stored = _stored(circuit, port, array, batch, "output")
        columns.append(stored.reshape(batch, -1).view(np.uint8))
    return [row.tobytes() for row in _kernels.hash_rows(np.concatenate(columns, axis=1))]


def pack_inputs(circuit: Circuit, inputs: Sequence[IntArray]) -> bytes:
    """The inputs of one sample as they are posted with a claim: like outputs.

    Raises
    ------
    InputError
        As `pack_outputs`.
    """
    return _pack(circuit, circuit.inputs, inputs, "input")


def unpack_outputs(circuit: Circuit, packed: bytes) -> list[NDArray[np.int64]]:
    """The outputs that a claim holds, int64 of the ports' shapes. They may lie outside the ports' bounds.

    Raises
    ------
    InputError
        If there are more or fewer bytes than the outputs have.
    """
    return _unpack(circuit, circuit.outputs, packed, "outputs")


def unpack_inputs(circuit: Circuit, packed: bytes) -> list[NDArray[np.int64]]:
    """The inputs that were posted with a claim, int64 of shape (1, *port's shape), as the executor takes
    them. They may lie outside the ports' bounds; then the executor refuses them.

    Raises
    ------
    InputError
        As `unpack_outputs`.
    """
    return [array[np.newaxis] for array in _unpack(circuit, circuit.inputs, packed, "inputs")]


def packed_bytes(circuit: Circuit, ports: Sequence[Port]) -> int:
    """How many bytes these ports' tensors take up, packed."""
    return sum(circuit.nodes[port.node].size * circuit.nodes[port.node].width for port in ports)


def _pack(circuit: Circuit, ports: Sequence[Port], arrays: Sequence[IntArray], what: str) -> bytes:
    if len(arrays) != len(ports):
        raise InputError(f"the circuit has {len(ports)} {what}s, not {len(arrays)}")
    pairs = zip(ports, arrays, strict=True)
    return b"".join(_stored(circuit, port, array, 1, what).tobytes() for port, array in pairs)


def _stored(circuit: Circuit, port: Port, array: IntArray, batch: int, what: str) -> NDArray[Any]:
    """A port's values for so many samples, contiguous, big-endian, of the port's width."""
    node = circuit.nodes[port.node]
    if array.size != batch * node.size:
        raise InputError(f"{what} {port.name!r} has {batch * node.size} elements, not {array.size}")
    stored = np.asarray(array).astype(f">i{node.width}", order="C")  # a scalar would forget its byte order
    if not np.array_equal(stored, array):
        raise InputError(f"{what} {port.name!r} has elements that take more than {node.width} bytes each")
    return stored


def _unpack(circuit: Circuit, ports: Sequence[Port], packed: bytes, what: str) -> list[NDArray[np.int64]]:
    expected = packed_bytes(circuit, ports)
    if len(packed) != expected:
        raise InputError(f"the circuit's {what} take up {expected} bytes, not {len(packed)}")
    arrays, start = [], 0
    for port in ports:
        node = circuit.nodes[port.node]
        array = np.frombuffer(packed, f">i{node.width}", node.size, start)
        arrays.append(array.astype(np.int64).reshape(node.shape))
        start += node.size * node.width
    return arrays
