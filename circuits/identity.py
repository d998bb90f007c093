"""The identity of a circuit: everything a contract needs to know which function was computed.

    tag        = keccak256("verinfer circuit v1")
    circuit_id = keccak256(tag || keccak256(header) || ops root || weights root || scales hash)

    header      ports, and the depths and leaf counts of the trees (layout below, big-endian)
    ops root    Merkle root over the op records, in the plan's order
    weights root  Merkle root over the constants that the records read
    scales hash   keccak256 of the ports' scales as float64, inputs then outputs

header = "VERINFER" | version u16 | trace depth u8 | weights depth u8 | ops depth u8 | 0 u8
         | inputs u16 | outputs u16
         | trace leaves u64 | weights leaves u64 | op records u32 | one entry of 72 bytes for each port
entry  = rank u8 | width u8 | 0 u16 | 0 u32 | shape 8 x u32 | lo i64 | hi i64 | offset u64 | elements u64

An input's offset is its first leaf in the input tree, an output's the number of its op record.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from eth_hash.auto import keccak

from circuits.cells import Plan, plan_cells
from circuits.circuit import Circuit, Node
from circuits.errors import CircuitError
from circuits.merkle import MerkleTree
from circuits.packing import Leaves, pack_weights
from circuits.tensor import MAX_RANK

TAG = keccak(b"verinfer circuit v1")
MAGIC, VERSION = b"VERINFER", 1
FIXED = struct.Struct(">8sHBBBBHHQQI")
PORT = struct.Struct(">BBHI8IqqQQ")
MAX_PORTS = (1 << 16) - 1


@dataclass(frozen=True, eq=False)
class Identity:
    """A circuit's plan, trees and id. Computed once for each circuit."""

    plan: Plan
    records: tuple[bytes, ...]
    weights_leaves: Leaves
    header: bytes
    scales_hash: bytes
    ops_tree: MerkleTree
    weights_tree: MerkleTree

    @property
    def ops_root(self) -> bytes:
        """The Merkle root over the op records."""
        return self.ops_tree.root

    @property
    def weights_root(self) -> bytes:
        """The Merkle root over the weights."""
        return self.weights_tree.root

    @cached_property
    def circuit_id(self) -> bytes:
        """32 bytes."""
        return keccak(TAG + keccak(self.header) + self.ops_root + self.weights_root + self.scales_hash)


def identify(circuit: Circuit) -> Identity:
    """Plan a valid circuit's cells, pack its weights and hash both.

    Raises
    ------
    CircuitError
        If a cell could not be disputed in one transaction, or the circuit has too many ports.
    """
    plan = plan_cells(circuit)
    records = tuple(record.encode() for record in plan.records)
    weights_leaves = pack_weights(circuit, plan)
    ops_tree, weights_tree = MerkleTree.of_records(records), MerkleTree.of_leaves(weights_leaves)
    scales = [port.scale for port in (*circuit.inputs, *circuit.outputs)]
    return Identity(
        plan,
        records,
        weights_leaves,
        header=_header(circuit, plan, weights_tree.depth, ops_tree.depth),
        scales_hash=keccak(struct.pack(f">{len(scales)}d", *scales)),
        ops_tree=ops_tree,
        weights_tree=weights_tree,
    )


def _header(circuit: Circuit, plan: Plan, weights_depth: int, ops_depth: int) -> bytes:
    if max(len(circuit.inputs), len(circuit.outputs)) > MAX_PORTS:
        raise CircuitError(f"a circuit has at most {MAX_PORTS} inputs and as many outputs")
    fixed = FIXED.pack(
        MAGIC, VERSION, max(plan.trace_leaves - 1, 0).bit_length(), weights_depth, ops_depth, 0,
        len(circuit.inputs), len(circuit.outputs), plan.trace_leaves, plan.weights_leaves, len(plan.records),
    )  # fmt: skip
    offsets = (*plan.input_firsts, *range(plan.trace_records, len(plan.records)))
    ports = (*circuit.inputs, *circuit.outputs)
    return fixed + b"".join(
        _entry(circuit.nodes[port.node], offset) for port, offset in zip(ports, offsets, strict=True)
    )


def _entry(node: Node, offset: int) -> bytes:
    shape = (*node.shape, *(0,) * (MAX_RANK - len(node.shape)))
    return PORT.pack(len(node.shape), node.width, 0, 0, *shape, node.lo, node.hi, offset, node.size)
