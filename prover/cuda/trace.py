"""What an asserter commits to, from a circuit that runs on a GPU: tensors are hashed where they are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.circuit import Circuit
from circuits.executor import execute
from circuits.merkle import hash_leaves
from circuits.packing import empty_leaves, pack, pack_inputs
from circuits.records import Region
from circuits.tensor import IntArray
from circuits.trace import Commit, Commitment, commitment, recompute, sample, slots
from prover.cuda.choice import chosen_driver
from prover.cuda.driver import Array, Driver
from prover.cuda.execution import Execution
from prover.cuda.kernels import Kernels
from prover.cuda.merkle import Merkle


def commit_on(device: str) -> Commit:
    """What executes, and commits, on the device that a name stands for (`prover.cuda.choice.chosen_driver`).

    Raises
    ------
    InputError
        If the name stands for nothing, or for a GPU that is not there.
    """
    driver = chosen_driver(device)
    return commitment if driver is None else Committer(driver).commit


class Committer:
    """Runs circuits on a GPU, and commits to what they compute there.

    Constants are copied once for all runs of a circuit.
    """

    def __init__(self, driver: Driver) -> None:
        kernels = Kernels(driver)
        self._execution, self._merkle = Execution(kernels), Merkle(kernels)

    def commit(self, circuit: Circuit, inputs: Sequence[IntArray]) -> Commitment:
        """Execute a circuit on one sample: the commitment of `circuits.trace.Trace.of`, without a trace.

        Parameters
        ----------
        inputs
            One integer array for each input port, of shape (1, *port's shape).

        Raises
        ------
        InputError, BoundError
            If an input does not fit its port, or there are several samples.
        """
        plan, arrays = circuit.identity.plan, sample(circuit, inputs)
        records = slots(plan)
        ports = dict(zip((port.node for port in circuit.inputs), plan.input_firsts, strict=True))
        of_trace, of_input = self._merkle.hashes(plan.trace_leaves), self._merkle.hashes(plan.input_leaves)
        splits = [record for record, node in zip(plan.records, plan.nodes, strict=True) if node is None]
        read = {view.first for record in splits for view in record.views if view.region is Region.TRACE}
        leaves = empty_leaves(plan.trace_leaves)

        def keep(node: int, value: Array) -> None:
            if node in ports:
                self._merkle.hash_tensor(value[0], of_input, ports[node])
            record = records.get(node)
            if record is not None:
                self._merkle.hash_tensor(value[0], of_trace, record.first)
                if record.first in read:
                    pack(leaves, record.first, record.width, self._execution.fetch(value)[0])

        outputs = execute(circuit, [x[None] for x in arrays], keep, self._execution)
        if splits:
            for record in recompute(circuit, leaves, pack_inputs(circuit, plan, arrays)):
                place = slice(record.first, record.first + record.leaves)
                of_trace[place] = self._execution.hold(hash_leaves(leaves[place]).view(np.uint64))
        return Commitment(
            self._merkle.root(of_trace),
            self._merkle.root(of_input),
            tuple(output[0] for output in outputs),
        )
