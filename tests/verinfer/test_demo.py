"""The demo's main line, on the smaller of its two models."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from prover.backends import DEFAULT
from prover.progress import silent
from verinfer.commands.demo import table
from verinfer.console import out
from verinfer.demo import CHAIN_BACKEND, on_chain, one


def test_the_demo_proves_and_refuses_forgeries(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_CACHE", str(tmp_path / "cache"))
    fast, _ = one("mlp", DEFAULT, tmp_path, digits, silent)
    with Anvil() as anvil:
        chain = anvil.connect()
        second, done = one("mlp", CHAIN_BACKEND, tmp_path, digits, silent)
        on_chain(second, done, chain, deploy_contracts(chain), silent)
    assert fast.ok and second.ok
    assert len(fast.refused) == 2 and len(second.refused) == 4
    assert fast.figures["argmax_agreement"] >= 0.995
    assert fast.figures["circuit_id"] == second.figures["circuit_id"]
    assert fast.figures["answer"] == second.figures["answer"]
    with out.capture() as shown:
        out.print(table([fast, second]))
    assert "valid on the chain" in shown.get() and "NO" not in shown.get()
