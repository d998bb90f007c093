"""verinfer bench: backends side by side in one run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.executor import execute
from circuits.file import load
from prover.backends import BACKENDS, backend
from prover.progress import Display, Progress
from verifier.srs import SrsStore
from verifier.verify import verify
from verinfer.console import emit, err, json_option
from verinfer.example_data import digits


@click.command()
@click.option(
    "--circuit", type=click.Path(path_type=Path), help="A circuit to measure; default: the digits examples."
)
@click.option("--input", type=click.Path(path_type=Path), help="A sample for it.")
@click.option(
    "--backend",
    "names",
    type=click.Choice(list(BACKENDS)),
    multiple=True,
    help="Only this backend; repeatable.",
)
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Proofs for each row.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON object to this file."
)
@json_option
def command(
    circuit: Path | None,
    input: Path | None,
    names: tuple[str, ...],
    runs: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure setup, proof and check of each backend on the same circuits, medians over the runs."""
    if (circuit is None) != (input is None):
        raise click.UsageError("--circuit and --input go together")
    jobs: list[tuple[str, Any, Path]] = []
    if circuit is not None and input is not None:
        jobs.append((circuit.stem, load(circuit), input))
    else:
        for name in ("mlp", "cnn"):
            compiled = compile_file(digits() / f"{name}.onnx", digits() / "calibration.npz")
            jobs.append((f"digits {name}", compiled.circuit, digits() / "sample.json"))
    with Display(err) as progress:
        rows = [
            measure(label, job, load_inputs(job, sample), name, runs, progress)
            for label, job, sample in jobs
            for name in names or tuple(BACKENDS)
        ]
    result = {"machine": machine(), "runs": runs, "rows": rows}
    if output is not None:
        output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    emit(as_json, result, table(rows))


def measure(
    label: str, circuit: Any, inputs: list[Any], name: str, runs: int, progress: Progress
) -> dict[str, Any]:
    """One backend on one circuit. The setup is timed only where its keys are not in the cache yet."""
    prover = backend(name)
    done = prover.setup(circuit, SrsStore().find, progress)
    sample = [x[0] for x in inputs]
    began = time.perf_counter()
    execute(circuit, [x[:1] for x in inputs])
    executed = time.perf_counter() - began
    proofs = [prover.prove(circuit, sample, done.key, SrsStore().find, progress) for _ in range(runs)]
    checks = []
    for proven in proofs:
        began = time.perf_counter()
        assert verify(proven.proof, done.key).valid
        checks.append(time.perf_counter() - began)
    return {
        "circuit": label,
        "backend": name,
        "parameters": circuit.parameters,
        "setup_seconds": None if done.cached else round(done.seconds, 3),
        "execute_seconds": round(executed, 5),
        "prove_seconds": round(statistics.median(p.seconds for p in proofs), 3),
        "verify_seconds": round(statistics.median(checks), 3),
        "proof_bytes": sum(map(len, proofs[0].proof.sections.values())),
        "proving_key_bytes": done.proving_key_bytes,
        "peak_rss_bytes": max(p.peak_rss_bytes for p in proofs),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text("utf-8").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people."""
    shown = Table(box=None, header_style="bold")
    for heading in (
        "circuit",
        "backend",
        "setup",
        "execute",
        "prove",
        "verify",
        "proof",
        "proving key",
        "peak memory",
    ):
        shown.add_column(heading, justify="left" if heading in ("circuit", "backend") else "right")
    for row in rows:
        setup = "cached" if row["setup_seconds"] is None else f"{row['setup_seconds']:.1f} s"
        shown.add_row(
            row["circuit"],
            row["backend"],
            setup,
            f"{1e3 * row['execute_seconds']:.2f} ms",
            f"{row['prove_seconds']:.2f} s",
            f"{row['verify_seconds']:.2f} s",
            f"{row['proof_bytes']:,} B",
            f"{row['proving_key_bytes'] / 1e6:.0f} MB",
            f"{row['peak_rss_bytes'] / 1e6:.0f} MB",
        )
    return shown
