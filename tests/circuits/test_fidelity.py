"""How faithful circuits are to the trained models of the examples, on data that neither training nor
calibration saw; and that the report says so correctly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.compile import Compiled, compile_file
from circuits.data import load_inputs, match, read_arrays
from circuits.errors import ModelError
from circuits.executor import execute
from circuits.fidelity import Fidelity, OnnxRuntime, measure
from circuits.importer.importer import import_model

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS, TABULAR = EXAMPLES / "digits", EXAMPLES / "tabular"
MODELS: dict[str, tuple[Path, Path, float]] = {
    "mlp": (DIGITS / "mlp.onnx", DIGITS, 0.995),
    "cnn": (DIGITS / "cnn.onnx", DIGITS, 0.995),
    "random forest": (TABULAR / "random_forest.onnx", TABULAR, 0.99),
    "gradient boosting": (TABULAR / "gradient_boosting.onnx", TABULAR, 0.99),
    "transformer": (EXAMPLES / "sequence" / "transformer.onnx", DIGITS, 0.99),
    "lstm": (EXAMPLES / "sequence" / "lstm.onnx", DIGITS, 0.99),
}
"""Model, the folder with its data, and the least agreement on the held-out quarter."""


@pytest.fixture(scope="module", params=list(MODELS))
def example(request: pytest.FixtureRequest) -> tuple[str, Compiled]:
    """A model compiled at the default width."""
    model, data, _ = MODELS[request.param]
    return request.param, compile_file(model, data / "calibration.npz")


def heldout(circuit: Circuit, folder: Path) -> list[NDArray[np.generic]]:
    """The held-out samples, shaped for the circuit's inputs."""
    ports = [(port.name, circuit.nodes[port.node].shape) for port in circuit.inputs]
    arrays, names, _ = read_arrays(folder / "heldout.npz")
    return match(arrays, names, ports, "heldout.npz")


def test_answers_agree_on_held_out_data(example: tuple[str, Compiled]) -> None:
    name, compiled = example
    model, folder, least = MODELS[name]
    assert compiled.notes == []
    reference = OnnxRuntime(onnx.load(model), import_model(onnx.load(model)))
    data = heldout(compiled.circuit, folder)
    report = measure(compiled.circuit, reference, data)
    assert report.samples == len(data[0]) >= 140
    assert report.argmax_agreement >= least, report
    assert report.cosine > 0.999 and report.relative_error < 0.05, report


def test_held_out_data_lie_inside_the_bounds(example: tuple[str, Compiled]) -> None:
    """Nothing needs to be saturated: what was calibrated on leaves room for more of its kind."""
    name, compiled = example
    (inputs,) = load_inputs(compiled.circuit, MODELS[name][1] / "heldout.npz")
    outputs = execute(compiled.circuit, [inputs])
    assert all(len(y) == len(inputs) for y in outputs)


def test_the_report_is_kept_with_the_circuit(example: tuple[str, Compiled]) -> None:
    _, compiled = example
    assert compiled.circuit.info["fidelity"] == compiled.fidelity.as_dict()
    assert compiled.circuit.info["bits"] == 12
    assert len(compiled.circuit.info["model_sha256"]) == 64


# -- the report itself
# -----------------------------------------------------------------------------------------


def identity(kind: str = "real", scale: float = 0.5, shape: tuple[int, ...] = (3,)) -> Circuit:
    """A circuit that answers its input."""
    b = CircuitBuilder()
    x = b.input("x", shape, -100, 100, scale, kind)  # type: ignore[arg-type]
    return b.build([Port("y", x, scale, kind)], {})  # type: ignore[arg-type]


class Answers:
    """A model that gives these answers, whatever it is asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = np.array(answers)

    def run(self, inputs: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """The next answers."""
        now, self.answers = np.split(self.answers, [len(inputs[0])])
        return [now]


def report(circuit: Circuit, given: object, *answers: object) -> Fidelity:
    return measure(circuit, Answers(*answers), [np.array(given)])


def test_errors_are_those_of_the_outputs() -> None:
    found = report(identity(), [[1, 2, 3], [4, 5, 6]], [1, 2, 3.25], [4, 5.5, 6])
    assert found.max_abs_error == 0.5 and found.mean_abs_error == 0.75 / 6
    assert found.relative_error == 0.5 / 6  # over the largest output
    assert found.argmax_agreement == 1 and found.samples == 2
    assert 0.99 < found.cosine < 1


def test_agreement_is_counted_by_rows() -> None:
    found = report(identity(), [[1, 2, 3], [4, 5, 6]], [1, 2, 3], [7, 5, 6])
    assert found.argmax_agreement == 0.5
    found = report(identity("int", 1.0, ()), [1, 2, 3, 4], 1, 2, 3, 5)
    assert found.argmax_agreement == 0.75 and found.cosine == 1 and found.max_abs_error == 0


def test_equal_answers_are_perfect() -> None:
    found = report(identity(), [[1, 2, 3]], [1, 2, 3])
    assert found == Fidelity(0, 0, 0, pytest.approx(1), 1, 1)  # type: ignore[arg-type]
    assert report(identity(), [[0, 0, 0]], [0, 0, 0]).cosine == 1


def test_infinite_answers_count_for_the_order_only() -> None:
    found = report(identity(), [[-9, 2, 3], [1, 2, -50]], [-np.inf, 2, 3], [1, 2, np.nan])
    assert found.max_abs_error == 0 and found.argmax_agreement == 1
    assert all(np.isfinite(value) for value in found.as_dict().values())


def test_samples_are_measured_in_chunks_as_in_one() -> None:
    rng = np.random.default_rng(0)
    data, answers = rng.normal(0, 10, (2, 150, 3))
    whole = report(identity(), data, *answers)
    assert whole.samples == 150
    difference = np.abs(np.rint(data / 0.5) * 0.5 - answers)
    assert whole.max_abs_error == pytest.approx(difference.max())
    assert whole.mean_abs_error == pytest.approx(difference.mean())


def test_a_model_that_onnxruntime_refuses_is_told(digits: Path) -> None:
    model = onnx.load(digits / "mlp.onnx")
    graph = import_model(model)
    model.graph.node[1].op_type = "Frobnicate"
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        OnnxRuntime(model, graph)
