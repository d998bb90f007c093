"""Train tree ensembles on scikit-learn's breast-cancer data; write models and data beside this file.

Run from the repository's root, in an environment with Verinfer's development extras:

    python -m examples.tabular.train
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).parent
SPLIT_SEED = 0
CALIBRATION_SAMPLES = 256
OPSETS = {"": 17, "ai.onnx.ml": 3}


def correct_answers(model: onnx.ModelProto, features: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    """Count the samples that onnxruntime classifies correctly."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return int((session.run(["label"], {"features": features})[0] == labels).sum())


def main() -> None:
    """Train, export, score on the held-out quarter, and save the data."""
    table = load_breast_cancer()
    train, heldout = train_test_split(
        np.arange(len(table.target)), test_size=0.25, stratify=table.target, random_state=SPLIT_SEED
    )
    # One scale serves a whole input tensor, so that columns of very different size (areas up to 4,254 beside
    # smoothness around 0.1) are brought to the same size before they enter the model, not inside it.
    mean, deviation = table.data[train].mean(axis=0), table.data[train].std(axis=0)
    features = ((table.data - mean) / deviation).astype(np.float32)
    labels = table.target.astype(np.int64)

    models: dict[str, ClassifierMixin] = {
        "gradient_boosting.onnx": GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0),
        "random_forest.onnx": RandomForestClassifier(n_estimators=50, max_depth=8, random_state=0),
    }
    claims = {}
    for name, model in models.items():
        model.fit(features[train], labels[train])
        converted = to_onnx(
            model,
            initial_types=[("features", FloatTensorType([None, features.shape[1]]))],
            target_opset=OPSETS,
            options={"zipmap": False},
        )
        correct = correct_answers(converted, features[heldout], labels[heldout])
        claims[name] = {"correct": correct, "samples": len(heldout)}
        print(f"{name}: {correct} of {len(heldout)} held-out samples correct")
        onnx.save(converted, FOLDER / name)
    (FOLDER / "accuracy.json").write_text(json.dumps(claims, indent=2) + "\n")

    np.savez_compressed(FOLDER / "calibration.npz", features=features[train][:CALIBRATION_SAMPLES])
    np.savez_compressed(FOLDER / "heldout.npz", features=features[heldout])
    np.save(FOLDER / "heldout_labels.npy", labels[heldout])
    np.savez(FOLDER / "standardisation.npz", mean=mean, deviation=deviation)
    sample = {"input_data": [features[heldout][0].tolist()]}
    (FOLDER / "sample.json").write_text(json.dumps(sample) + "\n")


if __name__ == "__main__":
    main()
