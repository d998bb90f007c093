"""Compiling is deterministic, and keeps to the way that its parts promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from circuits.calibrate import Range, calibrate
from circuits.circuit import Circuit
from circuits.compile import assumed_samples, compile_file, compile_model
from circuits.errors import InputError
from circuits.executor import execute
from circuits.importer.importer import import_model

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
import numpy as np
from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.executor import execute
found = {}
for model, data in json.loads(sys.argv[1]):
    circuit = compile_file(model, data + "/calibration.npz").circuit
    inputs = load_inputs(circuit, data + "/heldout.npz")
    outputs = execute(circuit, [x[:20] for x in inputs])
    found[model] = [circuit.circuit_id.hex(), circuit.info, [y.tolist() for y in outputs]]
print(json.dumps(found))
"""
EXAMPLES = [
    ("examples/digits/mlp.onnx", "examples/digits"),
    ("examples/digits/cnn.onnx", "examples/digits"),
    ("examples/sequence/transformer.onnx", "examples/digits"),
    ("examples/tabular/gradient_boosting.onnx", "examples/tabular"),
]


def compiled_elsewhere(seed: str, threads: str) -> dict[str, object]:
    """Ids and answers of the examples from a process with another hash seed and another number of threads."""
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    environment = os.environ | variables | {"PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", PROGRAM, json.dumps(EXAMPLES)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_same_model_and_data_give_the_same_circuit_everywhere() -> None:
    assert compiled_elsewhere("1", "1") == compiled_elsewhere("2", "2")


def test_a_scale_survives_noise_in_the_last_bits(digits: Path) -> None:
    """Machines add in different orders: what differs by a few units in the last place gets the same scale."""
    graph = import_model(onnx.load(digits / "cnn.onnx"))
    with np.load(digits / "calibration.npz") as archive:
        (data,) = archive.values()
    rng = np.random.default_rng(0)
    for found in calibrate(graph, [data]):
        for _ in range(3):
            jitter = 1 + rng.uniform(-1, 1, found.sample.shape) * 2.0**-48
            edge = 1 + rng.uniform(-1, 1) * 2.0**-48
            noisy = Range(found.lo * edge, found.hi * edge, found.sample * jitter)
            assert [noisy.scale(bits) for bits in (8, 12, 16)] == [found.scale(bits) for bits in (8, 12, 16)]


@pytest.mark.parametrize("magnitude", [1.0, 2.0, 0.5, 2047.0, 2047 / 4096, 3.0])
def test_a_range_at_the_edge_of_a_scale_does_not_flip(magnitude: float) -> None:
    """Ranges that end exactly where a power of two's range ends, as those of normalised data do."""
    sample = np.linspace(-magnitude, magnitude, 1000)
    wanted = Range(-magnitude, magnitude, sample).scale(12)
    for factor in (1 - 2.0**-50, 1 + 2.0**-50):
        assert Range(-magnitude * factor, magnitude * factor, sample * factor).scale(12) == wanted


def test_a_file_and_a_model_in_memory_compile_alike(digits: Path) -> None:
    from_file = compile_file(digits / "mlp.onnx", digits / "calibration.npz")
    with np.load(digits / "calibration.npz") as archive:
        data = list(archive.values())
    in_memory = compile_model(onnx.load(digits / "mlp.onnx"), (data, None, "data"))
    assert from_file.circuit.circuit_id == in_memory.circuit.circuit_id
    assert from_file.fidelity == in_memory.fidelity


def test_steps_are_told_in_order(digits: Path) -> None:
    steps: list[str] = []
    compile_file(digits / "mlp.onnx", digits / "calibration.npz", progress=steps.append)
    assert steps == ["loading", "importing", "calibrating", "quantising", "measuring fidelity"]


def test_assumed_samples_fit_the_model_and_are_the_same_each_time(digits: Path) -> None:
    graph = import_model(onnx.load(digits / "cnn.onnx"))
    first, second = assumed_samples(graph), assumed_samples(graph)
    assert [x.shape for x in first] == [(32, 1, 1, 8, 8)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.abs(first[0]).max() <= 1


def test_calibration_data_must_be_there_and_finite(digits: Path) -> None:
    graph = import_model(onnx.load(digits / "mlp.onnx"))
    with pytest.raises(InputError, match="no samples"):
        calibrate(graph, [np.zeros((0, 1, 1, 8, 8))])
    for bad in (np.nan, np.inf, -np.inf):
        data = np.zeros((3, 1, 1, 8, 8))
        data[1, 0, 0, 4, 4] = bad
        with pytest.raises(InputError, match="'image' holds NaN or infinity"):
            calibrate(graph, [data])


def test_calibration_in_chunks_sees_what_calibration_at_once_sees(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = import_model(onnx.load(digits / "cnn.onnx"))
    with np.load(digits / "calibration.npz") as archive:
        (data,) = archive.values()
    whole = calibrate(graph, [data])
    monkeypatch.setattr("circuits.calibrate.CHUNK_ELEMENTS", 64 * 10)
    parts = calibrate(graph, [data])
    assert np.allclose([(r.lo, r.hi) for r in parts], [(r.lo, r.hi) for r in whole], rtol=1e-12)


def test_circuits_answer_a_batch_as_they_answer_each_sample(digits: Path) -> None:
    circuit: Circuit = compile_file(digits / "cnn.onnx", digits / "calibration.npz").circuit
    node = circuit.nodes[circuit.inputs[0].node]
    batch = np.random.default_rng(0).integers(node.lo, node.hi, (50, *node.shape), endpoint=True)
    (together,) = execute(circuit, [batch])
    for k in range(0, 50, 7):
        assert np.array_equal(execute(circuit, [batch[k : k + 1]])[0], together[k : k + 1])
