"""The trace of a run: every materialised tensor of one sample, packed into leaves under one Merkle root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.cells import Plan
from circuits.cells.arrays import recompute_tensor
from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.executor import checked, execute
from circuits.merkle import MerkleTree, merkle_roots
from circuits.packing import Leaves, empty_leaves, pack, pack_input_batch, pack_inputs, unpack
from circuits.records import Record, Region
from circuits.tensor import IntArray


def input_tree(circuit: Circuit, inputs: Sequence[IntArray]) -> MerkleTree:
    """The tree over one sample's inputs, integer arrays of shape (1, *port's shape). Its root is the input
    commitment.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port.
    """
    return MerkleTree.of_leaves(pack_inputs(circuit, circuit.identity.plan, sample(circuit, inputs)))


def input_commitments(circuit: Circuit, inputs: Sequence[IntArray]) -> list[bytes]:
    """The roots of `input_tree` for every sample of a batch, 32 bytes each.

    Parameters
    ----------
    inputs
        One integer array for each input port, of shape (batch, *port's shape).

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port.
    """
    leaves = pack_input_batch(circuit, circuit.identity.plan, checked(circuit, inputs))
    return [root.tobytes() for root in merkle_roots(leaves)]


@dataclass(frozen=True, eq=False)
class Commitment:
    """What a claim states about a run on one sample."""

    root: bytes
    """The trace root, 32 bytes."""
    input_commitment: bytes
    """The root over the inputs, 32 bytes."""
    outputs: tuple[IntArray, ...]
    """One array for each output port, of the port's shape."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What an asserter commits to for one sample, and what a challenger compares it with."""

    circuit: Circuit
    leaves: Leaves
    """Of the trace tree."""
    input_leaves: Leaves
    outputs: tuple[IntArray, ...]
    """One array for each output port, of the port's shape."""

    @classmethod
    def of(cls, circuit: Circuit, inputs: Sequence[IntArray]) -> Trace:
        """Execute the circuit on one sample and keep its trace.

        Parameters
        ----------
        inputs
            One integer array for each input port, of shape (1, *port's shape).

        Raises
        ------
        InputError, BoundError
            If an input does not fit its port.
        """
        identity = circuit.identity
        arrays = sample(circuit, inputs)
        input_leaves = pack_inputs(circuit, identity.plan, arrays)
        leaves = empty_leaves(identity.plan.trace_leaves)
        records = slots(identity.plan)

        def keep(node: int, value: IntArray) -> None:
            record = records.get(node)
            if record is not None:
                pack(leaves, record.first, record.width, value[0])

        outputs = execute(circuit, [x[None] for x in arrays], observe=keep)
        recompute(circuit, leaves, input_leaves)
        return cls(circuit, leaves, input_leaves, tuple(output[0] for output in outputs))

    @cached_property
    def tree(self) -> MerkleTree:
        """The tree over the trace."""
        return MerkleTree.of_leaves(self.leaves)

    @property
    def root(self) -> bytes:
        """The trace root, 32 bytes."""
        return self.tree.root

    @cached_property
    def input_tree(self) -> MerkleTree:
        """The tree over the inputs."""
        return MerkleTree.of_leaves(self.input_leaves)

    @property
    def input_commitment(self) -> bytes:
        """The root over the inputs, 32 bytes."""
        return self.input_tree.root

    @property
    def commitment(self) -> Commitment:
        """What commits to all of it."""
        return Commitment(self.root, self.input_commitment, self.outputs)

    def tensor(self, record: int) -> NDArray[np.int64]:
        """The cells of a record of the trace, or of an output, row-major.

        Raises
        ------
        InputError
            If there is no such record.
        """
        records = self.circuit.identity.plan.records
        if not 0 <= record < len(records):
            raise InputError(f"there is no op record {record}: the circuit has {len(records)}")
        found = records[record]
        if found.region is Region.OUTPUT:
            return self.outputs[found.first].astype(np.int64).reshape(-1)
        return unpack(self.leaves, found.first, found.width, found.cells)

    def read(self, region: int, start: int, length: int) -> bytes:
        """Bytes of the trace, the inputs or the weights, as `recompute_cell` asks for them."""
        trees = {
            Region.TRACE: self.leaves,
            Region.INPUT: self.input_leaves,
            Region.WEIGHTS: self.circuit.identity.weights_leaves,
        }
        return trees[Region(region)].reshape(-1)[start : start + length].tobytes()


Commit = Callable[[Circuit, Sequence[IntArray]], Commitment]
"""Executes a circuit on one sample, inputs of shape (1, *port's shape), and commits to its trace."""


def commitment(circuit: Circuit, inputs: Sequence[IntArray]) -> Commitment:
    """The `Commit` that keeps no trace.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port, or there are several samples.
    """
    return Trace.of(circuit, inputs).commitment


def recompute(circuit: Circuit, leaves: Leaves, input_leaves: Leaves) -> list[Record]:
    """Put the tensors that no node of the circuit yields in their places.

    Parameters
    ----------
    leaves
        Of the trace tree, with all that these tensors read.

    Returns
    -------
    list[Record]
        Those that are there now.
    """
    identity = circuit.identity
    memory = {
        region: tree.reshape(-1)
        for region, tree in (
            (Region.TRACE, leaves),
            (Region.INPUT, input_leaves),
            (Region.WEIGHTS, identity.weights_leaves),
        )
    }
    made = [r for r, node in zip(identity.plan.records, identity.plan.nodes, strict=True) if node is None]
    for record in made:
        pack(leaves, record.first, record.width, recompute_tensor(record, memory))
    return made


def slots(plan: Plan) -> dict[int, Record]:
    """The record of the trace that holds each node's tensor."""
    found = zip(plan.records, plan.nodes, strict=True)
    return {node: record for record, node in found if node is not None and record.region is Region.TRACE}


def sample(circuit: Circuit, inputs: Sequence[IntArray]) -> list[IntArray]:
    """The inputs of one sample, checked, without their batch axis.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port, or there are several samples.
    """
    arrays = checked(circuit, inputs)
    if arrays[0].shape[0] != 1:
        raise InputError(f"a trace is of one sample: the batch has {arrays[0].shape[0]}")
    return [array[0] for array in arrays]
