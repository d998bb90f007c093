"""One small circuit, set up and proved once with ezkl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.tensor import IntArray
from prover.backend import Proven, SetUp
from prover.ezkl.backend import EzklBackend
from prover.keys import KeyCache
from prover.progress import silent
from tests.prover.circuits_to_prove import build
from verifier.srs import SrsStore, StoredSrs


@dataclass(frozen=True)
class Proved:
    """A circuit, a batch of one sample, and what the backend made of them."""

    circuit: Circuit
    inputs: list[IntArray]
    backend: EzklBackend
    set_up: SetUp
    proven: Proven


@pytest.fixture(scope="session")
def srs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], StoredSrs]:
    """Development strings, made when they are first asked for."""
    return SrsStore(tmp_path_factory.mktemp("srs")).generate


@pytest.fixture(scope="session")
def proved(tmp_path_factory: pytest.TempPathFactory, srs: Callable[[int], StoredSrs]) -> Proved:
    """The circuit called "a layer"."""
    circuit = build("a layer")
    backend = EzklBackend(KeyCache("ezkl", tmp_path_factory.mktemp("cache")))
    set_up = backend.setup(circuit, srs, silent)
    inputs = [np.array([[[0, 17, 255, 128]]])]
    proven = backend.load(circuit, set_up.key, srs, silent).prove(inputs, silent)
    return Proved(circuit, inputs, backend, set_up, proven)


@pytest.fixture
def cache(tmp_path: Path) -> KeyCache:
    """An empty cache."""
    return KeyCache("ezkl", tmp_path / "cache")
