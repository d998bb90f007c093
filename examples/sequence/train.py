"""Train an LSTM and a transformer on the digits, read as sequences, and write the models beside this file.

Run from the repository's root, in an environment with `torch==2.13.0 onnx onnxruntime scikit-learn`:

    python -m examples.sequence.train
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from examples.digits.data import load_split
from examples.training import correct_answers, deterministic, export, fit, write_accuracy

FOLDER = Path(__file__).parent


class RowLstm(nn.Module):
    """An LSTM layer of 24 units over the rows of pixels, top to bottom; the last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size=8, hidden_size=24)
        self.head = nn.Linear(24, 10)

    def forward(self, image: Tensor) -> Tensor:
        rows = image.reshape(-1, 8, 8).transpose(0, 1)  # [8 rows, batch, 8 pixels]
        _, (state, _) = self.lstm(rows)
        return self.head(state[-1])


class PatchTransformer(nn.Module):
    """A pre-norm transformer block, two heads, over sixteen patches of 2x2 pixels; the mean is classified."""

    WIDTH, HEADS, PATCHES = 16, 2, 16

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, self.WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(1, self.PATCHES, self.WIDTH))
        self.attention_norm = nn.LayerNorm(self.WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(self.WIDTH, self.WIDTH) for _ in range(4))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(self.WIDTH),
            nn.Linear(self.WIDTH, 2 * self.WIDTH),
            nn.GELU(),
            nn.Linear(2 * self.WIDTH, self.WIDTH),
        )
        self.head_norm = nn.LayerNorm(self.WIDTH)
        self.head = nn.Linear(self.WIDTH, 10)

    def forward(self, image: Tensor) -> Tensor:
        patches = image.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, self.PATCHES, 4)
        x = self.embed(patches) + self.position
        x = x + self.attend(self.attention_norm(x))
        x = x + self.feed_forward(x)
        return self.head(self.head_norm(x).mean(dim=1))

    def attend(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d)) V for each head: [batch, patches, width] to the same shape."""
        size = self.WIDTH // self.HEADS
        q, k, v = (
            layer(x).reshape(-1, self.PATCHES, self.HEADS, size).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = torch.softmax(q @ k.transpose(2, 3) / size**0.5, dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(-1, self.PATCHES, self.WIDTH))


def main() -> None:
    """Train, export, and score on the held-out quarter."""
    split = load_split()
    images, labels = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)
    correct = {}
    for name, build in (("lstm.onnx", RowLstm), ("transformer.onnx", PatchTransformer)):
        deterministic(seed=1)
        model = fit(build(), images, labels, epochs=120, learning_rate=0.01, shift=False)
        export(model, FOLDER / name, symbolic_batch=False)
        correct[name] = correct_answers(FOLDER / name, split.heldout_images, split.heldout_labels)
        print(f"{name}: {correct[name]} of {len(split.heldout_labels)} held-out digits correct")
    write_accuracy(FOLDER, correct, len(split.heldout_labels))


if __name__ == "__main__":
    main()
