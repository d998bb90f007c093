"""verinfer demo: the main job on a real model, start to end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from circuits.errors import CheckFailed
from prover.progress import Display
from verinfer.console import emit, err, json_option
from verinfer.demo import Report, run
from verinfer.example_data import digits
from verinfer.srs_choice import INSECURE


@click.command()
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Leave circuits, keys and proofs in this folder."
)
@json_option
def command(keep: Path | None, as_json: bool) -> None:
    """Compile, prove and check two digit classifiers, here and on a local chain, and try to cheat."""
    with tempfile.TemporaryDirectory(prefix="verinfer-demo-") as scratch, Display(err) as progress:
        reports = run(keep or Path(scratch), digits(), progress)
    if any(report.figures["insecure_srs"] for report in reports):
        err.print(INSECURE)
    result = {"ok": all(report.ok for report in reports), "models": [as_dict(report) for report in reports]}
    emit(as_json, result, table(reports))
    if not result["ok"]:
        raise CheckFailed("an honest proof was refused, or a forgery accepted")


def as_dict(report: Report) -> dict[str, Any]:
    """A report for machines."""
    return {
        "model": report.model,
        "backend": report.backend,
        "seconds": report.seconds,
        "refused": report.refused,
        **report.figures,
    }


def table(reports: list[Report]) -> Table:
    """The reports for people, a column for each model."""
    shown = Table(title="digits, start to end", title_justify="left", header_style="bold")
    shown.add_column("")
    for report in reports:
        shown.add_column(f"{report.model} ({report.backend})", justify="right")
    rows = {
        "parameters": lambda r: f"{r.figures['parameters']:,}",
        "same answer as the model": lambda r: f"{r.figures['argmax_agreement']:.1%}",
        "recognised digit": lambda r: str(r.figures["answer"]),
    }
    steps = list(dict.fromkeys(step for report in reports for step in report.seconds))
    rows |= {
        step: lambda r, step=step: f"{r.seconds[step]:.2f} s" if step in r.seconds else "" for step in steps
    }
    rows |= {
        "proof": lambda r: f"{r.figures['proof_bytes']:,} bytes",
        "proving key": lambda r: f"{r.figures['proving_key_bytes'] / 1e6:.0f} MB",
        "peak memory of the prover": lambda r: f"{r.figures['peak_rss_bytes'] / 1e6:.0f} MB",
        "valid here": lambda r: yes(r.figures["valid"]),
        "valid on the chain": lambda r: yes(r.figures["valid_on_chain"]),
        "gas to verify": lambda r: f"{r.figures['verify_gas']:,}" if r.figures["verify_gas"] else "",
        "gas to deploy the verifier": lambda r: f"{r.figures['deploy_gas']:,}",
        "gas to commit and register": lambda r: f"{r.figures['register_gas']:,}",
    }
    rows |= {
        f"{what}: refused": lambda r, what=what: yes(r.refused[what])
        for what in dict.fromkeys(what for report in reports for what in report.refused)
    }
    for name, cell in rows.items():
        shown.add_row(name, *(cell(report) for report in reports))
    return shown


def yes(value: bool) -> str:
    """A check mark, or an alarm."""
    return "[green]yes[/green]" if value else "[red]NO[/red]"
