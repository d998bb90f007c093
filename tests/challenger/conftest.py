"""Databases of both kinds, for the tests of what is kept in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from circuits.circuit import Circuit
from tests.challenger.chains import DevChain, dev_chain
from tests.challenger.lies import chain
from tests.challenger.scene import Scene


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "watcher.db")
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A chain with a tier and a model, for all tests of a module."""
    with dev_chain() as dev:
        yield Scene.on(dev, tmp_path_factory.mktemp("stage"), chain(5))


@pytest.fixture
def scene(stage: Scene, tmp_path: Path) -> Iterator[Scene]:
    """The same as if it were new."""
    snapshot = stage.dev.rpc("evm_snapshot")
    yield stage.moved(tmp_path)
    stage.dev.rpc("evm_setAutomine", True)
    stage.dev.rpc("evm_revert", snapshot)


@pytest.fixture
def dev(scene: Scene) -> DevChain:
    """The scene's chain."""
    return scene.dev


@pytest.fixture
def circuit(scene: Scene) -> Circuit:
    """The scene's circuit."""
    return scene.circuit
