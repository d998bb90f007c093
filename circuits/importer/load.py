"""Opens an ONNX file from a stranger: size limits, no data from outside its folder, a model that ONNX's own
checker accepts."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from circuits.errors import ModelError
from circuits.importer.admission import admit, admit_numbers, tensors

MAX_MODEL_BYTES = 2 << 30
"""The limit of ONNX files, and here of their external data too."""
LONGEST_REASON = 400


def load_model(path: str | os.PathLike[str], external_data: bool = True) -> onnx.ModelProto:
    """The model in the file at `path`, checked, with its external data read in.

    Parameters
    ----------
    external_data
        Whether it may have data in other files.

    Raises
    ------
    ModelError
        If the file is no ONNX model, is truncated or too large, or names data outside its folder, or any
        where it may not.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelError(f"{path} is not a file")
        if size > MAX_MODEL_BYTES:
            raise ModelError(f"{path} has {size} bytes, over the limit of {MAX_MODEL_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError):
        raise ModelError(f"{path} is not an ONNX model, or it is truncated") from None
    if not (model.graph.node or model.graph.output):
        raise ModelError(f"{path} is not an ONNX model: it has no graph")
    admit(model, str(path))
    if external_data:
        _read_external_data(model, path.parent)
    else:
        _check_whole(model, str(path))
    check_model(model, str(path))
    return model


def check_model(model: onnx.ModelProto, name: str) -> None:
    """Check a model against limits and against the ONNX specification.

    Raises
    ------
    ModelError
        If the model is cyclic, ill-typed, too large, or otherwise malformed.
    """
    admit(model, name)
    admit_numbers(model, name)
    try:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=False)
    except Exception as error:  # the checker raises several unrelated classes
        raise ModelError(f"{name} is not a valid ONNX model: {_reason(error)}") from None


def _read_external_data(model: onnx.ModelProto, folder: Path) -> None:
    """Read every tensor that lies in a file of its own: exactly its bytes, from a plain file in the model's
    folder."""
    root = folder.resolve()
    external = [pair for pair in tensors(model) if pair[1].data_location == onnx.TensorProto.EXTERNAL]
    total = sum(_bytes(tensor) for _, tensor in external if tensor.data_type != onnx.TensorProto.STRING)
    if total > MAX_MODEL_BYTES:
        raise ModelError(f"the model's external data have {total} bytes, over the limit of {MAX_MODEL_BYTES}")
    for name, tensor in external:
        where = f"the external data of {name}"
        if tensor.data_type == onnx.TensorProto.STRING:
            raise ModelError(f"{where} are strings, which only lie in the model itself")
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location, size = entries.get("location", ""), _bytes(tensor)
        offset, length = entries.get("offset", "0"), entries.get("length", str(size))
        if not (offset.isascii() and offset.isdigit()) or length != str(size):
            raise ModelError(f"{where} have {length} bytes from {offset!r}, but its shape takes {size}")
        try:
            path = (root / location).resolve()
            if not path.is_relative_to(root) or Path(location).is_absolute():
                raise ModelError(f"{where} lie outside the model's folder: {location!r}")
            if not path.is_file():
                raise ModelError(f"{where} are missing: there is no file {location!r}")
            with path.open("rb") as file:
                file.seek(int(offset))
                data = file.read(size)
        except (OSError, OverflowError, ValueError) as error:
            raise ModelError(f"{where} cannot be read: {error}") from None
        if len(data) != size:
            raise ModelError(f"{where} end after {len(data)} of {size} bytes: the file is truncated")
        tensor.raw_data = data
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


def _check_whole(model: onnx.ModelProto, name: str) -> None:
    """Check that all of a model is in one file."""
    for where, tensor in tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelError(
                f"{name}: the data of {where} are in another file, which is not read here: save the model as "
                "one file, by onnx.save(onnx.load(PATH), NEW_PATH)"
            )


def _bytes(tensor: onnx.TensorProto) -> int:
    """How many bytes a tensor's raw data take."""
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    bits = {"int4": 4, "uint4": 4, "float4_e2m1fn": 4, "int2": 2, "uint2": 2}.get(
        dtype.name, 8 * dtype.itemsize
    )
    size: int = math.prod(tensor.dims) * bits
    return -(-size // 8)


def _reason(error: Exception) -> str:
    """A foreign error's message on one line, without the trail of contexts behind it."""
    message, _, context = str(error).partition("==> Context:")
    text = " ".join(message.split()) or " ".join(context.split()) or type(error).__name__
    text = f"{text} ({' '.join(context.split())})" if context and text else text
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
