"""The committed models score what their folders claim, under onnxruntime, on the committed held-out data."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS, TABULAR, SEQUENCE = (EXAMPLES / name for name in ("digits", "tabular", "sequence"))
CLAIMS = [
    (folder / name, claim["correct"], claim["samples"])
    for folder in (DIGITS, TABULAR, SEQUENCE)
    for name, claim in json.loads((folder / "accuracy.json").read_text()).items()
]


def heldout(model: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The held-out inputs by name, with a leading sample axis, and their labels."""
    folder = DIGITS if model.parent == SEQUENCE else model.parent
    with np.load(folder / "heldout.npz", allow_pickle=False) as data:
        return dict(data), np.load(folder / "heldout_labels.npy", allow_pickle=False)


def answers(model: Path, inputs: dict[str, np.ndarray]) -> list[int]:
    """The class of each sample, each run on its own."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    samples = len(next(iter(inputs.values())))
    outputs = [
        session.run(None, {name: array[i : i + 1] for name, array in inputs.items()})[0]
        for i in range(samples)
    ]
    return [int(out.reshape(-1)[0]) if out.size == 1 else int(out.argmax()) for out in outputs]


def test_every_model_has_a_claim() -> None:
    assert {path for path, _, _ in CLAIMS} == set(EXAMPLES.glob("*/*.onnx"))
    assert len(CLAIMS) == 6


@pytest.mark.parametrize(("model", "correct", "samples"), CLAIMS, ids=[path.stem for path, _, _ in CLAIMS])
def test_accuracy_is_what_is_claimed(model: Path, correct: int, samples: int) -> None:
    inputs, labels = heldout(model)
    assert len(labels) == samples
    assert int((np.array(answers(model, inputs)) == labels).sum()) == correct


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("digits/mlp", 0.97),
        ("digits/cnn", 0.97),
        ("sequence/lstm", 0.95),
        ("sequence/transformer", 0.95),
        ("tabular/gradient_boosting", 0.94),
        ("tabular/random_forest", 0.94),
    ],
)
def test_the_models_are_worth_proving(model: str, least: float) -> None:
    path = EXAMPLES / f"{model}.onnx"
    correct, samples = next((correct, samples) for claimed, correct, samples in CLAIMS if claimed == path)
    assert correct / samples >= least


@pytest.mark.parametrize("model", [path for path, _, _ in CLAIMS], ids=[path.stem for path, _, _ in CLAIMS])
def test_models_are_well_formed_small_and_read_the_committed_inputs(model: Path) -> None:
    proto = onnx.load(model)
    onnx.checker.check_model(proto, full_check=True)
    assert model.stat().st_size < 1 << 20
    assert next(opset.version for opset in proto.opset_import if not opset.domain) >= 17
    assert [graph_input.name for graph_input in proto.graph.input] == list(heldout(model)[0])


@pytest.mark.parametrize(("folder", "name"), [(DIGITS, "image"), (TABULAR, "features")])
def test_the_sample_is_the_first_held_out_input(folder: Path, name: str) -> None:
    sample = json.loads((folder / "sample.json").read_text())
    with np.load(folder / "heldout.npz", allow_pickle=False) as data:
        assert np.array_equal(np.float32(sample["input_data"][0]), data[name][0].reshape(-1))
