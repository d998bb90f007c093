"""What is to be known of a circuit without loading it: a small JSON object that is kept with its version."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, Field

from circuits.circuit import Circuit, Port
from circuits.cost import total

_FIDELITY = ("max_abs_error", "mean_abs_error", "relative_error", "cosine", "argmax_agreement")


class PortSummary(BaseModel):
    """An input or output."""

    name: str
    shape: list[int]
    kind: str = Field(description="real, int or bool")
    scale: float = Field(description="the real value of one unit")
    bound: list[int] = Field(description="the smallest and the largest integer")


class Fidelity(BaseModel):
    """How the circuit's answers agree with the model's, over some samples."""

    max_abs_error: float
    mean_abs_error: float
    relative_error: float = Field(description="the largest error over the range of the model's outputs")
    cosine: float
    argmax_agreement: float = Field(description="the share of samples with the same largest output")
    samples: int


class Summary(BaseModel):
    """What is to be known of a circuit."""

    circuit_id: str
    parameters: int
    nodes: int
    macs: int = Field(description="multiply-accumulates for one sample")
    witness_elements: int = Field(description="how many values a prover commits to for one sample")
    cells: int = Field(description="the cells of all tensors for one sample")
    bits: float | None
    inputs: list[PortSummary]
    outputs: list[PortSummary]
    fidelity: Fidelity | None = Field(description="as the circuit's file states it")


def summary_of(circuit: Circuit) -> Summary:
    """The summary of a circuit."""
    whole = total(circuit)
    return Summary(
        circuit_id=circuit.circuit_id.hex(),
        parameters=circuit.parameters,
        nodes=len(circuit.nodes),
        macs=whole.macs,
        witness_elements=whole.witness,
        cells=sum(node.size for node in circuit.nodes if node.op != "constant"),
        bits=_number(circuit.info.get("bits")),
        inputs=[_port(circuit, port) for port in circuit.inputs],
        outputs=[_port(circuit, port) for port in circuit.outputs],
        fidelity=_fidelity(circuit.info.get("fidelity")),
    )


def _port(circuit: Circuit, port: Port) -> PortSummary:
    node = circuit.nodes[port.node]
    return PortSummary(
        name=port.name, shape=list(node.shape), kind=port.kind, scale=port.scale, bound=[node.lo, node.hi]
    )


def _fidelity(stated: Any) -> Fidelity | None:
    """What a file states of its fidelity, if it has that form: nobody has checked it."""
    if not isinstance(stated, dict) or type(stated.get("samples")) is not int:
        return None
    numbers = {name: _number(stated.get(name)) for name in _FIDELITY}
    if None in numbers.values():
        return None
    return Fidelity.model_validate({**numbers, "samples": stated["samples"]})


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None
