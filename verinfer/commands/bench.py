"""verinfer bench: backends side by side in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from circuits.atomic_write import write_atomically
from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.file import load
from prover.backends import BACKENDS
from prover.progress import Display
from verinfer.bench import Job, machine, measure_apart, random_inputs
from verinfer.bench_plot import plot
from verinfer.console import destination, device_option, emit, err, json_option, shown, threads_option
from verinfer.example_data import digits


@click.command()
@click.option(
    "--circuit",
    "circuits",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A circuit to measure; repeatable. Default: the digits examples.",
)
@click.option(
    "--input",
    "inputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A sample for each circuit; default: random integers.",
)
@click.option(
    "--backend",
    "names",
    type=click.Choice(list(BACKENDS)),
    multiple=True,
    help="Only this backend; repeatable.",
)
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Proofs for each row.")
@threads_option
@device_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON object to this file."
)
@click.option(
    "--plot",
    "picture",
    type=click.Path(path_type=Path),
    help="Draw time against parameters and activations to this file, as SVG.",
)
@json_option
def command(
    circuits: tuple[Path, ...],
    inputs: tuple[Path, ...],
    names: tuple[str, ...],
    runs: int,
    threads: int | None,
    device: str,
    output: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Measure setup, proof and check of each backend on the same circuits, medians over the runs."""
    if inputs and len(inputs) != len(circuits):
        raise click.UsageError("give an --input for each --circuit, or none")
    for file in (output, picture):
        if file is not None:
            destination(file, *circuits, *inputs)
    jobs = list(_jobs(circuits, inputs))
    with Display(err) as progress:
        rows = [
            measure_apart(job, name, runs, threads, device, progress)
            for job in jobs
            for name in names or tuple(BACKENDS)
        ]
    result = {"machine": machine() | {"threads": threads, "device": device}, "runs": runs, "rows": rows}
    if output is not None:
        write_atomically(output, [(json.dumps(result, indent=1) + "\n").encode()])
    if picture is not None:
        write_atomically(picture, [plot(rows).encode()])
    emit(as_json, result, table(rows))


def _jobs(circuits: tuple[Path, ...], inputs: tuple[Path, ...]) -> list[Job]:
    """The circuits to measure, each with one sample."""
    if not circuits:
        calibration = digits() / "calibration.npz"
        compiled = {name: compile_file(digits() / f"{name}.onnx", calibration) for name in ("mlp", "cnn")}
        sample = digits() / "sample.json"
        return [
            Job(f"digits {name}", made.circuit, load_inputs(made.circuit, sample))
            for name, made in compiled.items()
        ]
    loaded = [(path.stem, load(path)) for path in circuits]
    if not inputs:
        return [Job(label, circuit, random_inputs(circuit)) for label, circuit in loaded]
    return [
        Job(label, circuit, [x[:1] for x in load_inputs(circuit, path)])
        for (label, circuit), path in zip(loaded, inputs, strict=True)
    ]


COLUMNS = ("circuit", "backend", "setup", "load", "execute", "prove", "verify", "proof", "key", "peak memory")


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people."""
    made = Table(box=None, header_style="bold")
    for heading in COLUMNS:
        made.add_column(heading, justify="left" if heading in ("circuit", "backend") else "right")
    for row in rows:
        if "refused" in row:
            made.add_row(shown(row["circuit"]), row["backend"])
            continue
        setup = "cached" if row["setup_seconds"] is None else f"{row['setup_seconds']:.1f} s"
        made.add_row(
            shown(row["circuit"]),
            row["backend"],
            setup,
            f"{row['load_seconds']:.2f} s",
            f"{1e3 * row['execute_seconds']:.2f} ms",
            f"{row['prove_seconds']:.3f} s",
            f"{row['verify_seconds']:.2f} s",
            f"{row['proof_bytes']:,} B",
            f"{row['key_bytes']:,} B",
            f"{row['peak_rss_bytes'] / 1e6:.0f} MB",
        )
    refused = [f"{row['circuit']}, {row['backend']}: {row['refused']}" for row in rows if "refused" in row]
    made.caption = shown("\n".join(refused)) or None
    made.caption_justify = "left"
    return made
