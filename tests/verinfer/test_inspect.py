"""What `inspect` says: one JSON object, a table that fits the terminal, a picture."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from circuits.circuit import Circuit
from circuits.compile import compile_model
from circuits.cost import shortened, total
from prover.inspection import node_row
from tests.circuits.random_models import random_model
from tests.verinfer.conftest import Commands
from verinfer.commands.inspect import WIDE, node_table


def test_the_json_object_holds_the_whole_graph(commands: Commands, compiled: Path) -> None:
    found = commands.json("inspect", "mlp.circuit", folder=compiled)
    circuit = Circuit.load(compiled / "mlp.circuit")
    assert found["circuit_id"] == "0x" + circuit.circuit_id.hex()
    assert found["parameters"] == circuit.parameters
    whole = total(circuit)
    assert (found["macs"], found["witness_elements"]) == (whole.macs, whole.witness)
    assert found["macs"] == sum(node["macs"] for node in found["nodes"])
    for i, (shown, node) in enumerate(zip(found["nodes"], circuit.nodes, strict=True)):
        assert shown["id"] == i and shown["op"] == node.op and shown["label"] == node.label
        assert shown["inputs"] == list(node.inputs) and shown["shape"] == list(node.shape)
        lo, hi = shown["bound"]
        assert (lo, hi) == (node.lo, node.hi)
        signed = lo < 0
        edge = 1 << (shown["bits"] - signed)
        assert (-edge <= lo if signed else lo >= 0) and hi < edge
        assert shown["bits"] <= 1 or not (-edge // 2 <= lo and hi < edge // 2), "a bit fewer would do"
    (image,), (logits,) = found["inputs"], found["outputs"]
    assert image["name"] == "image" and image["shape"] == [1, 1, 8, 8] and image["scale"] > 0
    assert logits["name"] == "logits" and logits["shape"] == [1, 10]
    assert found["fidelity"]["argmax_agreement"] == 1
    estimates = found["estimates"]
    assert estimates["sumcheck"]["cells"] > 0 and estimates["ezkl"]["rows"] > 0
    assert all(estimate["srs"].startswith("2^") for estimate in estimates.values())
    assert estimates["sumcheck"]["proof_bytes"] > 1000


def test_the_picture_is_written_beside_the_table(commands: Commands, compiled: Path, tmp_path: Path) -> None:
    response = commands.run("inspect", compiled / "mlp.circuit", "--svg", "mlp.svg", folder=tmp_path)
    assert response.code == 0 and "matmul" in response.stdout and "circuit_id" in response.stdout
    assert ElementTree.parse(tmp_path / "mlp.svg").getroot().tag.endswith("svg")


def printed(circuit: Circuit, width: int) -> list[str]:
    """The table on a terminal of a width, with estimates of a backend for each node."""
    rows: list[dict[str, Any]] = [node_row(circuit, i) for i in range(len(circuit.nodes))]
    estimates = {
        name: {"unit": unit, "layers": {i: 12_345 * i for i in range(len(rows))}}
        for name, unit in (("sumcheck", "cells"), ("ezkl", "rows"))
    }
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(node_table(rows, estimates, width))
    return console.export_text().splitlines()


@pytest.mark.parametrize("seed", [3, 11, 16, 27])
@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_the_table_fits_the_terminal(seed: int, width: int) -> None:
    made = random_model(seed)
    circuit = compile_model(made.model, (made.samples, None, "samples")).circuit
    heading, *lines = printed(circuit, width)
    shown = [(i, node) for i, node in enumerate(circuit.nodes) if node.op != "constant"]
    assert len(lines) == len(shown), "a row takes one line"
    assert max(map(len, lines)) <= width
    assert ("bound" in heading) == (width >= WIDE)
    for line, (i, node) in zip(lines, shown, strict=True):
        number, op, *rest = line.split()
        assert (int(number), op) == (i, node.op)
        assert "x".join(map(str, node.shape)) in (rest or [""]) or not node.shape or width >= WIDE
    labels = {node.label for _, node in shown if len(node.label) <= 12}
    assert all(any(line.rstrip().endswith(label) for line in lines) for label in labels)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10k"), (12_345, "12.3k"), (999_499, "999k"), (2_048_000, "2,048k")]
    + [(51_380_224, "51.4M"), (4_094_405_609, "4,094M"), (40_944_056_090, "40.9G")],
)
def test_counts_in_few_characters(n: int, text: str) -> None:
    assert shortened(n) == text
