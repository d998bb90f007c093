"""Opening ONNX files: external data stay in the model's folder, and mutated models are refused or compiled,
never anything else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from circuits.compile import compile_file, compile_model
from circuits.errors import ModelError, VerinferError
from circuits.importer import admission
from circuits.importer.load import check_model, load_model

WEIGHTS = np.random.default_rng(0).uniform(-1, 1, (4, 3)).astype(np.float32)


def external(**entries: str) -> onnx.TensorProto:
    """A tensor that lies in a file of its own."""
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend(WEIGHTS.shape)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def with_initializer(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """x @ w with w an initializer."""
    return _model([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor])


def with_attribute(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """x @ w with w in the attribute of a node."""
    nodes = [
        helper.make_node("Constant", [], ["w"], value=tensor),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    return _model(nodes, [])


def with_branch(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """x @ w with w an initializer of a subgraph."""
    out = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["t"])], "b", [], [out], [tensor])
    truth = numpy_helper.from_array(np.array(True), "c")
    return _model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [truth])


def with_function(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """x @ w with w in the attribute of a node of a function."""
    opsets = [helper.make_opsetid("", 21)]
    nodes = [
        helper.make_node("Constant", [], ["w"], value=tensor),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
    ]
    function = helper.make_function("own", "f", ["a"], ["b"], nodes, opsets)
    model = _model([helper.make_node("f", ["x"], ["y"], domain="own")], [])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _model(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto]) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


PLACES = [with_initializer, with_attribute, with_branch, with_function]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `model` with weights after 16 bytes of something else, and a secret beside it."""
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "w.bin").write_bytes(bytes(16) + WEIGHTS.tobytes() + bytes(4))
    (tmp_path / "model" / "sub" / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    return tmp_path / "model"


@pytest.mark.parametrize("place", PLACES)
def test_external_data_are_read(place, folder: Path) -> None:  # type: ignore[no-untyped-def]
    for entries in (
        {"location": "w.bin", "offset": "16", "length": "48"},
        {"location": "w.bin", "offset": "16"},
        {"location": "sub/w.bin"},
        {"location": "sub/../sub/w.bin", "offset": "0"},
    ):
        (folder / "m.onnx").write_bytes(place(external(**entries)).SerializeToString())
        compiled = compile_file(folder / "m.onnx")
        plain = compile_model(place(numpy_helper.from_array(WEIGHTS, "w")))
        assert compiled.circuit.circuit_id == plain.circuit.circuit_id


@pytest.mark.parametrize("place", PLACES)
def test_external_data_are_refused_where_there_may_be_none(place, folder: Path) -> None:  # type: ignore[no-untyped-def]
    path = folder / "m.onnx"
    path.write_bytes(place(external(location="w.bin", offset="16")).SerializeToString())
    with pytest.raises(ModelError, match="in another file, which is not read here"):
        compile_file(path, external_data=False)
    path.write_bytes(place(numpy_helper.from_array(WEIGHTS, "w")).SerializeToString())
    assert compile_file(path, external_data=False).circuit.outputs


OUTSIDE = [
    "../secret.bin",
    "sub/../../secret.bin",
    "{folder}/../secret.bin",
    "/etc/passwd",
    "link.bin",
    "out/secret.bin",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("location", OUTSIDE)
def test_external_data_outside_the_folder_are_refused(place, location: str, folder: Path) -> None:  # type: ignore[no-untyped-def]
    (folder / "link.bin").symlink_to("../secret.bin")
    (folder / "out").symlink_to("..")
    model = place(external(location=location.format(folder=folder)))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside the model's folder"):
        load_model(folder / "m.onnx")


BAD_ENTRIES: dict[str, tuple[dict[str, str], str]] = {
    "missing": ({"location": "none.bin"}, "no file 'none.bin'"),
    "no location": ({}, "no file"),
    "a folder": ({"location": "sub"}, "no file 'sub'"),
    "itself a folder": ({"location": "."}, "no file"),
    "a pipe": ({"location": "pipe"}, "no file 'pipe'"),
    "a null byte": ({"location": "w.bin\0.txt"}, "cannot be read"),
    "too short": ({"location": "w.bin", "offset": "24"}, "44 of 48 bytes"),
    "far behind the end": ({"location": "w.bin", "offset": str(1 << 70)}, "cannot be read|of 48 bytes"),
    "a negative offset": ({"location": "w.bin", "offset": "-16"}, "'-16'"),
    "an offset that is no number": ({"location": "w.bin", "offset": "16.0"}, "'16.0'"),
    "another length": ({"location": "w.bin", "length": "52"}, "52 bytes .* takes 48"),
    "an absurd length": ({"location": "w.bin", "length": str(1 << 70)}, "takes 48"),
}


@pytest.mark.parametrize("what", BAD_ENTRIES)
def test_external_data_that_are_not_there_are_refused(what: str, folder: Path) -> None:
    entries, says = BAD_ENTRIES[what]
    os.mkfifo(folder / "pipe")
    (folder / "m.onnx").write_bytes(with_initializer(external(**entries)).SerializeToString())
    with pytest.raises(ModelError, match=says):
        load_model(folder / "m.onnx")


def test_external_data_are_limited_together(folder: Path) -> None:
    """A thousand tensors that all lie in one sparse file take a thousand times its size in memory."""
    with (folder / "large.bin").open("wb") as file:
        file.truncate(1 << 28)
    tensor = external(location="large.bin")
    tensor.dims[:] = [1 << 13, 1 << 13]
    copies = []
    for k in range(20):
        copies.append(onnx.TensorProto())
        copies[-1].CopyFrom(tensor)
        copies[-1].name = f"w{k}"
    total = admission.MAX_CONSTANT_ELEMENTS  # of float32: as much as one file may hold
    assert 20 * 4 << 26 > 4 * total
    (folder / "m.onnx").write_bytes(
        _model([helper.make_node("Relu", ["x"], ["y"])], copies).SerializeToString()
    )
    with pytest.raises(ModelError, match="over the limit"):
        load_model(folder / "m.onnx")


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ([[0, -np.inf], [-np.inf, 0]], ""),
        ([-np.inf], ""),
        ([np.inf], ""),
        ([1, -np.inf], "infinity"),
        ([0, np.inf], "infinity"),
        ([np.nan, -np.inf], "NaN"),
    ],
)
def test_a_mask_may_be_infinite_but_no_weight(values: list[float], refused: str) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        tensor = numpy_helper.from_array(np.array(values, dtype=dtype), "w")
        model = _model([helper.make_node("Relu", ["x"], ["y"])], [tensor])
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
        if refused:
            with pytest.raises(ModelError, match=f"'w' holds {refused}"):
                check_model(model, "m")
        else:
            check_model(model, "m")


# -- mutations
# -------------------------------------------------------------------------------------------------


def mutated(model: onnx.ModelProto, rng: random.Random) -> onnx.ModelProto:
    """The model with one thing changed that a careless or hostile author might change."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = model.graph.node
    node = nodes[rng.randrange(len(nodes))]
    odd = [-(1 << 62), -(1 << 31), -7, -1, 0, 1, 2, 3, 5, 100, 1 << 20, 1 << 31, 1 << 40, (1 << 62) - 1]
    kind = rng.randrange(9)
    if kind == 0 and node.attribute:
        attribute = node.attribute[rng.randrange(len(node.attribute))]
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(odd)
        elif attribute.type == onnx.AttributeProto.INT:
            attribute.i = rng.choice(odd)
        else:
            attribute.f = rng.choice([0.0, -1.0, 1e38, -1e38, 1e-38])
    elif kind == 1 and node.attribute:
        attribute = node.attribute[rng.randrange(len(node.attribute))]
        if attribute.ints and rng.random() < 0.5:
            attribute.ints.append(rng.choice(odd))
        else:
            node.attribute.remove(attribute)
    elif kind == 2 and node.input:
        names = [name for n in nodes for name in (*n.input, *n.output)]
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "ghost"])
    elif kind == 3:
        node.op_type = rng.choice(
            ["Relu", "Add", "Conv", "MatMul", "Reshape", "Concat", "Softmax", "Gather", "Pad", "If"]
        )
    elif kind == 4 and model.graph.initializer:
        tensor = model.graph.initializer[rng.randrange(len(model.graph.initializer))]
        if tensor.data_type == TensorProto.INT64:
            values = numpy_helper.to_array(tensor).copy()
            values.reshape(-1)[rng.randrange(values.size)] = rng.choice(odd)
        else:
            values = numpy_helper.to_array(tensor) * np.float32(rng.choice([0, 1e30, 1e-30, -1]))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif kind == 5 and model.graph.initializer:
        tensor = model.graph.initializer[rng.randrange(len(model.graph.initializer))]
        values = numpy_helper.to_array(tensor)
        shape = rng.choice([(-1,), (1, -1), (-1, 1), (-1, 1, 1)])
        tensor.CopyFrom(numpy_helper.from_array(values.reshape(shape), tensor.name))
    elif kind == 6:
        nodes.remove(node)
    elif kind == 7:
        dims = model.graph.input[0].type.tensor_type.shape.dim
        dims[rng.randrange(len(dims))].dim_value = rng.choice([n for n in odd if n != 1 << 20])
    else:
        nodes.add().CopyFrom(node)
        nodes[-1].output[0] += "_again"
    return model


SOURCES = [
    *(Path("examples", name) for name in ("digits/mlp.onnx", "digits/cnn.onnx", "sequence/transformer.onnx")),
    Path("examples/tabular/gradient_boosting.onnx"),
]
MODELS = [onnx.load(Path(__file__).parents[2] / source) for source in SOURCES]


def check_mutation(seed: int) -> None:
    """Nothing but our own errors escapes, and what compiles is a consistent circuit."""
    rng = random.Random(seed)
    model = MODELS[rng.randrange(len(MODELS))]
    for _ in range(rng.randint(1, 3)):
        model = mutated(model, rng)
        if not model.graph.node:
            return
    try:
        compiled = compile_model(model)
    except VerinferError as error:
        assert str(error)
    else:
        compiled.circuit.validate()


@pytest.mark.parametrize("seed", range(100))
def test_a_mutated_model_compiles_or_is_refused(seed: int) -> None:
    check_mutation(seed)


@pytest.mark.fuzz
@given(st.integers(0, 1 << 64))
def test_any_mutated_model_compiles_or_is_refused(seed: int) -> None:
    check_mutation(seed)


@settings(max_examples=60)
@given(st.integers(0, 1 << 32))
def test_a_model_with_changed_bytes_compiles_or_is_refused(tmp_path_factory, seed: int) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(seed)
    data = bytearray(MODELS[rng.randrange(2)].SerializeToString())
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("changed") / "m.onnx"
    path.write_bytes(bytes(data))
    try:
        compile_file(path)
    except VerinferError as error:
        assert "m.onnx" in str(error) or "node" in str(error) or str(error)
