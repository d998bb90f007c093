"""The committed data is scikit-learn's, and what is held out was held out."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

EXAMPLES = Path(__file__).parents[2] / "examples"


def committed(folder: str, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibration samples, held-out samples and held-out labels."""
    with np.load(EXAMPLES / folder / "calibration.npz", allow_pickle=False) as data:
        calibration = data[name]
    with np.load(EXAMPLES / folder / "heldout.npz", allow_pickle=False) as data:
        heldout = data[name]
    return calibration, heldout, np.load(EXAMPLES / folder / "heldout_labels.npy", allow_pickle=False)


def rows_of(samples: np.ndarray) -> list[bytes]:
    return [sample.tobytes() for sample in samples]


def real_digits() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    return (digits.images / 16).astype(np.float32)[:, np.newaxis], digits.target


def real_biopsies() -> tuple[np.ndarray, np.ndarray]:
    table = load_breast_cancer()
    with np.load(EXAMPLES / "tabular" / "standardisation.npz", allow_pickle=False) as scaling:
        return ((table.data - scaling["mean"]) / scaling["deviation"]).astype(np.float32), table.target


@pytest.mark.parametrize(
    ("folder", "name", "real", "shape"),
    [("digits", "image", real_digits, (1, 8, 8)), ("tabular", "features", real_biopsies, (30,))],
)
def test_data_is_scikit_learns_with_its_labels(
    folder: str, name: str, real: Callable[[], tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]
) -> None:
    samples, targets = real()
    label_of = dict(zip(rows_of(samples), targets, strict=True))
    assert len(label_of) == len(samples), "a sample stands twice in the original: labels would be ambiguous"

    calibration, heldout, labels = committed(folder, name)
    assert calibration.dtype == heldout.dtype == np.float32
    assert calibration.shape == (256, *shape)
    assert heldout.shape == (math.ceil(len(samples) / 4), *shape)
    assert all(row in label_of for row in rows_of(calibration))
    assert [label_of[row] for row in rows_of(heldout)] == labels.tolist()
    assert not set(rows_of(calibration)) & set(rows_of(heldout))
    assert len(set(rows_of(heldout))) == len(heldout)


def test_standardisation_saw_no_held_out_sample() -> None:
    table = load_breast_cancer()
    _, heldout, _ = committed("tabular", "features")
    samples, _ = real_biopsies()
    kept_back = set(rows_of(heldout))
    train = table.data[[row not in kept_back for row in rows_of(samples)]]
    with np.load(EXAMPLES / "tabular" / "standardisation.npz", allow_pickle=False) as scaling:
        assert np.allclose(scaling["mean"], train.mean(axis=0))
        assert np.allclose(scaling["deviation"], train.std(axis=0))
