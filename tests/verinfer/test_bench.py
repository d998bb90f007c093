"""The bench: every figure of a row, what refuses a circuit, and the picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from circuits.file import save
from prover.progress import silent
from tests.prover.circuits_to_prove import build
from tests.verinfer.conftest import Commands
from verinfer.bench import Job, measure, random_inputs
from verinfer.bench_plot import plot

ROW = {"circuit": "a", "backend": "sumcheck", "parameters": 2410, "activations": 96, "prove_seconds": 0.05}


def test_random_inputs_reach_the_bounds_and_not_beyond() -> None:
    circuit = build("max of wide values")
    inputs = random_inputs(circuit)
    for port, array in zip(circuit.inputs, inputs, strict=True):
        node = circuit.nodes[port.node]
        assert array.shape == (1, *node.shape) and array.min() >= node.lo and array.max() <= node.hi


def test_a_row_has_every_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path))
    circuit = build("a layer")
    row = measure(Job("a layer", circuit, random_inputs(circuit)), "sumcheck", 2, 1, "cpu", silent)
    assert row["circuit"] == "a layer" and row["proving_key_bytes"] == 0
    for name in ("setup_seconds", "prove_seconds", "verify_seconds", "proof_bytes", "key_bytes"):
        assert row[name] > 0, name


def test_what_refuses_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path))
    monkeypatch.setattr("prover.memory.available_bytes", lambda: 0)
    circuit = build("a layer")
    row = measure(Job("a layer", circuit, random_inputs(circuit)), "sumcheck", 1, None, "cpu", silent)
    assert "of memory" in row["refused"]


def test_the_command_measures_any_circuit(commands: Commands, tmp_path: Path) -> None:
    save(build("a layer"), tmp_path / "a.circuit")
    arguments = ["bench", "--backend", "sumcheck", "--runs", 1, "--circuit", "a.circuit"]
    files = ["-o", "rows.json", "--plot", "rows.svg"]
    shown = commands.json(*arguments, *files, folder=tmp_path, memory=32 << 30)
    assert json.loads((tmp_path / "rows.json").read_text()) == shown
    assert [row["circuit"] for row in shown["rows"]] == ["a"]
    assert "a" in _words(ElementTree.parse(tmp_path / "rows.svg").getroot())


def _words(svg: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(
    "rows",
    [
        [ROW],
        [ROW, ROW | {"backend": "ezkl", "prove_seconds": 12.5}],
        [ROW | {"circuit": "<b> & 'c'", "parameters": 10**9, "prove_seconds": 1e5}],
        [ROW | {"activations": 0}],
        [{"circuit": "a", "backend": "ezkl", "refused": "no"}],
        [],
    ],
)
def test_the_picture_is_well_formed(rows: list[dict[str, Any]]) -> None:
    words = _words(ElementTree.fromstring(plot(rows)))
    for row in rows:
        assert ("refused" in row) == (row["backend"] not in words)
        assert "refused" in row or row["circuit"] in words
