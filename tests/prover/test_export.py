"""The integer ONNX: exact for every operation under ezkl's own constraints, and sound against any hint."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import UnsupportedError
from circuits.executor import execute
from circuits.ops import REGISTRY
from circuits.tensor import IntArray
from prover.ezkl.export import Export, export, postponed_rescales
from prover.ezkl.graph import IntegerGraph
from prover.ezkl.lowering import LOWERINGS
from prover.ezkl.primitives import Primitives
from prover.ezkl.process import run
from prover.ezkl.settings import run_args
from prover.progress import silent
from tests.budget import examples
from tests.circuits.random_circuits import circuits, random_circuit, random_sample, samples
from tests.prover.circuits_to_prove import BUILDS, build
from tests.prover.integer_onnx import evaluate
from verifier.bn254 import SCALAR_FIELD
from verifier.statement import embed


def _samples(circuit: Circuit) -> list[list[IntArray]]:
    """All inputs at their lower bound, all at their upper, and a random sample within."""
    rng = np.random.default_rng(5)
    bounds = [(circuit.nodes[p.node].lo, circuit.nodes[p.node].hi) for p in circuit.inputs]
    shapes = [(1, *circuit.nodes[p.node].shape) for p in circuit.inputs]
    corners = [[np.full(s, b[side]) for s, b in zip(shapes, bounds, strict=True)] for side in (0, 1)]
    return [*corners, [rng.integers(lo, hi + 1, s) for s, (lo, hi) in zip(shapes, bounds, strict=True)]]


def _outputs_under_ezkl(made: Export, samples: list[list[IntArray]], folder: Path) -> list[list[int]]:
    """The outputs that ezkl's constraints give for each sample; fails unless they hold for the last one."""
    model, settings, compiled = (str(folder / name) for name in ("model.onnx", "settings.json", "compiled"))
    Path(model).write_bytes(made.model)
    arguments = run_args(made, made.logrows + 1, 2)
    steps = [
        (
            "counting",
            "settings",
            {"model": model, "output": settings, "run_args": arguments},
        ),
        ("compiling", "compile", {"model": model, "compiled": compiled, "settings": settings}),
    ]
    witness = str(folder / "witness.json")
    for i, sample in enumerate(samples):
        data = folder / f"input{i}.json"
        flat = [[embed(int(x)).to_bytes(32, "little").hex() for x in array.ravel()] for array in sample]
        data.write_text(json.dumps({"input_data": flat}))
        steps.append(("running", "witness", {"data": str(data), "compiled": compiled, "output": witness}))
    steps.append(("checking", "mock", {"witness": witness, "compiled": compiled}))
    *_, satisfied = results = run(steps, silent).results
    assert satisfied is True
    return [[_signed(x) for output in r["outputs"] for x in output] for r in results[2:-1]]


def _signed(text: str) -> int:
    value = int.from_bytes(bytes.fromhex(text), "little")
    return value - SCALAR_FIELD if value > SCALAR_FIELD // 2 else value


@pytest.mark.parametrize("name", BUILDS)
def test_ezkl_computes_what_the_executor_computes(name: str, tmp_path: Path) -> None:
    circuit = build(name)
    samples = _samples(circuit)
    expected = [[int(x) for y in execute(circuit, s) for x in y.ravel()] for s in samples]
    assert _outputs_under_ezkl(export(circuit), samples, tmp_path) == expected


@pytest.mark.parametrize("name", BUILDS)
def test_the_integer_onnx_is_exact_at_the_corners(name: str) -> None:
    circuit = build(name)
    made = export(circuit)
    for sample in _samples(circuit):
        expected = [int(x) for y in execute(circuit, sample) for x in y.ravel()]
        assert evaluate(made, [x.ravel() for x in sample]) == expected


@settings(max_examples=examples(50))
@given(st.data())
def test_random_circuits_export_exactly(data: st.DataObject) -> None:
    _check_a_random_circuit(data)


@pytest.mark.fuzz
@given(st.data())
def test_many_random_circuits_export_exactly(data: st.DataObject) -> None:
    _check_a_random_circuit(data)


def _check_a_random_circuit(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    sample = data.draw(samples(circuit))
    try:
        made = export(circuit)
    except UnsupportedError as error:
        assert "constant" in str(error)
        assume(False)
    expected = [int(x) for y in execute(circuit, sample) for x in y.ravel()]
    assert evaluate(made, [x.ravel().astype(np.int64) for x in sample]) == expected


@pytest.mark.parametrize("seed", range(6))
def test_random_circuits_prove_exactly(seed: int, tmp_path: Path) -> None:
    """The same under ezkl's own constraints."""
    made, circuit = None, None
    for attempt in range(50):
        circuit = random_circuit(1000 * seed + attempt, 8)
        with contextlib.suppress(UnsupportedError):
            made = export(circuit)
            break
    assert made is not None and circuit is not None
    drawn = [random_sample(circuit, i) for i in range(2)]
    expected = [[int(x) for y in execute(circuit, s) for x in y.ravel()] for s in drawn]
    assert _outputs_under_ezkl(made, drawn, tmp_path) == expected


def test_every_operation_has_a_form_and_a_case() -> None:
    sources = {"input", "constant"}
    assert set(LOWERINGS) == set(REGISTRY) - sources
    covered = {node.op for name in BUILDS for node in build(name).nodes}
    assert covered == set(REGISTRY)


def test_hardswish_is_relu_on_every_integer_of_the_widest_table(tmp_path: Path) -> None:
    graph = IntegerGraph()
    primitives = Primitives(graph, 14)
    low, high = primitives.table_range
    x = graph.input(high - low + 1, low, high)
    made = Export(graph.model([primitives.relu(x)]), (low, high), 2, 1, (), 0, 2 * x.size, 16)
    everything = np.arange(low, high + 1)
    [outputs] = _outputs_under_ezkl(made, [[everything]], tmp_path)
    assert outputs == np.maximum(everything, 0).tolist()


@pytest.mark.parametrize(("shift", "table_bits"), [(1, 3), (3, 3), (2, 5), (5, 7)])
def test_no_proposed_quotient_but_leads_to_the_floor(shift: int, table_bits: int) -> None:
    """Whatever a prover claims as the quotient: where all lookups are in range, the result is the floor."""
    graph = IntegerGraph()
    primitives = Primitives(graph, table_bits)
    reach = 3 << shift
    values = np.arange(-reach, reach + 1)
    y = graph.input(values.size, -reach, reach)
    model = onnx.load_from_string(graph.model([primitives.shift_right(y, shift)]))
    session, looked_up = _with_free_quotient(model)
    low, high = primitives.table_range
    reached = np.zeros(values.size, dtype=bool)
    for proposal in range(-8, 9):
        minus_w = np.full(values.size, -proposal, np.float32)
        q, *inputs = session.run(["y0", *looked_up], {"x0": values.astype(np.float32), "minus_w": minus_w})
        allowed = np.all([(low <= i) & (i <= high) for i in inputs], axis=0)
        assert np.array_equal(q[allowed], (values >> shift)[allowed])
        reached |= allowed
    assert reached.all()


def _with_free_quotient(model: onnx.ModelProto) -> tuple[onnxruntime.InferenceSession, list[str]]:
    """The model with the division's result as an input, and what it looks up as outputs."""
    nodes = [node for node in model.graph.node if node.op_type not in ("Div", "Neg")]
    [free] = [node.output[0] for node in model.graph.node if node.op_type == "Neg"]
    looked_up = []
    for node in nodes:
        node.input[:] = ["minus_w" if name == free else name for name in node.input]
        if node.op_type == "HardSwish":
            node.op_type = "Relu"
            looked_up.append(node.input[0])
    size = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size]) for name in looked_up]
    claimed = helper.make_tensor_value_info("minus_w", TensorProto.FLOAT, [size])
    graph = helper.make_graph(
        nodes,
        "free",
        [*model.graph.input, claimed],
        [*model.graph.output, *infos],
        list(model.graph.initializer),
    )
    free_model = helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)
    assert len(looked_up) == 2
    return onnxruntime.InferenceSession(free_model.SerializeToString()), looked_up


def test_a_rescale_moves_behind_the_pool_that_alone_reads_it() -> None:
    circuit = build("max_pool behind a rescale")
    [rescale] = [i for i, node in enumerate(circuit.nodes) if node.op == "rescale"]
    assert postponed_rescales(circuit) == {rescale}
    made = export(circuit)
    in_order = sum(export(build("rescale with a clamp")).cells) // 20 * 32
    assert sum(made.cells) < in_order


def test_movement_costs_nothing() -> None:
    for name in ("transpose", "slice", "pad", "broadcast", "gather with a constant index"):
        circuit = build(name)
        assert (
            sum(export(circuit).cells[len(circuit.inputs) :]) <= circuit.nodes[circuit.outputs[0].node].size
        )


def test_a_constant_that_cannot_be_split_is_refused_by_name() -> None:
    b = CircuitBuilder()
    x = b.input("x", (2,), -5, 5, 1.0, "int")
    b.label = "head/Concat"
    y = b.add("concat", [x, b.constant(np.array([2**24 + 1]))], axis=0)
    b.label = "head/Relu"
    y = b.add("rescale", [y], mul=1, shift=0, lo=0, hi=None)
    circuit = b.build([Port("y", y, 1.0, "int")], {})
    with pytest.raises(UnsupportedError, match=r"head/Relu \(rescale\).*16777217.*float32"):
        export(circuit)


def test_a_constant_output_is_refused_by_name() -> None:
    b = CircuitBuilder()
    b.input("x", (1,), -5, 5, 1.0, "int")
    circuit = b.build([Port("answer", b.constant(42), 1.0, "int")], {})
    with pytest.raises(UnsupportedError, match="'answer' is a constant"):
        export(circuit)
