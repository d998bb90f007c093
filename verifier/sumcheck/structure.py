"""The structure of a circuit: everything but its weights.

It is what a verifier needs to know to rebuild the relation, and it is part of the verifying key. Shapes,
bounds, shifts and clamps are public; so are constants of one element (the quantiser's factors), and constants
that serve as indices. All other constants are known by their commitment only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from circuits.circuit import Circuit, Node
from circuits.tensor import IntArray


@dataclass(frozen=True)
class Structure:
    """A circuit without its weights.

    Parameters
    ----------
    nodes
        The circuit's nodes in order.
    revealed
        The values of the constants that are public, by node.
    inputs, outputs
        The nodes of the ports.
    """

    nodes: tuple[Node, ...]
    revealed: Mapping[int, IntArray]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def structure_of(circuit: Circuit) -> Structure:
    """The structure of a circuit."""
    indices = {node.inputs[1] for node in circuit.nodes if node.op == "gather"}
    revealed = {i: value for i, value in circuit.constants.items() if value.size == 1 or i in indices}
    inputs, outputs = ([port.node for port in ports] for ports in (circuit.inputs, circuit.outputs))
    return Structure(circuit.nodes, revealed, tuple(inputs), tuple(outputs))
