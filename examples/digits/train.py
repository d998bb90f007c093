"""Train the digits MLP and CNN, and write the models and the data beside this file.

Run from the repository's root, in an environment with `torch==2.13.0 onnx onnxruntime scikit-learn`:

    python -m examples.digits.train
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from examples.digits.data import load_split
from examples.training import correct_answers, deterministic, export, fit, write_accuracy

FOLDER = Path(__file__).parent
CALIBRATION_SAMPLES = 256


def mlp() -> nn.Module:
    """64-32-10 with ReLU: 2,410 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> nn.Module:
    """3x3 convolutions of 8 and 16 channels, max and average pooling, one linear layer: 1,898 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def main() -> None:
    """Train, export, score on the held-out quarter, and save the data."""
    split = load_split()
    images, labels = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)
    correct = {}
    for name, build, symbolic_batch, shift in (
        ("mlp.onnx", mlp, True, False),
        ("cnn.onnx", cnn, False, True),
    ):
        deterministic(seed=1)
        model = fit(build(), images, labels, epochs=120, learning_rate=0.01, shift=shift)
        export(model, FOLDER / name, symbolic_batch)
        correct[name] = correct_answers(FOLDER / name, split.heldout_images, split.heldout_labels)
        print(f"{name}: {correct[name]} of {len(split.heldout_labels)} held-out digits correct")
    write_accuracy(FOLDER, correct, len(split.heldout_labels))

    np.savez_compressed(FOLDER / "calibration.npz", image=split.train_images[:CALIBRATION_SAMPLES])
    np.savez_compressed(FOLDER / "heldout.npz", image=split.heldout_images)
    np.save(FOLDER / "heldout_labels.npy", split.heldout_labels)
    sample = {"input_data": [split.heldout_images[0].reshape(-1).tolist()]}
    (FOLDER / "sample.json").write_text(json.dumps(sample) + "\n")


if __name__ == "__main__":
    main()
