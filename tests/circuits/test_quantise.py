"""What quantisation promises of any model: a consistent circuit that keeps its bounds on every input within
them, and that answers as the model does where it was calibrated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from circuits.circuit import Circuit
from circuits.compile import Compiled, compile_model
from circuits.errors import InputError, ModelError
from circuits.executor import execute
from circuits.fidelity import Fidelity
from circuits.quantise import Options
from circuits.tensor import IntArray
from tests.circuits.random_models import random_model

SEEDS = range(100)
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


@cache
def compiled(seed: int, jumps: bool = True) -> Compiled:
    """The random model of a seed, calibrated on its samples."""
    made = random_model(seed, jumps)
    return compile_model(made.model, (made.samples, None, "samples"))


def corners(circuit: Circuit, rng: np.random.Generator) -> Iterator[list[IntArray]]:
    """Inputs that a prover with bad intentions would try: the ends of the bounds in many patterns."""
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    for pattern in ("lo", "hi", "even", "odd", "left", "random", "random", "anything", "anything", "one"):
        sample: list[IntArray] = []
        for node in nodes:
            cells = np.arange(node.size).reshape(node.shape)
            high = {
                "lo": np.zeros(node.shape, bool),
                "hi": np.ones(node.shape, bool),
                "even": cells % 2 == 0,
                "odd": cells % 2 == 1,
                "left": cells < node.size / 2,
                "random": rng.random(node.shape) < 0.5,
                "one": cells == rng.integers(node.size),
            }.get(pattern)
            anything = rng.integers(node.lo, node.hi, node.shape, endpoint=True)
            sample.append(anything if high is None else np.where(high, node.hi, node.lo))
        yield sample
    for seed in range(4):  # the signs of a matrix's columns drive its products to the ends of their bounds
        rows = [value for value in circuit.constants.values() if value.ndim >= 2]
        if rows:
            signs = np.sign(np.moveaxis(rows[seed % len(rows)], -1, 0).reshape(-1))
            yield [np.where(np.resize(signs, n.shape) * (-1) ** seed >= 0, n.hi, n.lo) for n in nodes]


def check_bounds(circuit: Circuit, samples: list[list[IntArray]]) -> None:
    """Every tensor stays inside its bound, and a batch gives what its samples give one by one."""
    batch = [np.stack(column) for column in zip(*samples, strict=True)]

    def inside(i: int, value: IntArray) -> None:
        node = circuit.nodes[i]
        assert value.dtype == node.dtype and value.shape[1:] == node.shape
        assert node.lo <= value.min() and value.max() <= node.hi, (i, node.op, node.label)

    together = execute(circuit, batch, inside)
    for k in (0, len(samples) // 2, len(samples) - 1):
        alone = execute(circuit, [x[k : k + 1] for x in batch])
        for whole, single in zip(together, alone, strict=True):
            assert np.array_equal(whole[k : k + 1], single)


def check_seed(seed: int) -> None:
    circuit = compiled(seed).circuit
    circuit.validate()
    check_bounds(circuit, list(corners(circuit, np.random.default_rng(seed))))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_input_leaves_a_bound(seed: int) -> None:
    check_seed(seed)


@pytest.mark.fuzz
@given(st.integers(0, 1 << 62))
def test_no_input_of_any_model_leaves_a_bound(seed: int) -> None:
    check_seed(seed)


@pytest.mark.parametrize("seed", SEEDS[::10])
def test_a_compiled_circuit_reads_back_as_itself(seed: int, tmp_path: Path) -> None:
    circuit = compiled(seed).circuit
    circuit.save(tmp_path / "c.circuit")
    again = Circuit.load(tmp_path / "c.circuit")
    assert again.circuit_id == circuit.circuit_id and again.info == circuit.info
    assert again.nodes == circuit.nodes


def test_answers_are_the_models_where_it_was_calibrated() -> None:
    """Random models are harsher than trained ones: they subtract what is nearly equal, and normalise
    noise."""
    reports = [compiled(seed, jumps=False) for seed in range(200)]
    assert not [report.notes for report in reports if report.notes]
    errors = np.sort([report.fidelity.relative_error for report in reports])
    assert errors[len(errors) // 2] < 0.0005
    assert errors[int(0.98 * len(errors))] < 0.01
    assert errors[-1] < 0.2


# -- widths
# ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlp(digits: Path) -> tuple[onnx.ModelProto, NDArray[np.generic]]:
    """The digits MLP and its calibration data."""
    with np.load(digits / "calibration.npz") as archive:
        (data,) = archive.values()
    return onnx.load(digits / "mlp.onnx"), data


def test_more_bits_are_closer(mlp: tuple[onnx.ModelProto, NDArray[np.generic]]) -> None:
    model, data = mlp
    reports = [
        compile_model(model, ([data], None, "data"), Options(bits=bits)).fidelity for bits in range(4, 17)
    ]
    errors = [report.mean_abs_error for report in reports]
    assert all(fine < 0.75 * coarse for coarse, fine in itertools.pairwise(errors[:-1]))
    assert reports[0].argmax_agreement > 0.9
    assert all(report.argmax_agreement == 1 for report in reports[4:])


def test_a_width_for_one_layer_changes_that_layer(mlp: tuple[onnx.ModelProto, NDArray[np.generic]]) -> None:
    model, data = mlp
    calibration = ([data], None, "data")
    name = next(node.name for node in model.graph.node if node.op_type == "Gemm")
    plain = compile_model(model, calibration)
    coarse = compile_model(model, calibration, Options(bits_for={name: 5}))
    assert coarse.fidelity.mean_abs_error > 4 * plain.fidelity.mean_abs_error
    (port,) = coarse.circuit.inputs
    assert coarse.circuit.nodes[port.node].hi == plain.circuit.nodes[plain.circuit.inputs[0].node].hi
    narrow = compile_model(model, calibration, Options(bits_for={port.name: 6}))
    assert narrow.circuit.nodes[narrow.circuit.inputs[0].node].hi == 2 * 31


@pytest.mark.parametrize("bits", [-1, 0, 3, 17, 64])
def test_widths_outside_4_to_16_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match="choose 4 to 16"):
        Options(bits=bits)
    with pytest.raises(InputError, match="'a layer'"):
        Options(bits_for={"a layer": bits})


# -- kinds of inputs and outputs
# -------------------------------------------------------------------------------

Port = tuple[str, int, tuple[int, ...]]


def model(
    nodes: list[onnx.NodeProto], inputs: list[Port], outputs: list[Port], **constants: object
) -> onnx.ModelProto:
    """A model with its constants as initializers."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(circuit: Circuit, *inputs: object) -> list[NDArray[np.generic]]:
    """The integers that a circuit answers on integers."""
    return [y[0] for y in execute(circuit, [np.asarray(x)[None] for x in inputs])]


def test_an_output_may_be_an_input_a_constant_or_another_output() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Relu", ["x"], ["z"])]
    outputs = [
        ("x", FLOAT, (1, 3)),
        ("y", FLOAT, (1, 3)),
        ("k", FLOAT, (2,)),
        ("z", FLOAT, (1, 3)),
        ("y", FLOAT, (1, 3)),
    ]
    found = compile_model(model(nodes, [("x", FLOAT, (1, 3))], outputs, k=np.float32([1.5, -2])))
    circuit = found.circuit
    circuit.validate()
    assert [port.name for port in circuit.outputs] == ["x", "y", "k", "z", "y"]
    x, y, k, z, again = run(circuit, [[5, -5, 1000]])
    assert x.tolist() == [[5, -5, 1000]] and np.array_equal(y, z) and np.array_equal(y, again)
    assert (k * circuit.outputs[2].scale).tolist() == [1.5, -2]
    assert found.fidelity.relative_error < 1e-3


def test_an_unread_input_stays_an_input() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    found = compile_model(model(nodes, [("u", FLOAT, (2,)), ("x", FLOAT, (1, 3))], [("y", FLOAT, (1, 3))]))
    assert [port.name for port in found.circuit.inputs] == ["u", "x"]
    assert run(found.circuit, [7, 7], [[1, 2, 3]])[0].shape == (1, 3)


def test_indices_are_bound_by_what_they_index() -> None:
    table = np.arange(40, dtype=np.float32).reshape(10, 4)
    nodes = [helper.make_node("Gather", ["table", "i"], ["y"])]
    made = model(nodes, [("i", INT64, (1, 3))], [("y", FLOAT, (1, 3, 4))], table=table)
    found = compile_model(made)
    node = found.circuit.nodes[found.circuit.inputs[0].node]
    assert (node.lo, node.hi) == (0, 9) and found.circuit.inputs[0].kind == "int"
    (y,) = run(found.circuit, [[0, 9, 4]])
    assert (y[0, :, 0] * found.circuit.outputs[0].scale).tolist() == [0, 36, 16]
    negative = compile_model(made, ([np.array([[[-1, 0, 3]]])], None, "data")).circuit
    assert negative.nodes[negative.inputs[0].node].lo == -10
    (y,) = run(negative, [[-1, -10, 3]])
    assert (y[0, :, 0] * negative.outputs[0].scale).tolist() == [36, 0, 12]


def test_truth_values_choose() -> None:
    nodes = [helper.make_node("Where", ["c", "x", "k"], ["y"]), helper.make_node("Not", ["c"], ["z"])]
    inputs = [("c", BOOL, (1, 3)), ("x", FLOAT, (1, 3))]
    found = compile_model(model(nodes, inputs, [("y", FLOAT, (1, 3)), ("z", BOOL, (1, 3))], k=np.float32(0)))
    assert [port.kind for port in (*found.circuit.inputs, *found.circuit.outputs)] == [
        "bool",
        "real",
        "real",
        "bool",
    ]
    y, z = run(found.circuit, [[1, 0, 1]], [[4, 5, -6]])
    assert np.sign(y).tolist() == [[1, 0, -1]] and z.tolist() == [[0, 1, 0]]


def test_integers_are_exact() -> None:
    nodes = [helper.make_node("Mul", ["i", "i"], ["m"]), helper.make_node("Sub", ["m", "k"], ["y"])]
    made = model(nodes, [("i", INT64, (3,))], [("y", INT64, (3,))], k=np.int64(7))
    circuit = compile_model(made, ([np.array([[1000, -5, 3]])], None, "data")).circuit
    assert run(circuit, [2000, -1999, 0])[0].tolist() == [4_000_000 - 7, 1999**2 - 7, -7]


@pytest.mark.parametrize("mask", [-np.inf, -1e9, -1e4, float(np.finfo(np.float32).min)])
def test_a_mask_leaves_nothing_of_what_it_hides(mask: float) -> None:
    """As a constant, and chosen at run time."""
    rng = np.random.default_rng(0)
    data = rng.normal(0, 3, (16, 1, 4, 4)).astype(np.float32)
    causal = np.where(np.tri(4) > 0, 0, mask).astype(np.float32)
    nodes = [helper.make_node("Add", ["x", "m"], ["s"]), helper.make_node("Softmax", ["s"], ["y"])]
    ports: tuple[list[Port], list[Port]] = [("x", FLOAT, (1, 4, 4))], [("y", FLOAT, (1, 4, 4))]
    found = compile_model(model(nodes, *ports, m=causal), ([data], None, "data"))
    nodes[0] = helper.make_node("Where", ["c", "x", "m"], ["s"])
    keep = np.broadcast_to(np.tri(4) > 0, data.shape)
    ports[0].append(("c", BOOL, (1, 4, 4)))
    chosen = compile_model(model(nodes, *ports, m=np.float32(mask)), ([data, keep], ["x", "c"], "data"))
    for report, extra in ((found, []), (chosen, [np.tri(4, dtype=int)[None]])):
        assert report.fidelity.max_abs_error < 0.002, report.fidelity
        bound = report.circuit.nodes[report.circuit.inputs[0].node]
        for value in (
            np.full((1, 4, 4), bound.lo),
            np.full((1, 4, 4), bound.hi),
            np.where(np.tri(4) > 0, bound.lo, bound.hi)[None],
        ):
            (y,) = run(report.circuit, value, *extra)
            hidden = y[0][np.triu_indices(4, 1)] * report.circuit.outputs[0].scale
            assert (hidden < 0.01).all(), "what is hidden shows"


def test_a_pad_is_filled_with_its_value() -> None:
    """Also where the tensor itself never comes near it."""
    nodes = [helper.make_node("Add", ["x", "k"], ["s"]), helper.make_node("Pad", ["s", "p", "v"], ["y"])]
    data = np.random.default_rng(0).uniform(0, 1, (8, 1, 2)).astype(np.float32)
    for fill in (0.0, -3.0, 5.0):
        made = model(
            nodes, [("x", FLOAT, (1, 2))], [("y", FLOAT, (1, 4))],
            k=np.float32(10), p=np.array([0, 1, 0, 1]), v=np.float32(fill),
        )  # fmt: skip
        found = compile_model(made, ([data], None, "data"))
        (y,) = run(found.circuit, [[0, 0]])
        assert y[0, [0, 3]] * found.circuit.outputs[0].scale == pytest.approx([fill, fill], abs=0.01)


# -- dimensions and calibration
# --------------------------------------------------------------------------------


def test_a_leading_symbol_is_the_batch_and_others_are_given_sizes() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    made = model(
        nodes,
        [("x", FLOAT, ("batch", "length", 4))],
        [("y", FLOAT, ("batch", "length", 2))],
        w=np.ones((4, 2), np.float32),
    )  # type: ignore[list-item]
    with pytest.raises(ModelError, match="--dim length=SIZE"):
        compile_model(made)
    circuit = compile_model(made, dims={"length": 5}).circuit
    assert circuit.nodes[circuit.inputs[0].node].shape == (1, 5, 4)
    circuit = compile_model(made, dims={"length": 5, "batch": 3}).circuit
    assert circuit.nodes[circuit.outputs[0].node].shape == (3, 5, 2)
    with pytest.raises(InputError, match=r"no dimension called 'width'.*batch, length"):
        compile_model(made, dims={"width": 5})
    with pytest.raises(InputError, match="at least 1"):
        compile_model(made, dims={"length": 0})


def test_without_calibration_data_the_assumption_is_told() -> None:
    made = random_model(3).model
    found = compile_model(made)
    (note,) = found.notes
    assert "assumed" in note and "--calibration" in note
    assert compile_model(made).circuit.circuit_id == found.circuit.circuit_id


def test_zeros_calibrate_too() -> None:
    """A tensor that is always 0 says nothing of its range: the circuit still answers on other inputs."""
    made = random_model(3)
    zeros = [np.zeros_like(x) for x in made.samples]
    circuit = compile_model(made.model, (zeros, None, "zeros")).circuit
    check_bounds(circuit, list(corners(circuit, np.random.default_rng(0))))


@pytest.mark.parametrize("size", [1e-20, 1e-6, 1e6, 1e20])
def test_data_of_any_size_keep_their_precision(size: float) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    weights = np.random.default_rng(1).normal(0, 1 / size, (6, 3)).astype(np.float32)
    simple = model(nodes, [("x", FLOAT, (1, 6))], [("y", FLOAT, (1, 3))], w=weights)
    data = np.random.default_rng(0).normal(0, size, (32, 1, 6)).astype(np.float32)
    report: Fidelity = compile_model(simple, ([data], None, "data")).fidelity
    assert report.relative_error < 0.002


def test_large_negative_numbers_are_no_masks_beside_others_as_large() -> None:
    nodes = [helper.make_node("Add", ["x", "k"], ["s"]), helper.make_node("Greater", ["x", "t"], ["g"])]
    nodes += [helper.make_node("MatMul", ["s", "w"], ["y"])]
    ports: tuple[list[Port], list[Port]] = [("x", FLOAT, (1, 2))], [("y", FLOAT, (1, 2)), ("g", BOOL, (1, 2))]
    weights = np.float32([[-50_000, 0.5], [3, -20_000]])
    made = model(nodes, *ports, k=np.float32(-30_000), t=np.float32(-20_000), w=weights)
    data = np.random.default_rng(0).uniform(-25_000, 35_000, (64, 1, 2)).astype(np.float32)
    found = compile_model(made, ([data], None, "data"))
    assert found.fidelity.relative_error < 0.002
    port, scale = found.circuit.inputs[0], found.circuit.inputs[0].scale
    for value in (-19_000, -21_000):
        _, above = run(found.circuit, np.full((1, 2), round(value / scale)))
        assert above.tolist() == [[value > -20_000] * 2], port


def test_saturation_gives_the_answer_at_the_bound() -> None:
    """Beyond the calibrated range answers clamp; they never wrap around."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Sigmoid", ["m"], ["y"])]
    made = model(nodes, [("x", FLOAT, (1, 2))], [("y", FLOAT, (1, 1))], w=np.float32([[3], [2]]))
    data = np.random.default_rng(0).uniform(-1, 1, (64, 1, 2)).astype(np.float32)
    circuit = compile_model(made, ([data], None, "data")).circuit
    node = circuit.nodes[circuit.inputs[0].node]
    steps = np.linspace(node.lo, node.hi, 41).round().astype(np.int64)
    answers = [run(circuit, [[step, step]])[0].item() for step in steps]
    assert answers == sorted(answers)
    scale = circuit.outputs[0].scale
    assert answers[0] * scale < 0.01 and answers[-1] * scale > 0.99
