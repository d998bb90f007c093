"""What the PyTorch examples share: a deterministic training loop, the ONNX export, the exported file's score.

PyTorch is needed to train again and for nothing else; see the README of each example.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

OPSET = 17


def fit(
    model: nn.Module, images: Tensor, labels: Tensor, epochs: int, learning_rate: float, shift: bool
) -> nn.Module:
    """Train `model` on float32 images [samples, 1, 8, 8] and int64 labels [samples]; leave it in eval mode.

    With `shift`, every batch is moved by up to one pixel in each direction: a digit stays the same digit, and
    1,347 samples are few. A convolution gains from it; a small dense model spends its few parameters on it
    and loses.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.02)
    batch = 64
    steps = epochs * math.ceil(len(images) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=learning_rate, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            batch_images = _shifted(images[rows]) if shift else images[rows]
            loss = loss_of(model(batch_images), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def _shifted(images: Tensor) -> Tensor:
    """Shift the whole batch by -1, 0 or 1 pixel in each direction, filling with background."""
    down, right = (int(step) for step in torch.randint(0, 3, (2,)))
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, down : down + 8, right : right + 8]


def deterministic(seed: int) -> None:
    """Make PyTorch repeat itself bit for bit on the same machine and version."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


def export(model: nn.Module, path: Path, symbolic_batch: bool) -> None:
    """Write `model` as ONNX: `image` [n, 1, 8, 8] to `logits` [n, 10], where n is symbolic or 1."""
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}} if symbolic_batch else None,
        opset_version=OPSET,
        dynamo=False,
    )


def correct_answers(path: Path, images: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    """Count the images that the exported model, run one by one by onnxruntime, classifies correctly."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits = [session.run(None, {"image": image[np.newaxis]})[0][0] for image in images]
    return int((np.argmax(logits, axis=1) == labels).sum())


def write_accuracy(folder: Path, correct: Mapping[str, int], samples: int) -> None:
    """Write `accuracy.json`: how many of the held-out samples each model file classifies correctly."""
    claims = {name: {"correct": count, "samples": samples} for name, count in correct.items()}
    (folder / "accuracy.json").write_text(json.dumps(claims, indent=2) + "\n")
