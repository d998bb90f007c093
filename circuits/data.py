"""Reads model inputs from files and turns them into the integers of a circuit.

Formats: `.npz` with an array for each input by name (or in order), `.npy` for models with one input, and JSON
`{"input_data": [[...], ...]}` with one flat list for each input; `"input_ints"` instead passes integers
through untouched.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.errors import BoundError, InputError
from circuits.tensor import FloatArray, IntArray, Shape

MAX_DATA_BYTES = 4 << 30


class Described(Protocol):
    """Anything with a name and a shape: a port of a graph or of a circuit."""

    @property
    def name(self) -> str: ...


def read_arrays(path: str | os.PathLike[str]) -> tuple[list[NDArray[Any]], list[str] | None, bool]:
    """The arrays in a data file, their names if the format has names, and whether they are a circuit's
    integers.

    Raises
    ------
    InputError
        If the file cannot be read or is of no known format.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_DATA_BYTES:
            raise InputError(f"{path} is larger than {MAX_DATA_BYTES} bytes")
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return [archive[name] for name in archive.files], list(archive.files), False
        if path.suffix == ".npy":
            return [np.load(path, allow_pickle=False)], None, False
        if path.suffix == ".json":
            return _read_json(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError) as error:
        raise InputError(f"{path} is damaged, or not what its name says: {error}") from None
    raise InputError(f"{path} is neither .npz, .npy nor .json")


def _read_json(path: Path) -> tuple[list[NDArray[Any]], None, bool]:
    data = json.loads(path.read_text("utf-8"))
    keys = [key for key in ("input_data", "input_ints") if isinstance(data, dict) and key in data]
    if len(keys) != 1:
        raise InputError(f'{path} must be {{"input_data": [[...], ...]}} or {{"input_ints": [[...], ...]}}')
    lists = data[keys[0]]
    if not isinstance(lists, list) or not all(isinstance(row, list) for row in lists):
        raise InputError(f"{path}: {keys[0]!r} must be a list with one flat list for each model input")
    integers = keys[0] == "input_ints"
    kinds = (int,) if integers else (int, float)
    for row in lists:
        if not all(type(x) in kinds for x in row):
            raise InputError(
                f"{path}: {keys[0]!r} must hold {'integers' if integers else 'numbers'} only, in flat lists"
            )
    try:
        return [np.array(row, dtype=np.int64 if integers else np.float64) for row in lists], None, integers
    except OverflowError:
        raise InputError(f"{path}: an integer in {keys[0]!r} does not fit 64 bits") from None


def match(
    arrays: Sequence[NDArray[Any]], names: Sequence[str] | None, ports: Sequence[tuple[str, Shape]], path: str
) -> list[NDArray[Any]]:
    """The arrays in the order of the ports, each shaped (batch, *port's shape).

    An array may be one sample, a batch of samples, a batch along a leading axis of size 1, or flat.

    Raises
    ------
    InputError
        If arrays and ports do not match.
    """
    if names is not None and {name for name, _ in ports} <= set(names):
        arrays = [arrays[list(names).index(name)] for name, _ in ports]
    if len(arrays) != len(ports):
        wanted = ", ".join(f"{name} {list(shape)}" for name, shape in ports)
        raise InputError(f"{path} holds {len(arrays)} arrays, the model takes {len(ports)}: {wanted}")
    shaped = [_batched(array, name, shape, path) for array, (name, shape) in zip(arrays, ports, strict=True)]
    if len({array.shape[0] for array in shaped}) != 1:
        sizes = {name: array.shape[0] for array, (name, _) in zip(shaped, ports, strict=True)}
        raise InputError(f"{path} holds a different number of samples for each input: {sizes}")
    return shaped


def _batched(array: NDArray[Any], name: str, shape: Shape, path: str) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: input {name!r} holds {array.dtype}, not numbers")
    if array.size == 0:
        raise InputError(f"{path}: input {name!r} is empty")
    one = shape[1:] if shape and shape[0] == 1 else None
    if array.shape == shape:
        return array[None]
    if array.shape[1:] == shape:
        return array
    if one is not None and array.shape[1:] == one:
        return array.reshape(array.shape[0], *shape)
    if array.ndim == 1 and array.size == math.prod(shape):
        return array.reshape(1, *shape)
    raise InputError(
        f"{path}: input {name!r} has shape {list(array.shape)}, expected {list(shape)} or a batch of it"
    )


def load_inputs(circuit: Circuit, path: str | os.PathLike[str], saturate: bool = False) -> list[IntArray]:
    """The integers for a circuit's inputs from a data file, each shaped (batch, *port's shape).

    Raises
    ------
    InputError, BoundError
        If the file does not fit the circuit's inputs.
    """
    arrays, names, integers = read_arrays(path)
    ports = [(port.name, circuit.nodes[port.node].shape) for port in circuit.inputs]
    shaped = match(arrays, names, ports, str(path))
    if integers:
        return [x.astype(np.int64) for x in shaped]
    return quantise_inputs(circuit, shaped, saturate)


def quantise_inputs(
    circuit: Circuit, arrays: Sequence[NDArray[Any]], saturate: bool = False
) -> list[IntArray]:
    """Real inputs as integers: round(x / scale), ties to even.

    Raises
    ------
    InputError
        If a value is NaN or infinite, or an integer input is given fractions.
    BoundError
        If a value lies outside the input's bound and `saturate` is off.
    """
    result = []
    for port, array in zip(circuit.inputs, arrays, strict=True):
        node = circuit.nodes[port.node]
        values: FloatArray = np.asarray(array, dtype=np.float64) / port.scale
        if not np.isfinite(values).all():
            raise InputError(f"input {port.name!r} holds NaN or infinity")
        rounded = np.rint(values)
        if port.kind != "real" and (rounded != values).any():
            raise InputError(f"input {port.name!r} takes integers, but was given fractions")
        if saturate:
            rounded = np.clip(rounded, node.lo, node.hi)
        if (rounded < node.lo).any() or (rounded > node.hi).any():
            low, high = float(np.min(array)), float(np.max(array))
            raise BoundError(
                f"input {port.name!r} reaches [{low:.6g}, {high:.6g}], outside its bound "
                f"[{node.lo * port.scale:.6g}, {node.hi * port.scale:.6g}]: recompile with calibration data "
                "that covers it, or saturate on purpose"
            )
        result.append(rounded.astype(np.int64))
    return result


def real_outputs(circuit: Circuit, outputs: Sequence[IntArray]) -> list[NDArray[Any]]:
    """The outputs as the model would give them: reals by their scale, integers and booleans as they are."""
    reals: list[NDArray[Any]] = []
    for port, array in zip(circuit.outputs, outputs, strict=True):
        if port.kind == "real" or port.scale != 1:
            reals.append(array.astype(np.float64) * port.scale)
        else:
            reals.append(array.astype(np.bool_ if port.kind == "bool" else np.int64))
    return reals
