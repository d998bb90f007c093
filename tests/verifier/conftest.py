"""A small circuit's header, a key and a proof that are well-formed but prove nothing, and ezkl at work."""

import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

import ezkl
import numpy as np
import onnx
import pytest
from eth_hash.auto import keccak
from onnx import TensorProto, helper, numpy_helper

from verifier.development_srs import development_head
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.statement import circuit_id_of

Port = tuple[tuple[int, ...], int, int, int, int]
"""shape, width, lo, hi, offset"""


def _encode_port(port: Port) -> bytes:
    shape, width, lo, hi, offset = port
    dims = [*shape, *[0] * (8 - len(shape))]
    return struct.pack(">BBHI8IqqQQ", len(shape), width, 0, 0, *dims, lo, hi, offset, prod(shape))


def _build_header(inputs: list[Port], outputs: list[Port], op_records: int = 3) -> bytes:
    fixed = struct.pack(
        ">8sHBBBBHHQQI", b"VERINFER", 1, 3, 1, 2, 0, len(inputs), len(outputs), 5, 2, op_records
    )
    return fixed + b"".join(_encode_port(port) for port in inputs + outputs)


@pytest.fixture(scope="session")
def build_header() -> Callable[..., bytes]:
    """Build a circuit header with 5 trace leaves and 2 weights leaves from ports."""
    return _build_header


@pytest.fixture(scope="session")
def header() -> bytes:
    """Inputs [2, 3] in [-5, 100] and a scalar in [0, 1000], and one output [2] in [-300, 300]."""
    return _build_header([((2, 3), 1, -5, 100, 0), ((), 2, 0, 1000, 1)], [((2,), 2, -300, 300, 2)])


@pytest.fixture(scope="session")
def key(header: bytes) -> VerifyingKey:
    """A key of that circuit, without any real backend parts."""
    scales = (0.5, 0.25, 2.0**-12)
    ops_root, weights_root = keccak(b"ops"), keccak(b"weights")
    scales_hash = keccak(struct.pack(">3d", *scales))
    return VerifyingKey(
        backend="ezkl",
        circuit_id=circuit_id_of(header, ops_root, weights_root, scales_hash),
        header=header,
        ops_root=ops_root,
        weights_root=weights_root,
        scales_hash=scales_hash,
        scales=scales,
        srs=development_head(),
        insecure_srs=True,
        sections={"vk": bytes(range(40)), "settings": b""},
    )


@pytest.fixture(scope="session")
def proof(key: VerifyingKey) -> Proof:
    """A proof for that key, with everything right but the backend's part."""
    return Proof(
        backend="ezkl",
        circuit_id=key.circuit_id,
        key_digest=key.digest,
        insecure_srs=True,
        inputs=(-5, 100, 0, 1, 2, 3, 1000),
        outputs=(-300, 300),
        sections={"proof": bytes(range(64))},
    )


def _prove_with(srs: Path) -> bool:
    """Prove and verify `relu(x @ w)` with ezkl and the given SRS, in a folder beside it."""
    folder = srs.parent / f"tiny-{srs.stem}"
    folder.mkdir()

    def path(name: str) -> str:
        return str(folder / name)

    weights = numpy_helper.from_array(np.array([[1, 2], [3, -4], [5, 6]], dtype=np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [weights],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
        path("model.onnx"),
    )
    Path(path("input.json")).write_text('{"input_data": [[1, 2, 3]]}')
    arguments = ezkl.PyRunArgs()
    arguments.input_scale = arguments.param_scale = 0
    arguments.param_visibility = "fixed"
    arguments.lookup_range = (-8, 8)
    arguments.decomp_base, arguments.decomp_legs = 16, 4
    arguments.logrows = 6
    ezkl.gen_settings(path("model.onnx"), path("settings.json"), py_run_args=arguments)
    ezkl.compile_circuit(path("model.onnx"), path("model.ezkl"), path("settings.json"))
    ezkl.gen_witness(path("input.json"), path("model.ezkl"), path("witness.json"))
    ezkl.setup(path("model.ezkl"), path("vk"), path("pk"), str(srs))
    ezkl.prove(path("witness.json"), path("model.ezkl"), path("pk"), path("proof.json"), srs_path=str(srs))
    return bool(ezkl.verify(path("proof.json"), path("settings.json"), path("vk"), str(srs)))


@pytest.fixture(scope="session")
def tiny_proof() -> Callable[[Path], bool]:
    """Tell whether ezkl makes and verifies a proof of a tiny model with the SRS in a file."""
    return _prove_with
