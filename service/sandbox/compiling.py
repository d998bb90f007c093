"""What is done in the sandbox to make a model of what a tenant has sent.

compile_model    model.onnx, calibration.* -> model.circuit
read_circuit     model.circuit -> what is to be known of it
describe         model.circuit -> layers.json, graph.svg

ONNX is read by libraries in native code, which a file may take over. So a circuit that `compile_model` made
is read as one from a stranger by `read_circuit`, in a process that has not seen the ONNX file, and what
counts is what that says.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from circuits.answer import many_cells, read_answer
from circuits.compile import compile_file
from circuits.drawing import draw
from circuits.errors import CircuitError
from circuits.file import PREFIX, load
from circuits.quantise import Options
from service.layers import with_estimates
from service.sandbox.files import CIRCUIT, DRAWING, LAYERS, MODEL
from service.summary import summary_of

MAX_HEADER_BYTES = 32 << 20
"""Of a circuit file: a server parses it when the model is first asked."""
MAX_NOTES, MAX_NAME = 20, 1000
_BOUNDED = {"nodes": "nodes", "macs": "multiply-accumulates", "cells": "cells in its tensors"}

Arguments = dict[str, Any]
Progress = Callable[[str], None]


def compile_model(arguments: Arguments, progress: Progress) -> dict[str, Any]:
    """Compile an ONNX file.

    Parameters
    ----------
    arguments
        "calibration": a file in the folder, or null; "options": {"bits", "bits_for", "dims", "return"}.
    """
    options = arguments["options"]
    answer = options.get("return")
    compiled = compile_file(
        MODEL,
        arguments["calibration"],
        Options(bits=options["bits"], bits_for=options["bits_for"]),
        options["dims"],
        progress,
        None if answer is None else read_answer(answer),
        external_data=False,
    )
    progress("writing")
    compiled.circuit.save(CIRCUIT)
    return {"notes": [*compiled.notes, *many_cells(compiled.circuit)][:MAX_NOTES]}


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
