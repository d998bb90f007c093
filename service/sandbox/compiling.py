"""What is done in the sandbox to make a circuit of the ONNX file that a tenant has sent.

    model.onnx, calibration.* -> model.circuit

ONNX is read by libraries in native code, which a file may take over. So the circuit is read as one from a
stranger by `service.sandbox.describing`, in a process that has not seen the ONNX file, and what counts is
what that says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from circuits.answer import many_cells, read_answer
from circuits.compile import compile_file
from circuits.quantise import Options
from service.sandbox.files import CIRCUIT, MODEL

MAX_NOTES = 20


def compile_model(arguments: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
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
