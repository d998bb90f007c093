"""verinfer run: exact execution."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.markup import escape

from circuits.data import load_inputs, real_outputs
from circuits.executor import execute
from circuits.file import load
from verinfer.console import emit, json_option, shown


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@click.option("--saturate", is_flag=True, help="Clamp inputs to their bounds instead of refusing them.")
@json_option
def command(circuit: Path, input: Path, saturate: bool, as_json: bool) -> None:
    """Run CIRCUIT on the data in INPUT, exactly."""
    loaded = load(circuit)
    outputs = execute(loaded, load_inputs(loaded, input, saturate))
    reals = real_outputs(loaded, outputs)
    result = {
        "circuit_id": "0x" + loaded.circuit_id.hex(),
        "output_ints": [y.tolist() for y in outputs],
        "outputs": [y.tolist() for y in reals],
    }
    lines = []
    for port, integers, values in zip(loaded.outputs, outputs, reals, strict=True):
        lines.append(f"[bold]{shown(port.name)}[/bold]  scale {port.scale:g}  shape {list(integers.shape)}")
        lines.append(escape(np.array2string(values, precision=5, suppress_small=True, threshold=200)))
    emit(as_json, result, *lines)
