"""The demo's main line, on the smaller of its two models."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from prover.progress import silent
from verinfer.commands.demo import table
from verinfer.console import out
from verinfer.demo import one


def test_the_demo_proves_and_refuses_forgeries(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_CACHE", str(tmp_path / "cache"))
    with Anvil() as anvil:
        chain = anvil.connect()
        report = one("mlp", tmp_path, digits, chain, deploy_contracts(chain), silent)
    assert report.ok
    assert len(report.refused) == 4
    assert report.figures["argmax_agreement"] >= 0.995
    with out.capture() as shown:
        out.print(table([report]))
    assert "valid on the chain" in shown.get() and "NO" not in shown.get()
