"""A circuit's layers, each with its cost: what pages plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from circuits import layers as grouping
from circuits.circuit import Circuit
from prover.inspection import estimates


@dataclass(frozen=True)
class Layer:
    """The operations of one ONNX node.

    Attributes
    ----------
    label
        The node's name; an input's, if it is one.
    operations
        What is done, in order.
    shape
        That of what it yields last.
    reads
        The layers it reads, by their places in the list.
    macs
        Multiply-accumulates.
    witness_elements
        How many values a prover commits to.
    cost
        By backend, in the backend's unit; backends that refuse the circuit are left out.
    """

    label: str
    operations: tuple[str, ...]
    shape: tuple[int, ...]
    reads: tuple[int, ...]
    macs: int
    witness_elements: int
    cost: dict[str, int]


@dataclass(frozen=True)
class Layers:
    """All layers in topological order, and what each backend would take for one sample (see
    `prover.inspection.estimates`; costs by node are left to the layers)."""

    layers: tuple[Layer, ...]
    estimates: dict[str, dict[str, Any]]


def layers(circuit: Circuit) -> list[Layer]:
    """The layers of a circuit. For large ones this takes minutes: `described` has them in the database."""
    return list(with_estimates(circuit).layers)


def with_estimates(circuit: Circuit) -> Layers:
    """The layers of a circuit, and the estimates for all of it."""
    found = estimates(circuit)
    by_node = {name: estimate.pop("layers") for name, estimate in found.items() if "layers" in estimate}

    def described(layer: grouping.Layer) -> Layer:
        own = layer.cost(circuit)
        return Layer(
            layer.label,
            tuple(circuit.nodes[i].op for i in layer.nodes),
            circuit.nodes[layer.nodes[-1]].shape,
            tuple(layer.reads),
            own.macs,
            own.witness,
            {name: sum(sizes.get(i, 0) for i in layer.nodes) for name, sizes in by_node.items()},
        )

    return Layers(tuple(map(described, grouping.layers(circuit))), found)
