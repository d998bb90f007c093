"""The demo's main line, on the smaller of its two models."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from prover.progress import silent
from verinfer.commands.demo import table
from verinfer.console import out
from verinfer.demo import BACKENDS, on_chain, one


def test_the_demo_proves_and_refuses_forgeries(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_CACHE", str(tmp_path / "cache"))
    reports = []
    with Anvil() as anvil:
        deployment = deploy_contracts(anvil.connect())
        for backend in BACKENDS:
            report, done = one("mlp", backend, tmp_path, digits, silent)
            on_chain(report, done, deployment, silent)
            reports.append(report)
    for report in reports:
        assert report.ok and len(report.refused) == 4
        assert report.figures["argmax_agreement"] >= 0.995
        assert 300_000 < report.figures["verify_gas"] < 2_000_000
    assert len({report.figures["circuit_id"] for report in reports}) == 1
    assert len({report.figures["answer"] for report in reports}) == 1
    with out.capture() as shown:
        out.print(table(reports))
    assert "gas to verify" in shown.get() and "NO" not in shown.get()
