"""scikit-learn's handwritten digits, split once and for all: three quarters to train on, one held out.

The images are real: 1,797 scans of 8x8 pixels in 17 grey levels, from the UCI "Optical Recognition of
Handwritten Digits" set, shipped inside scikit-learn. Grey levels are divided by 16, so every pixel lies in
[0, 1].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SPLIT_SEED = 0
GREY_LEVELS = 16.0


@dataclass(frozen=True)
class Split:
    """Images are float32 [samples, 1, 8, 8] in [0, 1]; labels are int64 [samples] in 0..9."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    heldout_images: NDArray[np.float32]
    heldout_labels: NDArray[np.int64]


def load_split() -> Split:
    """Return 1,347 training samples and 450 held-out samples, every digit in the same share in both."""
    digits = load_digits()
    images = (digits.images / GREY_LEVELS).astype(np.float32)[:, np.newaxis, :, :]
    labels = digits.target.astype(np.int64)
    train, heldout = train_test_split(
        np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=SPLIT_SEED
    )
    return Split(images[train], labels[train], images[heldout], labels[heldout])
