"""verinfer inspect: the graph of a circuit with shapes, bounds and cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from circuits import cost
from circuits.atomic_write import write_atomically
from circuits.drawing import draw
from circuits.file import load
from prover.inspection import inspection
from verinfer.console import destination, emit, json_option, out, printable, shown

WIDE = 140
"""From this many characters on there is room for what nodes read and for their bounds."""


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--svg", type=click.Path(path_type=Path), help="Also draw the graph to this file.")
@json_option
def command(circuit: Path, svg: Path | None, as_json: bool) -> None:
    """Show the graph of CIRCUIT with shapes, bounds and cost, and what proving it would take."""
    if svg is not None:
        destination(svg, circuit)
    loaded = load(circuit)
    result = inspection(loaded)
    rows, estimates = result["nodes"], result["estimates"]
    if svg is not None:
        write_atomically(svg, [draw(loaded).encode()])
    emit(as_json, result, node_table(rows, estimates, out.width), summary(result), estimate_table(estimates))


def node_table(rows: list[dict[str, Any]], estimates: dict[str, dict[str, Any]], width: int) -> Table:
    """The nodes for people, constants left to the operations that read them. Where the terminal is narrow,
    what is read and the exact bounds are left to `--json`."""
    backends = [name for name, found in estimates.items() if "layers" in found]
    wide = width >= WIDE
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("", lambda r: str(r["id"])),
        ("operation", lambda r: str(r["op"])),
        *([("reads", lambda r: " ".join(map(str, r["inputs"])))] if wide else []),
        ("shape", lambda r: "x".join(map(str, r["shape"]))),
        ("bits", lambda r: str(r["bits"])),
        *([("bound", lambda r: f"{r['bound'][0]:,} .. {r['bound'][1]:,}")] if wide else []),
        ("MACs", lambda r: counted(r["macs"], wide)),
        ("witness", lambda r: counted(r["witness_elements"], wide)),
    ]
    layers = [estimates[name]["layers"] for name in backends]
    shown_rows = [r for r in rows if r["op"] != "constant"]
    cells = [
        [*(cell(r) for _, cell in columns), *(counted(found.get(r["id"], 0), wide) for found in layers)]
        for r in shown_rows
    ]
    headings = [
        *(heading for heading, _ in columns),
        *(f"{name} {estimates[name]['unit']}" for name in backends),
    ]
    gap = 2 if wide else 1
    taken = sum(gap + max(map(len, column)) for column in zip(headings, *cells, strict=True))
    room = max(8, width - taken)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for heading in headings:
        left = heading in ("operation", "reads", "shape")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    last = None
    for r, row_cells in zip(shown_rows, cells, strict=True):
        label = printable(r["label"]) if r["label"] != last else ""  # at the first of its operations
        label = label if len(label) <= room else "…" + label[1 - room :]
        table.add_row(*row_cells, escape(label))
        last = r["label"]
    return table


def counted(n: int, in_full: bool) -> str:
    """A number for people, in few characters where there is little room; nothing for 0."""
    if not n:
        return ""
    return f"{n:,}" if in_full else cost.shortened(n)


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
    for heading in ("backend", "size", "reference string", "to prove", "memory", "proof"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    for name, found in estimates.items():
        if "refused" in found:
            table.add_row(name, "", "", "", "", shown(found["refused"]))
            continue
        table.add_row(
            name,
            f"{found[found['unit']]:,} {found['unit']}",
            f"{found['srs']} points",
            f"about {found['prove_seconds']:g} s",
            f"about {found['peak_rss_bytes'] / 1e6:,.0f} MB",
            "" if found["proof_bytes"] is None else f"{found['proof_bytes']:,} bytes",
        )
    return table
