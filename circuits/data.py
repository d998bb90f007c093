"""Reads model inputs from files and turns them into the integers of a circuit.

Formats: `.npz` with an array for each input by name (or in order), `.npy` for models with one input, and JSON
`{"input_data": [[...], ...]}` with one flat list for each input, or a list of such lists, one for each
sample; `"input_ints"` instead passes integers through untouched.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Kind
from circuits.errors import BoundError, InputError
from circuits.json_depth import MAX_DEPTH, too_deep
from circuits.tensor import FloatArray, IntArray, Shape

MAX_DATA_BYTES = 4 << 30
MAX_JSON_BYTES = 1 << 28


class Described(Protocol):
    """Anything with a name and a shape: a port of a graph or of a circuit."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class InputPort:
    """What a circuit takes for one input: integers within [lo, hi] of a shape, one unit being `scale`."""

    name: str
    shape: Shape
    lo: int
    hi: int
    scale: float
    kind: Kind


def input_ports(circuit: Circuit) -> list[InputPort]:
    """The inputs of a circuit."""
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    return [
        InputPort(port.name, node.shape, node.lo, node.hi, port.scale, port.kind)
        for port, node in zip(circuit.inputs, nodes, strict=True)
    ]


def read_arrays(path: str | os.PathLike[str]) -> tuple[list[NDArray[Any]], list[str] | None, bool]:
    """The arrays in a data file, their names if the format has names, and whether they are a circuit's
    integers.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, or is of no known format.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        limit = MAX_JSON_BYTES if path.suffix == ".json" else MAX_DATA_BYTES
        if size > limit:
            raise InputError(f"{path} has {size} bytes, over the limit of {limit} for a {path.suffix} file")
        if path.suffix == ".npz":
            return _read_archive(path)
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return [_read_array(file, size)], None, False
        if path.suffix == ".json":
            return _read_json(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError: an encrypted archive, an unknown compression, JSON nested without end
        raise InputError(f"{path} is damaged, or not what its name says: {error}") from None
    raise InputError(f"{path} is neither .npz, .npy nor .json")


def _read_archive(path: Path) -> tuple[list[NDArray[Any]], list[str], bool]:
    """The arrays of an .npz file, which may claim to unpack to no more than MAX_DATA_BYTES."""
    arrays, names, total = [], [], 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            total += entry.file_size
            if total > MAX_DATA_BYTES:
                raise InputError(f"{path} unpacks to over the limit of {MAX_DATA_BYTES} bytes")
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or name in names:
                raise InputError(f"{path} holds {entry.filename!r}, which is no array with a name of its own")
            names.append(name)
            with archive.open(entry) as file:
                arrays.append(_read_array(file, entry.file_size))
    return arrays, names, False


def _read_array(file: IO[bytes], size: int) -> NDArray[Any]:
    """The array of an .npy file of `size` bytes; what it claims is checked before memory is taken for it."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its format has the unknown version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"it claims the shape {list(shape)} of {dtype}, which it does not have")
    data = file.read(math.prod(shape) * dtype.itemsize)
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    if file.read(1):
        raise ValueError("it has bytes behind its array")
    return array


def _read_json(path: Path) -> tuple[list[NDArray[Any]], None, bool]:
    text = path.read_text("utf-8")
    if too_deep(text):
        raise InputError(f"{path} is nested over {MAX_DEPTH} deep")
    return _arrays_of(json.loads(text), str(path))


def _arrays_of(data: object, where: str) -> tuple[list[NDArray[Any]], None, bool]:
    keys = [key for key in ("input_data", "input_ints") if isinstance(data, dict) and key in data]
    if len(keys) != 1 or not isinstance(data, dict):
        raise InputError(f'{where} must be {{"input_data": [[...], ...]}} or {{"input_ints": [[...], ...]}}')
    lists, integers = data[keys[0]], keys[0] == "input_ints"
    if not isinstance(lists, list) or not all(isinstance(row, list) for row in lists):
        raise InputError(f"{where}: {keys[0]!r} must be a list with one flat list for each model input")
    kinds = (int,) if integers else (int, float)
    for row in lists:
        samples = row if row and all(isinstance(sample, list) for sample in row) else [row]
        if len({len(sample) for sample in samples}) > 1:
            raise InputError(f"{where}: the samples of an input in {keys[0]!r} have different lengths")
        if not all(type(x) in kinds for sample in samples for x in sample):
            raise InputError(
                f"{where}: {keys[0]!r} must hold {'integers' if integers else 'numbers'} only, in flat lists"
            )
    try:
        return [np.array(row, dtype=np.int64 if integers else np.float64) for row in lists], None, integers
    except OverflowError:
        raise InputError(f"{where}: an integer in {keys[0]!r} is too large") from None


def match(
    arrays: Sequence[NDArray[Any]], names: Sequence[str] | None, ports: Sequence[tuple[str, Shape]], path: str
) -> list[NDArray[Any]]:
    """The arrays in the order of the ports, each shaped (batch, *port's shape).

    An array may be one sample, a batch of samples, a batch along a leading axis of size 1, one flat sample,
    or a batch of those.

    Raises
    ------
    InputError
        If arrays and ports do not match.
    """
    missing = [name for name, _ in ports if names is not None and name not in names]
    if names is not None and not missing:
        arrays = [arrays[list(names).index(name)] for name, _ in ports]
    elif len(missing) < len(ports) and names is not None:
        raise InputError(f"{path} has no array called {missing[0]!r}, only {', '.join(map(repr, names))}")
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
    if array.ndim == 2 and array.shape[1] == math.prod(shape):
        return array.reshape(array.shape[0], *shape)
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
    return read_inputs(input_ports(circuit), path, saturate)


def inputs_of(
    circuit: Circuit, document: Mapping[str, Any], where: str, saturate: bool = False
) -> list[IntArray]:
    """The integers for a circuit's inputs from what a JSON file would hold, called `where` in messages.

    Raises
    ------
    InputError, BoundError
        If it does not fit the circuit's inputs.
    """
    return _integers(input_ports(circuit), *_arrays_of(dict(document), where), where, saturate)


def read_inputs(
    ports: Sequence[InputPort], path: str | os.PathLike[str], saturate: bool = False
) -> list[IntArray]:
    """The integers for inputs from a data file; see `load_inputs`."""
    return _integers(ports, *read_arrays(path), str(path), saturate)


def _integers(
    ports: Sequence[InputPort],
    arrays: Sequence[NDArray[Any]],
    names: Sequence[str] | None,
    integers: bool,
    where: str,
    saturate: bool,
) -> list[IntArray]:
    shaped = match(arrays, names, [(port.name, port.shape) for port in ports], where)
    return taken(ports, shaped, integers, saturate)


def taken(
    ports: Sequence[InputPort], arrays: Sequence[NDArray[Any]], integers: bool, saturate: bool
) -> list[IntArray]:
    """The integers that a circuit takes for inputs: what `arrays` hold, if they hold `integers`, else the
    nearest; see `quantised`. Integers are clamped to their bounds with `saturate`; without, none is checked.
    """
    if not integers:
        return quantised(ports, arrays, saturate)
    if not saturate:
        return list(arrays)
    return [np.clip(_as_int64(x), port.lo, port.hi) for port, x in zip(ports, arrays, strict=True)]


def quantise_inputs(
    circuit: Circuit, arrays: Sequence[NDArray[Any]], saturate: bool = False
) -> list[IntArray]:
    """Real inputs of a circuit as integers; see `quantised`."""
    return quantised(input_ports(circuit), arrays, saturate)


def quantised(
    ports: Sequence[InputPort], arrays: Sequence[NDArray[Any]], saturate: bool = False
) -> list[IntArray]:
    """Real inputs as integers: round(x / scale), ties to even; integers stay what they are.

    Raises
    ------
    InputError
        If a value is NaN or infinite, or an integer input is given fractions.
    BoundError
        If a value lies outside the input's bound and `saturate` is off.
    """
    result: list[IntArray] = []
    for port, array in zip(ports, arrays, strict=True):
        values = array if port.kind != "real" and array.dtype.kind in "iu" else _rounded(port, array)
        low, high = values.min().item(), values.max().item()  # Python's numbers: compared exactly
        if not saturate and (low < port.lo or high > port.hi):
            seen = ", ".join(f"{float(edge):.6g}" for edge in (array.min(), array.max()))
            bound = ", ".join(f"{edge * port.scale:.6g}" for edge in (port.lo, port.hi))
            raise BoundError(
                f"input {port.name!r} reaches [{seen}], outside its bound [{bound}]: recompile with "
                "calibration data that covers it, or saturate on purpose"
            )
        result.append(np.clip(_as_int64(values), port.lo, port.hi))
    return result


def _rounded(port: InputPort, array: NDArray[Any]) -> FloatArray:
    """The nearest integers, as floats."""
    if not np.isfinite(array).all():
        raise InputError(f"input {port.name!r} holds NaN or infinity")
    with np.errstate(over="ignore"):  # what overflows is outside every bound
        values: FloatArray = np.asarray(array, dtype=np.float64) / port.scale
    rounded = np.rint(values)
    if port.kind != "real" and (rounded != values).any():
        raise InputError(f"input {port.name!r} takes integers, but was given fractions")
    return rounded


def _as_int64(values: NDArray[Any]) -> IntArray:
    """Integers of any type as 64-bit ones; what does not fit becomes the nearest that does."""
    if values.dtype == np.uint64:
        values = np.minimum(values, np.uint64(np.iinfo(np.int64).max))
    elif values.dtype.kind == "f":
        edge = np.nextafter(2.0**63, 0)
        values = np.clip(values, -edge, edge)
    return values.astype(np.int64)


def real_outputs(circuit: Circuit, outputs: Sequence[IntArray]) -> list[NDArray[Any]]:
    """The outputs as the model would give them: reals by their scale, integers and booleans as they are."""
    reals: list[NDArray[Any]] = []
    for port, array in zip(circuit.outputs, outputs, strict=True):
        if port.kind == "real" or port.scale != 1:
            reals.append(array.astype(np.float64) * port.scale)
        else:
            reals.append(array.astype(np.bool_ if port.kind == "bool" else np.int64))
    return reals
