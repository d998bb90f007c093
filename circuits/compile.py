"""The way from an ONNX file to a circuit: load, import, calibrate, quantise, measure."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from circuits.affine_folding import folded
from circuits.answer import largest_only
from circuits.calibrate import calibrate
from circuits.circuit import Circuit
from circuits.data import match, read_arrays
from circuits.errors import InputError, ModelError
from circuits.fidelity import Fidelity, FloatGraph, OnnxRuntime, Reference, measure
from circuits.graph import Graph
from circuits.importer.admission import label, nodes
from circuits.importer.importer import import_model
from circuits.importer.load import check_model, load_model
from circuits.index_ranges import index_sizes
from circuits.quantise import Options, quantise
from circuits.tied_weights import tied

Progress = Callable[[str], None]
ASSUMED_SAMPLES = 32
ASSUMPTION = (
    "no calibration data was given: reals were assumed uniform in [-1, 1], integers in the range they index "
    "or [0, 127]; give --calibration DATA for a faithful circuit"
)


@dataclass(frozen=True)
class Compiled:
    """A circuit, how faithful it is, and what was assumed where nothing was known."""

    circuit: Circuit
    fidelity: Fidelity
    notes: list[str] = field(default_factory=list)


def compile_file(
    path: str | os.PathLike[str],
    calibration: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    dims: Mapping[str, int] | None = None,
    progress: Progress = lambda step: None,
    largest: int | None = None,
    external_data: bool = True,
) -> Compiled:
    """Compile an ONNX file.

    Parameters
    ----------
    calibration
        A data file with samples of the model's inputs.
    dims
        Sizes for symbolic dimensions.
    progress
        Called with the name of each step as it begins.
    largest
        Answer with the indices of so many largest cells of the output only (`answer`); the fidelity is
        measured before.
    external_data
        Whether the model may have data in files beside it.

    Raises
    ------
    ModelError, UnsupportedError, InputError, BoundError
    """
    progress("loading")
    model = load_model(path, external_data)
    with Path(path).open("rb") as file:
        source = hashlib.file_digest(file, "sha256").hexdigest()
    if calibration is None:
        return _compile(model, None, options, dims, progress, source, largest)
    arrays, names, integers = read_arrays(calibration)
    del integers  # a graph has no integers of its own yet: plain numbers either way
    return _compile(model, (arrays, names, str(calibration)), options, dims, progress, source, largest)


def compile_model(
    model: onnx.ModelProto,
    calibration: tuple[Sequence[NDArray[Any]], Sequence[str] | None, str] | None = None,
    options: Options | None = None,
    dims: Mapping[str, int] | None = None,
    progress: Progress = lambda step: None,
    source: str = "",
) -> Compiled:
    """Compile a model in memory; `calibration` is arrays, their names or None, and what to call them in
    messages."""
    check_model(model, "the model")
    return _compile(model, calibration, options, dims, progress, source)


def _compile(
    model: onnx.ModelProto,
    calibration: tuple[Sequence[NDArray[Any]], Sequence[str] | None, str] | None,
    options: Options | None,
    dims: Mapping[str, int] | None,
    progress: Progress,
    source: str,
    largest: int | None = None,
) -> Compiled:
    options = options or Options()
    _check_names(model, options)
    progress("importing")
    graph = tied(folded(import_model(model, dims)))
    notes = []
    if calibration is None:
        samples = assumed_samples(graph)
        notes.append(ASSUMPTION)
    else:
        ports = [(port.name, port.value.shape) for port in graph.inputs]
        samples = match(*calibration[:2], ports, calibration[2])
    progress("calibrating")
    ranges = calibrate(graph, samples)
    progress("quantising")
    info: dict[str, Any] = {"bits": options.bits, "model_sha256": source}
    if graph.strings:
        info["strings"] = graph.strings
    circuit = quantise(graph, ranges, options, info)
    progress("measuring fidelity")
    try:
        reference: Reference = OnnxRuntime(model, graph)
        fidelity = measure(circuit, reference, samples)
    except ModelError as error:
        notes.append(f"fidelity was measured against our own float64 evaluation, since {error}")
        fidelity = measure(circuit, FloatGraph(graph), samples)
    info["fidelity"] = fidelity.as_dict()
    circuit = Circuit(circuit.nodes, circuit.constants, circuit.inputs, circuit.outputs, info)
    if largest is not None:
        circuit = largest_only(circuit, largest)
    return Compiled(circuit, fidelity, notes)


def _check_names(model: onnx.ModelProto, options: Options) -> None:
    """Check that every tensor with a width of its own exists."""
    known = {label(node) for node in nodes(model)} | {info.name for info in model.graph.input}
    for name in options.bits_for:
        if name not in known:
            raise InputError(
                f"the model has no input and no node called {name!r}: `inspect` shows their names"
            )


def assumed_samples(graph: Graph) -> list[NDArray[Any]]:
    """Made-up inputs for a model without calibration data; the same ones each time."""
    random = np.random.default_rng(0)
    sizes = index_sizes(graph)
    large = max(math.prod(port.value.shape) for port in graph.inputs) >= 1 << 14
    count = 1 if large else ASSUMED_SAMPLES
    samples: list[NDArray[Any]] = []
    for port in graph.inputs:
        shape = (count, *port.value.shape)
        if port.value.kind == "real":
            samples.append(random.uniform(-1, 1, shape).astype(np.float32))
        else:
            end = 2 if port.value.kind == "bool" else sizes.get(port.value.id, 128)
            samples.append(random.integers(0, end, shape))
    return samples
