"""Tensors read and written, on circuits with inputs and outputs of every kind."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.circuit import Circuit, Node, Port
from circuits.data import quantise_inputs
from circuits.errors import BoundError, InputError
from service.api.tensors import DATATYPES, Outputs, Wanted, integers_of, metadata, read_request

NODES = (
    Node("input", (), {}, (1, 3), -1000, 1000, "r"),
    Node("input", (), {}, (2, 2), -(1 << 62), 1 << 62, "i"),
    Node("input", (), {}, (), 0, 1, "b"),
)
PORTS = (Port("r", 0, 0.25, "real"), Port("i", 1, 1.0, "int"), Port("b", 2, 1.0, "bool"))
CIRCUIT = Circuit(NODES, {}, PORTS, PORTS)
BIG = 1 << 60


def tensor(name: str, datatype: str, shape: list[int], data: Any = None, **parameters: Any) -> dict[str, Any]:
    made = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    return made if data is None else {**made, "data": data}


REALS, INTS, FLAGS = (
    tensor("r", "FP32", [2, 3], [[1, 2.5, -3], [0, 250, -250]]),
    tensor("i", "INT64", [2, 2, 2], [BIG + 1, 2, 3, 4, -BIG - 1, 6, 7, 8]),
    tensor("b", "BOOL", [2], [True, False]),
)  # fmt: skip


class Read(NamedTuple):
    """A request's samples, their integers, and what is wanted."""

    samples: int
    inputs: list[Any]
    outputs: list[Wanted]


def read(*tensors: dict[str, Any], tail: bytes = b"", **more: Any) -> Any:
    """A request for the circuit above."""
    body = json.dumps({"inputs": tensors, **more}).encode()
    asked = read_request(CIRCUIT, body + tail, len(body) if tail else None)
    return Read(asked.samples, integers_of(CIRCUIT, [asked]), asked.outputs)


def test_kinds_and_their_shapes() -> None:
    CIRCUIT.validate()
    asked = read(FLAGS, REALS, INTS)  # in any order
    assert [x.tolist() for x in asked.inputs] == [
        [[[4, 10, -12]], [[0, 1000, -1000]]],
        [[[BIG + 1, 2], [3, 4]], [[-BIG - 1, 6], [7, 8]]],
        [1, 0],
    ]
    assert asked.samples == 2
    assert metadata(CIRCUIT)["inputs"] == [
        {"name": "r", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "i", "datatype": "INT64", "shape": [-1, 2, 2]},
        {"name": "b", "datatype": "BOOL", "shape": [-1]},
    ]


def test_one_sample_without_a_batch_axis() -> None:
    asked = read(
        tensor("r", "FP32", [3], [1, 2, 3]), tensor("i", "UINT64", [2, 2], [1, 2, 3, 4]),
        tensor("b", "BOOL", [1], [True]),
    )  # fmt: skip
    assert [x.tolist() for x in asked.inputs] == [[[[4, 8, 12]]], [[[1, 2], [3, 4]]], [1]]


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BOOL"])
def test_binary_and_json_say_the_same(datatype: str) -> None:
    values = np.array([[1, 2, 3], [100, 0, 7]])
    data = values.astype(DATATYPES[datatype]).tobytes()
    binary = tensor("r", datatype, [2, 3], binary_data_size=len(data))
    found = read(binary, INTS, FLAGS, tail=data).inputs[0]
    np.testing.assert_array_equal(found, read({**REALS, "data": values.tolist()}, INTS, FLAGS).inputs[0])
    np.testing.assert_array_equal(found.reshape(2, 3), values * 4)


def test_binary_tensors_follow_each_other_in_the_order_of_the_request() -> None:
    reals, flags = np.array([1, -2, 3] * 2, ml_dtypes.bfloat16).tobytes(), b"\x01\x00"
    asked = read(
        tensor("b", "BOOL", [2], binary_data_size=2), INTS, tensor("r", "BF16", [2, 3], binary_data_size=12),
        tail=flags + reals,
    )  # fmt: skip
    assert asked.inputs[0].tolist() == [[[4, -8, 12]]] * 2 and asked.inputs[2].tolist() == [1, 0]


def test_integers_are_not_scaled() -> None:
    raw = tensor("r", "INT16", [2, 3], [1, 2, 3, 4, 5, -1000], integers=True)
    assert read(raw, INTS, FLAGS).inputs[0].tolist() == [[[1, 2, 3]], [[4, 5, -1000]]]
    with pytest.raises(BoundError):
        read({**raw, "data": [1001] * 6}, INTS, FLAGS)
    with pytest.raises(InputError, match="said to hold integers"):
        read({**raw, "datatype": "FP32"}, INTS, FLAGS)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((REALS, INTS), "each given once"),
        ((REALS, INTS, FLAGS, FLAGS), "each given once"),
        ((REALS, INTS, {**FLAGS, "shape": [1], "data": [True]}), "same batch size"),
        (({**REALS, "shape": [3, 2]}, INTS, FLAGS), "its data is \\[2, 3\\]"),
        (({**REALS, "shape": [-2, -3]}, INTS, FLAGS), "negative"),
        (({**REALS, "shape": [2, 3.0]}, INTS, FLAGS), "inputs.0.shape.1"),
        (({**REALS, "shape": ["2", 3]}, INTS, FLAGS), "inputs.0.shape.0"),
        (({**REALS, "datatype": "FLOAT"}, INTS, FLAGS), "'FLOAT'"),
        (({**REALS, "data": [["1", "2", "3"]] * 2}, INTS, FLAGS), "not all of its datatype"),
        (({**REALS, "data": [True] * 6}, INTS, FLAGS), "not all of its datatype"),
        (({**REALS, "data": [[1, 2], [3]]}, INTS, FLAGS), "unevenly"),
        (({**REALS, "data": [None] * 6}, INTS, FLAGS), "not all of its datatype"),
        (({**REALS, "data": [1e39] * 6}, INTS, FLAGS), "NaN or infinity"),
        (({**REALS, "data": [10**400] * 6}, INTS, FLAGS), "does not fit FP32"),
        (({**REALS, "data": "123456"}, INTS, FLAGS), "no list of data"),
        ((tensor("r", "FP32", [2, 3]), INTS, FLAGS), "no list of data"),
        ((REALS, {**INTS, "data": [0.5] * 8}, FLAGS), "not all of its datatype"),
        ((REALS, {**INTS, "datatype": "FP64", "data": [0.5] * 8}, FLAGS), "fractions"),
        ((REALS, {**INTS, "datatype": "INT8", "data": [128] * 8}, FLAGS), "fit the datatype INT8"),
        ((REALS, {**INTS, "datatype": "UINT8", "data": [-1] * 8}, FLAGS), "fit the datatype UINT8"),
        ((REALS, {**INTS, "data": [1 << 63, -1] * 4}, FLAGS), "fit the datatype INT64"),
        ((REALS, {**INTS, "datatype": "UINT64", "data": [(1 << 64) - 1] * 8}, FLAGS), "outside its bound"),
        ((REALS, INTS, {**FLAGS, "data": [1, 0]}), "not all of its datatype"),
        (({**REALS, "data": [1, 2, 3, 4, 5, "x" * 1_000_000]}, INTS, FLAGS), "not all of its datatype"),
        (({**REALS, "parameters": {"integers": 1}}, INTS, FLAGS), "must be true or false"),
        (({**REALS, "parameters": {"binary_data_size": 24}}, INTS, FLAGS), "both data and"),
        ((tensor("r", "FP32", [2, 3], binary_data_size=24), INTS, FLAGS), "body ends before"),
        ((tensor("r", "FP32", [2, 3], binary_data_size=True), INTS, FLAGS), "24 bytes"),
        ((tensor("r", "FP32", [2, 3], binary_data_size=-24), INTS, FLAGS), "24 bytes"),
        ((tensor("r", "FP32", [1 << 40, 1 << 40], binary_data_size=24), INTS, FLAGS), "data_size is 24"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tensors: tuple[dict[str, Any], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(*tensors)


def test_binary_data_is_all_used() -> None:
    with pytest.raises(InputError, match="takes 0 bytes, but 1 follow"):
        read(REALS, INTS, FLAGS, tail=b"x")
    with pytest.raises(InputError, match="neither 0 nor 1"):
        read(REALS, INTS, tensor("b", "BOOL", [2], binary_data_size=2), tail=b"\x01\x02")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("integers", [False, True])
def test_outputs(binary: bool, integers: bool) -> None:
    inputs = read(REALS, INTS, FLAGS).inputs
    wanted = [Wanted(i, binary, integers) for i in (2, 0, 1)]
    described, tail = Outputs(CIRCUIT, inputs).write(slice(0, 2), wanted)
    types = ["INT64"] * 3 if integers else ["BOOL", "FP32", "INT64"]
    assert [(t["name"], t["datatype"], t["shape"]) for t in described] == [
        ("b", types[0], [2]),
        ("r", types[1], [2, 3]),
        ("i", types[2], [2, 2, 2]),
    ]
    arrays = []
    for i, output in enumerate(described):
        dtype = DATATYPES[types[i]]
        if binary:
            assert output["parameters"] == {"binary_data_size": len(tail[i])} and "data" not in output
            arrays.append(np.frombuffer(tail[i], dtype))
        else:
            arrays.append(np.array(output["data"], dtype))
    reals = inputs[0].reshape(-1) * (1 if integers else 0.25)
    np.testing.assert_array_equal(arrays[1], reals)
    np.testing.assert_array_equal(arrays[0], inputs[2])
    np.testing.assert_array_equal(arrays[2], inputs[1].reshape(-1))


def test_which_outputs_are_wanted() -> None:
    def wanted(**more: Any) -> list[Wanted]:
        found: list[Wanted] = read(REALS, INTS, FLAGS, **more).outputs
        return found

    assert wanted() == [Wanted(i, False, False) for i in range(3)]
    defaults = {"binary_data_output": True, "integers_output": True}
    assert wanted(parameters=defaults) == [Wanted(i, True, True) for i in range(3)]
    one = [{"name": "i", "parameters": {"binary_data": False}}]
    assert wanted(parameters=defaults, outputs=one) == [Wanted(1, False, True)]
    for outputs, message in (
        ([{"name": "x"}], "no output 'x'"),
        ([{"name": "i"}] * 2, "twice"),
        ([{"name": "i", "parameters": {"classification": 3}}], "classification"),
        ([{"name": "i", "parameters": {"binary_data": "yes"}}], "true or false"),
    ):
        with pytest.raises(InputError, match=message):
            wanted(outputs=outputs)


def test_an_output_beyond_fp32_is_refused() -> None:
    wide = Circuit(NODES[1:2], {}, (Port("i", 0, 1e30, "real"),), (Port("i", 0, 1e30, "real"),))
    with pytest.raises(InputError, match="ask for its integers"):
        Outputs(wide, [np.full((1, 2, 2), BIG)]).write(slice(0, 1), [Wanted(0, False, False)])
    Outputs(wide, [np.full((1, 2, 2), BIG)]).write(slice(0, 1), [Wanted(0, False, True)])


@given(st.lists(st.floats(-249, 249, width=32), min_size=3, max_size=3))
def test_reals_are_quantised_as_everywhere(values: list[float]) -> None:
    found = read(
        tensor("r", "FP32", [1, 3], values),
        tensor("i", "INT8", [2, 2], [0] * 4),
        tensor("b", "BOOL", [1], [False]),
    )
    arrays = [np.array([[values]], np.float32), np.zeros((1, 2, 2), np.int8), np.zeros(1, bool)]
    np.testing.assert_array_equal(found.inputs[0], quantise_inputs(CIRCUIT, arrays)[0])
