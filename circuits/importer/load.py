"""Opens an ONNX file from a stranger: size limits, no path outside its folder, a model that its own checker
accepts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from circuits.errors import ModelError, UnsupportedError

MAX_MODEL_BYTES = 2 << 30
MAX_NODES = 100_000
MAX_CONSTANT_ELEMENTS = 1 << 29
OLDEST_OPSET = 7
STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in the file at `path`, checked, with its external data read in.

    Raises
    ------
    ModelError
        If the file is no ONNX model, is truncated or too large, or names data outside its folder.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None
    if not path.is_file():
        raise ModelError(f"{path} is not a file")
    if size > MAX_MODEL_BYTES:
        raise ModelError(f"{path} has {size} bytes, over the limit of {MAX_MODEL_BYTES}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, RuntimeError, ValueError):
        raise ModelError(f"{path} is not an ONNX model, or it is truncated") from None
    if not model.HasField("graph") or (not model.graph.node and not model.graph.output):
        raise ModelError(f"{path} is not an ONNX model: it has no graph")
    _check_external_data(model, path.parent)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # the reader raises many kinds for a missing, short or hostile file
        raise ModelError(f"{path}: its external data cannot be read: {_first_line(error)}") from None
    check_model(model, str(path))
    return model


def check_model(model: onnx.ModelProto, name: str) -> None:
    """Check a model against limits and against the ONNX specification.

    Raises
    ------
    ModelError
        If the model is cyclic, ill-typed, too large, or otherwise malformed.
    """
    nodes = sum(len(graph.node) for graph in _graphs(model.graph)) + sum(len(f.node) for f in model.functions)
    if nodes > MAX_NODES:
        raise ModelError(f"{name} has {nodes} nodes, over the limit of {MAX_NODES}")
    for graph in _graphs(model.graph):
        for tensor in graph.initializer:
            if any(d < 0 for d in tensor.dims) or math.prod(tensor.dims) > MAX_CONSTANT_ELEMENTS:
                raise ModelError(f"{name}: initializer {tensor.name!r} claims the shape {list(tensor.dims)}")
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version < OLDEST_OPSET:
            raise UnsupportedError(
                f"{name} uses opset {opset.version}: export it again with opset 11 or newer"
            )
    try:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=False)
    except Exception as error:  # the checker raises several unrelated classes
        raise ModelError(f"{name} is not a valid ONNX model: {_first_line(error)}") from None


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and all graphs nested in its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)


def _check_external_data(model: onnx.ModelProto, folder: Path) -> None:
    root = folder.resolve()
    for graph in _graphs(model.graph):
        for tensor in graph.initializer:
            for entry in tensor.external_data:
                if entry.key != "location":
                    continue
                target = (root / entry.value).resolve()
                if Path(entry.value).is_absolute() or not target.is_relative_to(root):
                    raise ModelError(
                        f"initializer {tensor.name!r} names data outside the model's folder: {entry.value!r}"
                    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
