"""Claims of the optimistic tiers: what is posted, how it is named, and how its tensors are packed.

    claim id = keccak256(abi.encode(chain id, contract, claim))

Outputs and inputs are packed as in the leaves of their trees, but with nothing in between: the tensors in
port order, elements row-major in two's complement, big-endian, in the width of their port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from eth_abi.abi import encode
from eth_hash.auto import keccak
from eth_typing import ChecksumAddress
from numpy.typing import NDArray

from circuits.circuit import Circuit, Port
from circuits.errors import InputError
from circuits.tensor import IntArray
from contracts.chain import ZERO_ADDRESS, checked_address

CLAIM_TYPE = "(uint256,bytes32,bytes32,address,address,uint96,uint32,bytes4,bytes32)"
NO_PROOF_SYSTEM = bytes(4)


class ClaimStatus(IntEnum):
    """What has become of a claim."""

    NONE = 0
    """There is no such claim."""
    PROVISIONAL = 1
    """It can still fall."""
    FINAL = 2
    """It stands."""
    REVOKED = 3
    """It was false, or its asserter did not answer."""


@dataclass(frozen=True)
class Claim:
    """An answer that its asserter stands in for with a bond: `contracts/src/types/Claim.sol`.

    Attributes
    ----------
    model_id
        The model in the registry.
    input
        Root of the tree over the inputs, 32 bytes.
    trace
        Root of the tree over the trace, 32 bytes; zeros where claims are settled by proofs alone.
    asserter
        Who gets the bond back, and who loses it.
    source
        Who gave the input: zero if its data was posted with the claim, else the contract that asked.
    bond
        What the asserter loses if the claim is false, in wei.
    window
        How long the claim can be challenged, in seconds.
    settled_by
        The proof system whose proofs settle the claim, 4 bytes; zeros if none does.
    output_hash
        keccak256 of the outputs, packed.
    """

    model_id: int
    input: bytes
    trace: bytes
    asserter: ChecksumAddress
    source: ChecksumAddress
    bond: int
    window: int
    settled_by: bytes
    output_hash: bytes

    @classmethod
    def of(
        cls,
        model_id: int,
        input_root: bytes,
        trace_root: bytes,
        output: bytes,
        *,
        asserter: str,
        bond: int,
        window: int,
        source: str = ZERO_ADDRESS,
        settled_by: bytes = NO_PROOF_SYSTEM,
    ) -> Claim:
        """The claim with these packed outputs.

        Raises
        ------
        ChainError
            If an address is malformed.
        """
        addresses = checked_address(asserter), checked_address(source)
        return cls(
            model_id, input_root, trace_root, *addresses, bond, window, settled_by, output_hash=keccak(output)
        )

    @classmethod
    def from_abi(cls, fields: Mapping[str, Any]) -> Claim:
        """The claim in the struct of an event."""
        return cls(
            fields["modelId"],
            bytes(fields["input"]),
            bytes(fields["trace"]),
            checked_address(fields["asserter"]),
            checked_address(fields["source"]),
            fields["bond"],
            fields["window"],
            bytes(fields["settledBy"]),
            bytes(fields["outputHash"]),
        )

    def as_abi(self) -> tuple[int, bytes, bytes, str, str, int, int, bytes, bytes]:
        """The tuple that the contracts take."""
        roots = (self.model_id, self.input, self.trace)
        terms = (self.bond, self.window, self.settled_by, self.output_hash)
        return (*roots, self.asserter, self.source, *terms)

    def id(self, chain_id: int, contract: str) -> bytes:
        """The claim's id in a contract on a chain, 32 bytes.

        Raises
        ------
        ChainError
            If the contract's address is malformed.
        """
        values = [chain_id, checked_address(contract), self.as_abi()]
        return keccak(encode(["uint256", "address", CLAIM_TYPE], values))


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
    return [keccak(row.tobytes()) for row in np.concatenate(columns, axis=1)]


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
