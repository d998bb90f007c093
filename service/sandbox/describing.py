"""What is done in the sandbox to know a circuit: a tenant's own, or one made of what a tenant has sent.

read_circuit     model.circuit -> what is to be known of it
describe         model.circuit -> layers.json, graph.svg

Nothing that reads ONNX is loaded here: it takes longer to load than most circuits take to be read.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from circuits.drawing import draw
from circuits.errors import CircuitError
from circuits.file import PREFIX, load
from service.layers import with_estimates
from service.sandbox.files import CIRCUIT, DRAWING, LAYERS
from service.summary import summary_of

MAX_HEADER_BYTES = 32 << 20
"""Of a circuit file: a server parses it when the model is first asked."""
MAX_NAME = 1000
_BOUNDED = {"nodes": "nodes", "macs": "multiply-accumulates", "cells": "cells in its tensors"}

Arguments = dict[str, Any]
Progress = Callable[[str], None]


def read_circuit(arguments: Arguments, progress: Progress) -> dict[str, Any]:
    """Read a circuit file and say what it is.

    Parameters
    ----------
    arguments
        "nodes", "macs", "cells": how many nodes, multiply-accumulates, and cells of all its tensors together
        a circuit may have.

    Raises
    ------
    CircuitError
        If it is none, or has more.
    """
    progress("reading the circuit")
    with Path(CIRCUIT).open("rb") as file:
        (length,) = PREFIX.unpack(file.read(PREFIX.size).ljust(PREFIX.size, b"\0"))
    if length > MAX_HEADER_BYTES:
        raise CircuitError(f"{CIRCUIT} is no circuit, or its graph has over {MAX_HEADER_BYTES} bytes")
    circuit = load(CIRCUIT)
    summary = summary_of(circuit)
    for what, name in _BOUNDED.items():
        found = getattr(summary, what)
        if found > arguments[what]:
            raise CircuitError(f"the circuit has {found:,} {name}: this service takes {arguments[what]:,}")
    for port in itertools.chain(circuit.inputs, circuit.outputs):
        if len(port.name) > MAX_NAME:
            raise CircuitError(f"a port has a name of {len(port.name)} characters, over {MAX_NAME}")
    return summary.model_dump()


def describe(arguments: Arguments, progress: Progress) -> dict[str, Any]:
    """Write down a circuit's layers with their costs, and draw its graph."""
    progress("counting the cost")
    circuit = load(CIRCUIT)
    Path(LAYERS).write_text(json.dumps(asdict(with_estimates(circuit)), allow_nan=False))
    progress("drawing the graph")
    Path(DRAWING).write_text(draw(circuit), encoding="utf-8")
    return {}
