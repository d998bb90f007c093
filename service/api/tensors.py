"""Tensors of the Open Inference Protocol, version 2: as JSON, or as binary data behind it.

    body    JSON | data of the first binary tensor | data of the second | ...
    data    elements row-major, little-endian, back to back

The header Inference-Header-Content-Length gives the length of the JSON where binary data follows. An input
says the length of its data by the parameter `binary_data_size`; an output is binary if its parameter
`binary_data`, or the request's `binary_data_output`, says so. Two parameters are our own: an input whose
`integers` is true holds the circuit's integers instead of reals, and an output whose `integers` is true, or
the request's `integers_output`, is answered as the circuit's integers, INT64. The request's parameter
`saturate` clamps inputs to their bounds instead of refusing them.

Specification: kserve/open-inference-protocol, and the binary tensor data extension of Triton and KServe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from circuits.circuit import Circuit, Port
from circuits.data import InputPort, input_ports, match, taken
from circuits.errors import InputError
from circuits.executor import checked
from circuits.tensor import MAX_RANK, IntArray, Shape

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
MAX_TENSORS = 1024
"""The most inputs, and the most outputs, that a request may name."""


class _Part(BaseModel):
    """What the protocol does not know is left out: clients of other servers send parameters of theirs."""

    model_config = ConfigDict(strict=True, extra="ignore")


class RequestInput(_Part):
    """One input tensor; its data is here, or behind the JSON."""

    name: str
    shape: list[int] = Field(max_length=MAX_RANK + 1)
    datatype: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: Any = None


class RequestOutput(_Part):
    """An output that is asked for, and how it is to be answered."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(_Part):
    """A request to infer."""

    id: str | None = Field(None, max_length=256)
    inputs: list[RequestInput] = Field(max_length=MAX_TENSORS)
    outputs: list[RequestOutput] = Field(default_factory=list, max_length=MAX_TENSORS)
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """An input as it came, shaped (batch, *port's shape): reals, or the circuit's integers."""

    array: NDArray[Any]
    integers: bool


@dataclass(frozen=True)
class Asked:
    """A request, read: what it gives for each of the circuit's inputs; which outputs are wanted, and how;
    whether inputs are to be clamped to their bounds."""

    id: str | None
    inputs: list[Given]
    outputs: list[Wanted]
    saturate: bool
    parameters: dict[str, Any]

    @property
    def samples(self) -> int:
        """The size of the batch."""
        return len(self.inputs[0].array)

    @property
    def form(self) -> tuple[bool, tuple[tuple[str, bool], ...]]:
        """Requests of one form can be worked on as one."""
        return self.saturate, tuple((given.array.dtype.str, given.integers) for given in self.inputs)


@dataclass(frozen=True)
class Wanted:
    """An output that is asked for."""

    index: int
    binary: bool
    integers: bool


def read_request(circuit: Circuit, body: bytes, json_bytes: int | None) -> Asked:
    """A request's tensors, as the circuit takes them.

    Parameters
    ----------
    body
        JSON, with binary data behind it if there is some.
    json_bytes
        The length of the JSON, as the header has it; None if all of the body is JSON.

    Raises
    ------
    InputError, BoundError
        If it is no request, or does not fit the circuit.
    """
    length = len(body) if json_bytes is None else json_bytes
    if not 0 <= length <= len(body):
        raise InputError(f"Inference-Header-Content-Length is {length}, but the body has {len(body)} bytes")
    try:
        request = InferRequest.model_validate_json(body[:length])
    except ValidationError as error:
        raise InputError(f"the request is not as the protocol has it: {_first(error)}") from None
    inputs = _inputs(circuit, request.inputs, memoryview(body)[length:])
    sizes = {len(given.array) for given in inputs}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError("all inputs need the same batch size, at least 1")
    saturate = flag(request.parameters, "saturate")
    return Asked(request.id, inputs, _wanted(circuit, request), saturate, request.parameters)


def integers_of(circuit: Circuit, asked: Sequence[Asked]) -> list[IntArray]:
    """The inputs of requests of one form, joined: integers shaped (batch, *port's shape), within their
    bounds.

    Raises
    ------
    InputError, BoundError
        If one of them does not fit the circuit.
    """
    arrays: list[IntArray] = []
    for i, port in enumerate(input_ports(circuit)):
        joined = np.concatenate([one.inputs[i].array for one in asked])
        arrays += taken([port], [joined], asked[0].inputs[i].integers, asked[0].saturate)
    return checked(circuit, arrays)


def flag(parameters: dict[str, Any], name: str, default: bool = False) -> bool:
    """A parameter that is true or false. Raises InputError if it is something else."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"the parameter {name!r} must be true or false, not {value!r:.40}")
    return value


def text(parameters: dict[str, Any], name: str) -> str | None:
    """A parameter that is text; None where it is not given. Raises InputError if it is something else."""
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"the parameter {name!r} must be text, not {value!r:.40}")
    return value


def _first(error: ValidationError) -> str:
    """The first mistake, with where it is."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where[:200]}: {first['msg']}" if where else first["msg"]


def _inputs(circuit: Circuit, tensors: Sequence[RequestInput], tail: memoryview) -> list[Given]:
    ports = {port.name: port for port in input_ports(circuit)}
    if sorted(tensor.name for tensor in tensors) != sorted(ports):
        given = ", ".join(f"{tensor.name!r:.80}" for tensor in tensors[:8]) or "none"
        wanted = ", ".join(map(repr, ports))
        raise InputError(f"the model's inputs are {wanted}, each given once; the request has {given}")
    found: dict[str, Given] = {}
    start = 0
    for tensor in tensors:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            array = _from_json(tensor)
        else:
            array = _from_binary(tensor, size, tail[start:])
            start += size
        found[tensor.name] = _given(ports[tensor.name], tensor, array)
    if start != len(tail):
        raise InputError(f"the inputs' binary data takes {start} bytes, but {len(tail)} follow the JSON")
    return [found[name] for name in ports]


def _given(port: InputPort, tensor: RequestInput, array: NDArray[Any]) -> Given:
    [shaped] = match([array], None, [(port.name, port.shape)], "the request")
    integers = flag(tensor.parameters, "integers")
    if integers and shaped.dtype.kind not in "iu":
        raise InputError(
            f"input {port.name!r} is said to hold integers, but has the datatype {tensor.datatype}"
        )
    return Given(shaped, integers)


def _dtype(tensor: RequestInput) -> np.dtype[Any]:
    found = DATATYPES.get(tensor.datatype)
    if found is None:
        raise InputError(
            f"input {tensor.name!r} has the datatype {tensor.datatype!r:.40}; known here: "
            + ", ".join(DATATYPES)
        )
    return found


def _elements(tensor: RequestInput) -> int:
    if any(size < 0 for size in tensor.shape):
        raise InputError(f"input {tensor.name!r} has the shape {tensor.shape}, with a negative size")
    return math.prod(tensor.shape)


def _from_json(tensor: RequestInput) -> NDArray[Any]:
    """The tensor in the JSON: nested lists, or one flat list."""
    dtype = _dtype(tensor)
    if not isinstance(tensor.data, list):
        raise InputError(f"input {tensor.name!r} has no list of data, and no binary_data_size")
    # Types are looked at first: numpy would give every element the room of the longest string among them.
    types = set(map(type, tensor.data))
    if list in types:
        try:
            types = set(map(type, np.array(tensor.data, dtype=object).reshape(-1).tolist()))
        except ValueError:
            types = {list}
    if not types <= ({bool} if dtype.kind == "b" else {int} if dtype.kind in "iu" else {int, float}):
        raise InputError(
            f"the data of input {tensor.name!r} is not all of its datatype {tensor.datatype}, or is nested "
            "unevenly"
        )
    array = np.array(tensor.data)
    if array.size != _elements(tensor) or (array.ndim > 1 and list(array.shape) != tensor.shape):
        raise InputError(
            f"input {tensor.name!r} has the shape {tensor.shape}, but its data is {list(array.shape)}"
        )
    if dtype.kind in "iu" and array.size:
        edge, low, high = np.iinfo(dtype), array.min(), array.max()
        if not (edge.min <= int(low) and int(high) <= edge.max) or array.dtype.kind == "f":
            raise InputError(f"the data of input {tensor.name!r} does not fit the datatype {tensor.datatype}")
    try:
        with np.errstate(over="ignore"):  # what overflows is refused as infinite
            return _plain(array.astype(dtype).reshape(tensor.shape))
    except OverflowError:  # an integer of a thousand bits
        raise InputError(f"the data of input {tensor.name!r} does not fit {tensor.datatype}") from None


def _from_binary(tensor: RequestInput, size: Any, tail: memoryview) -> NDArray[Any]:
    """The tensor at the beginning of what is left of the binary data."""
    dtype = _dtype(tensor)
    if tensor.data is not None:
        raise InputError(f"input {tensor.name!r} has both data and a binary_data_size")
    expected = _elements(tensor) * dtype.itemsize
    if type(size) is not int or size != expected:
        raise InputError(
            f"input {tensor.name!r} of the shape {tensor.shape} and datatype {tensor.datatype} has "
            f"{expected} bytes, but its binary_data_size is {size!r:.40}"
        )
    if size > len(tail):
        raise InputError(f"the body ends before the binary data of input {tensor.name!r}")
    data = tail[:size]
    if tensor.datatype == "BOOL":
        octets = np.frombuffer(data, np.uint8)
        if octets.size and octets.max() > 1:
            raise InputError(f"input {tensor.name!r} has a BOOL that is neither 0 nor 1")
        return octets.astype(np.bool_).reshape(tensor.shape)
    return _plain(np.frombuffer(data, dtype).reshape(tensor.shape))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in a type of numpy's own."""
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array


def _wanted(circuit: Circuit, request: InferRequest) -> list[Wanted]:
    binary = flag(request.parameters, "binary_data_output")
    integers = flag(request.parameters, "integers_output")
    if not request.outputs:
        return [Wanted(i, binary, integers) for i in range(len(circuit.outputs))]
    indices = {port.name: i for i, port in enumerate(circuit.outputs)}
    wanted = []
    for output in request.outputs:
        if output.name not in indices:
            known = ", ".join(map(repr, indices))
            raise InputError(f"the model has no output {output.name!r:.80}: its outputs are {known}")
        if output.parameters.get("classification"):
            raise InputError(
                "the classification extension is not supported: ask for the output, or compile the model "
                "with --return top-k=K"
            )
        wanted.append(
            Wanted(
                indices[output.name],
                flag(output.parameters, "binary_data", binary),
                flag(output.parameters, "integers", integers),
            )
        )
    if len({want.index for want in wanted}) != len(wanted):
        raise InputError("the request names an output twice")
    return wanted


class Outputs:
    """The outputs of a batch, as requests want them.

    Parameters
    ----------
    integers
        One array for each output, of shape (batch, *port's shape).
    """

    def __init__(self, circuit: Circuit, integers: Sequence[IntArray]) -> None:
        self._circuit = circuit
        self._integers = integers
        self._reals: dict[int, NDArray[Any]] = {}

    def write(
        self, samples: slice, wanted: Sequence[Wanted]
    ) -> tuple[list[dict[str, JsonValue]], list[bytes]]:
        """What a request wants of its samples: the outputs' JSON, and the binary data to follow it, in order.

        Raises
        ------
        InputError
            If an output does not fit FP32.
        """
        described: list[dict[str, JsonValue]] = []
        tail = []
        for want in wanted:
            port = self._circuit.outputs[want.index]
            datatype = "INT64" if want.integers else datatype_of(port)
            array = self._answered(want.index, datatype, samples)
            shape = sample_shape(self._circuit.nodes[port.node].shape)
            tensor: dict[str, JsonValue] = {
                "name": port.name,
                "datatype": datatype,
                "shape": [len(array), *shape],
            }
            if want.binary:
                tail.append(array.tobytes())
                tensor["parameters"] = {"binary_data_size": array.nbytes}
            else:
                tensor["data"] = array.reshape(-1).tolist()
            described.append(tensor)
        return described, tail

    def _answered(self, index: int, datatype: str, samples: slice) -> NDArray[Any]:
        """Samples of an output in the datatype they are answered in."""
        if datatype != "FP32":
            return self._integers[index][samples].astype(DATATYPES[datatype])
        if index not in self._reals:
            scale = self._circuit.outputs[index].scale
            with np.errstate(over="ignore"):
                self._reals[index] = (self._integers[index].astype(np.float64) * scale).astype(np.float32)
        reals = self._reals[index][samples]
        if not np.isfinite(reals).all():
            name = self._circuit.outputs[index].name
            raise InputError(f"output {name!r} does not fit FP32: ask for its integers")
        return reals


def datatype_of(port: Port | InputPort) -> str:
    """The datatype that the metadata names for a port."""
    if port.kind == "real" or port.scale != 1:
        return "FP32"
    return "BOOL" if port.kind == "bool" else "INT64"


def sample_shape(shape: Shape) -> Shape:
    """A port's shape without the batch axis that its model had, if it had one."""
    return shape[1:] if shape and shape[0] == 1 else shape


def metadata(circuit: Circuit) -> dict[str, JsonValue]:
    """The inputs and outputs of a circuit, as the protocol describes them; the batch axis is -1."""

    def described(ports: Sequence[Port]) -> list[JsonValue]:
        return [
            {
                "name": port.name,
                "datatype": datatype_of(port),
                "shape": [-1, *sample_shape(circuit.nodes[port.node].shape)],
            }
            for port in ports
        ]

    return {"inputs": described(circuit.inputs), "outputs": described(circuit.outputs)}
