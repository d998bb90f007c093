"""What is to be seen of a circuit before anything is proved: its tensors, and what each would cost."""

from __future__ import annotations

from typing import Any

from circuits import cost
from circuits.circuit import Circuit, Port
from circuits.errors import UnsupportedError
from prover.backends import BACKENDS, backend


def inspection(circuit: Circuit) -> dict[str, Any]:
    """All there is to see, as JSON."""
    whole = cost.total(circuit)
    return {
        "circuit_id": "0x" + circuit.circuit_id.hex(),
        "parameters": circuit.parameters,
        "macs": whole.macs,
        "witness_elements": whole.witness,
        "inputs": [port_row(circuit, port) for port in circuit.inputs],
        "outputs": [port_row(circuit, port) for port in circuit.outputs],
        "nodes": [node_row(circuit, i) for i in range(len(circuit.nodes))],
        "estimates": estimates(circuit),
        "fidelity": circuit.info.get("fidelity"),
    }


def node_row(circuit: Circuit, i: int) -> dict[str, Any]:
    """What is to be seen of one node."""
    node = circuit.nodes[i]
    own = cost.cost_of(circuit, node)
    return {
        "id": i,
        "op": node.op,
        "label": node.label,
        "inputs": list(node.inputs),
        "shape": list(node.shape),
        "bound": [node.lo, node.hi],
        "bits": max(
            node.lo.bit_length() if node.lo >= 0 else (-node.lo - 1).bit_length(), node.hi.bit_length()
        )
        + (node.lo < 0),
        "macs": own.macs,
        "witness_elements": own.witness,
    }


def port_row(circuit: Circuit, port: Port) -> dict[str, Any]:
    """What is to be seen of an input or output."""
    tensor = circuit.nodes[port.node]
    return {
        "name": port.name,
        "shape": list(tensor.shape),
        "scale": port.scale,
        "bound": [tensor.lo, tensor.hi],
    }


def estimates(circuit: Circuit) -> dict[str, dict[str, Any]]:
    """What each backend would take for one sample, or why it cannot take the circuit: {"refused": why}."""
    return {name: _estimate(circuit, name) for name in BACKENDS}


def _estimate(circuit: Circuit, name: str) -> dict[str, Any]:
    try:
        found = backend(name).estimate(circuit)
    except UnsupportedError as error:
        return {"refused": str(error)}
    return {
        "unit": found.unit,
        found.unit: found.size,
        "srs": f"2^{found.srs_k}",
        "prove_seconds": float(f"{found.prove_seconds:.2g}"),
        "peak_rss_bytes": found.peak_rss_bytes,
        "proof_bytes": found.proof_bytes,
        "layers": {layer.node: layer.size for layer in found.layers},
    }
