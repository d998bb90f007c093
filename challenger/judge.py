"""Recomputes claims: are the outputs the circuit's?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from challenger.player import Dispute
from challenger.records import Verdict
from circuits.circuit import Circuit
from circuits.errors import BoundError
from circuits.merkle import MerkleTree
from circuits.packing import Leaves, empty_leaves
from circuits.trace import Trace
from contracts.claims import Claim
from contracts.packing import packed_bytes, unpack_inputs

KEPT_TRACES = 2


class Circuits(Protocol):
    """Finds the circuit of a model."""

    def of_model(self, model_id: int) -> Circuit | None:
        """The circuit; None if it is not known."""


class Judge:
    """Recomputes claims, and keeps the last few traces.

    Parameters
    ----------
    circuits
        Of the models that can be recomputed.
    kept
        How many traces stay in memory.
    """

    def __init__(self, circuits: Circuits, kept: int = KEPT_TRACES) -> None:
        self._circuits = circuits
        self._kept = kept
        self._traces: OrderedDict[tuple[bytes, bytes], Trace | None] = OrderedDict()

    def knows(self, model_id: int) -> bool:
        """Whether claims about a model can be recomputed."""
        return self._circuits.of_model(model_id) is not None

    def is_input(self, claim: Claim, data: bytes) -> bool:
        """Whether this is the data, packed, behind a claim's input root."""
        circuit = self._circuits.of_model(claim.model_id)
        leaves = _input_leaves(circuit, data) if circuit is not None else None
        return leaves is not None and _root(leaves) == claim.input

    def input_among(self, claim: Claim, candidates: Iterable[bytes]) -> bytes | None:
        """The one of these that is the data, packed, behind a claim's input root; None if none is."""
        return next((data for data in candidates if self.is_input(claim, data)), None)

    def verdict(self, claim: Claim, output: bytes, data: bytes | None) -> Verdict:
        """What recomputing says about a claim.

        Parameters
        ----------
        output
            The claim's, packed.
        data
            What is behind the claim's input root, packed; None if nobody has shown it.
        """
        if self._circuits.of_model(claim.model_id) is None:
            return Verdict.MODEL_UNKNOWN
        dispute = self.dispute(claim, output, data)
        if dispute is None:
            return Verdict.INPUT_UNAVAILABLE
        return Verdict.FALSE if dispute.false else Verdict.TRUE

    def dispute(self, claim: Claim, output: bytes, data: bytes | None) -> Dispute | None:
        """The player for a claim's games, of either side; None if the claim cannot be recomputed.

        Raises
        ------
        InputError
            If the outputs have another length than the circuit's, which no claim on the chain has.
        """
        circuit = self._circuits.of_model(claim.model_id)
        if circuit is None or data is None:
            return None
        leaves = _input_leaves(circuit, data)
        if leaves is None or _root(leaves) != claim.input:
            return None
        key = (circuit.circuit_id, claim.input)
        if key in self._traces:
            self._traces.move_to_end(key)
        else:
            try:
                self._traces[key] = Trace.of(circuit, unpack_inputs(circuit, data))
            except BoundError:
                self._traces[key] = None
            while len(self._traces) > self._kept:
                self._traces.popitem(last=False)
        trace = self._traces[key]
        if trace is None:
            return Dispute.of_bad_input(circuit, leaves)
        return Dispute(trace, claim.trace, output)


def _root(leaves: Leaves) -> bytes:
    return MerkleTree.of_leaves(leaves).root


def _input_leaves(circuit: Circuit, data: bytes) -> Leaves | None:
    """The leaves of the input tree; None if the data is no input of this circuit's."""
    if packed_bytes(circuit, circuit.inputs) != len(data):
        return None
    plan = circuit.identity.plan
    leaves = empty_leaves(plan.input_leaves)
    flat, start = leaves.reshape(-1), 0
    for port, first in zip(circuit.inputs, plan.input_firsts, strict=True):
        node = circuit.nodes[port.node]
        size = node.size * node.width
        flat[first * leaves.shape[1] :][:size] = np.frombuffer(data, np.uint8, size, start)
        start += size
    return leaves
