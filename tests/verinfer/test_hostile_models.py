"""A model that cannot be compiled is refused with one line and exit code 2: quickly, in little memory, and
without leaving anything behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.verinfer.conftest import Commands
from tests.verinfer.hostile_models import HOSTILE

QUICK = {name: hostile for name, hostile in HOSTILE.items() if not hostile.slow}
SLOW = {name: hostile for name, hostile in HOSTILE.items() if hostile.slow}


@pytest.mark.parametrize("name", QUICK)
def test_a_hostile_model_is_refused(name: str, commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(HOSTILE[name].build().SerializeToString())
    message = commands.refused("compile", "model.onnx", folder=tmp_path, seconds=30, memory=2 << 30)
    assert re.search(HOSTILE[name].says, message), message


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_a_hostile_model_is_refused_when_it_reaches_a_limit_on_work(
    name: str, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(HOSTILE[name].build().SerializeToString())
    message = commands.refused("compile", "model.onnx", folder=tmp_path, seconds=300, memory=8 << 30)
    assert re.search(HOSTILE[name].says, message), message
