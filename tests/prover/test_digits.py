"""The digits models, compiled, proved and checked for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuits.compile import compile_file
from circuits.data import load_inputs
from prover.ezkl.backend import EzklBackend
from prover.keys import KeyCache
from prover.progress import silent
from verifier.srs import StoredSrs
from verifier.verify import verify


@pytest.mark.parametrize("name", ["mlp", pytest.param("cnn", marks=pytest.mark.long)])
def test_a_digit_is_recognised_and_proved(
    name: str, digits: Path, cache: KeyCache, srs: Callable[[int], StoredSrs]
) -> None:
    circuit = compile_file(digits / f"{name}.onnx", digits / "calibration.npz").circuit
    [images] = load_inputs(circuit, digits / "heldout.npz", False)
    labels = np.load(digits / "heldout_labels.npy")
    backend = EzklBackend(cache)
    key = backend.setup(circuit, srs, silent).key
    proof = backend.load(circuit, key, srs, silent).prove([images[:1]], silent).proof
    assert verify(proof, key).valid
    assert int(np.argmax(proof.outputs)) == labels[0]
