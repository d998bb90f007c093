"""verinfer inspect: the graph of a circuit with shapes, bounds and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from circuits import cost
from circuits.atomic_write import write_atomically
from circuits.circuit import Circuit
from circuits.drawing import draw
from circuits.errors import UnsupportedError
from circuits.file import load
from prover.backends import BACKENDS, backend
from verinfer.console import destination, emit, json_option, shown


def row(circuit: Circuit, i: int) -> dict[str, Any]:
    """What is shown of one node."""
    node = circuit.nodes[i]
    own = cost.cost_of(circuit, node)
    return {
        "id": i,
        "op": node.op,
        "label": node.label,
        "inputs": list(node.inputs),
        "shape": list(node.shape),
        "bound": [node.lo, node.hi],
        "bits": max(
            node.lo.bit_length() if node.lo >= 0 else (-node.lo - 1).bit_length(), node.hi.bit_length()
        )
        + (node.lo < 0),
        "macs": own.macs,
        "witness_elements": own.witness,
    }


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--svg", type=click.Path(path_type=Path), help="Also draw the graph to this file.")
@json_option
def command(circuit: Path, svg: Path | None, as_json: bool) -> None:
    """Show the graph of CIRCUIT with shapes, bounds and cost, and what proving it would take."""
    if svg is not None:
        destination(svg, circuit)
    loaded = load(circuit)
    rows = [row(loaded, i) for i in range(len(loaded.nodes))]
    whole = cost.total(loaded)
    estimates = {name: estimate(loaded, name) for name in BACKENDS}
    result = {
        "circuit_id": "0x" + loaded.circuit_id.hex(),
        "parameters": loaded.parameters,
        "macs": whole.macs,
        "witness_elements": whole.witness,
        "inputs": [port_row(loaded, port.node, port.name, port.scale) for port in loaded.inputs],
        "outputs": [port_row(loaded, port.node, port.name, port.scale) for port in loaded.outputs],
        "nodes": rows,
        "estimates": estimates,
        "fidelity": loaded.info.get("fidelity"),
    }
    if svg is not None:
        write_atomically(svg, [draw(loaded).encode()])
    emit(as_json, result, node_table(rows, estimates), summary(result), estimate_table(estimates))


def estimate(circuit: Circuit, name: str) -> dict[str, Any]:
    """What a backend would take for the circuit, or why it cannot take it."""
    try:
        found = backend(name).estimate(circuit)
    except UnsupportedError as error:
        return {"refused": str(error)}
    return {
        "rows": found.rows,
        "srs": f"2^{found.logrows}",
        "prove_seconds": round(found.prove_seconds, 1),
        "layers": {layer.node: layer.rows for layer in found.layers},
    }


def port_row(circuit: Circuit, node: int, name: str, scale: float) -> dict[str, Any]:
    """What is shown of an input or output."""
    tensor = circuit.nodes[node]
    return {"name": name, "shape": list(tensor.shape), "scale": scale, "bound": [tensor.lo, tensor.hi]}


def node_table(rows: list[dict[str, Any]], estimates: dict[str, dict[str, Any]]) -> Table:
    """The nodes for people, constants left to the operations that read them."""
    table = Table(box=None, header_style="bold")
    backends = [name for name, found in estimates.items() if "layers" in found]
    for heading in (
        "",
        "operation",
        "reads",
        "shape",
        "bits",
        "bound",
        "MACs",
        "witness",
        *(f"{b} rows" for b in backends),
        "from",
    ):
        right = heading in ("", "bits", "bound", "MACs", "witness") or heading.endswith(" rows")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "from")
    for r in rows:
        if r["op"] == "constant":
            continue
        layers = [estimates[b]["layers"].get(r["id"], 0) for b in backends]
        table.add_row(
            str(r["id"]),
            r["op"],
            " ".join(map(str, r["inputs"])),
            "x".join(map(str, r["shape"])),
            str(r["bits"]),
            f"{r['bound'][0]:,} .. {r['bound'][1]:,}",
            *(f"{n:,}" if n else "" for n in (r["macs"], r["witness_elements"], *layers)),
            shown(r["label"]),
        )
    return table


def summary(result: dict[str, Any]) -> str:
    """The circuit's identity, its ports, and its size."""
    lines = [f"circuit_id {result['circuit_id']}"]
    for side in ("input", "output"):
        for port in result[f"{side}s"]:
            shape = "x".join(map(str, port["shape"])) or "scalar"
            low, high = (edge * port["scale"] for edge in port["bound"])
            lines.append(
                f"{side} {shown(port['name'])}  {shape}  scale {port['scale']:g}  {low:g} .. {high:g}"
            )
    lines.append(
        f"{result['parameters']:,} parameters, {result['macs']:,} MACs, "
        f"{result['witness_elements']:,} witness elements"
    )
    return "\n".join(lines)


def estimate_table(estimates: dict[str, dict[str, Any]]) -> Table:
    """What each backend would take."""
    table = Table(box=None, header_style="bold")
    for heading in ("backend", "rows", "reference string", "to prove"):
        table.add_column(heading)
    for name, found in estimates.items():
        if "refused" in found:
            table.add_row(name, "", "", shown(found["refused"]))
        else:
            table.add_row(
                name, f"{found['rows']:,}", f"{found['srs']} points", f"about {found['prove_seconds']:g} s"
            )
    return table
