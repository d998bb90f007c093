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
from verinfer.demo_claims import Story
from verinfer.demo_claims import run as run_claims
from verinfer.example_data import digits
from verinfer.srs_choice import INSECURE


@click.command()
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Leave circuits, keys and proofs in this folder."
)
@click.option(
    "--optimistic",
    is_flag=True,
    help="Claims and disputes in place of proofs: an honest claim, a false one, a groundless dispute.",
)
@json_option
def command(keep: Path | None, optimistic: bool, as_json: bool) -> None:
    """Compile, prove and check two digit classifiers, here and on a local chain, and try to cheat."""
    if optimistic:
        _claims(keep, as_json)
        return
    with tempfile.TemporaryDirectory(prefix="verinfer-demo-") as scratch, Display(err) as progress:
        reports = run(keep or Path(scratch), digits(), progress)
    if any(report.figures["insecure_srs"] for report in reports):
        err.print(INSECURE)
    result = {"ok": all(report.ok for report in reports), "models": [as_dict(report) for report in reports]}
    emit(as_json, result, table(reports))
    if not result["ok"]:
        raise CheckFailed("an honest proof was refused, or a forgery accepted")


def _claims(keep: Path | None, as_json: bool) -> None:
    """The demonstration of claims and disputes."""
    with tempfile.TemporaryDirectory(prefix="verinfer-demo-") as scratch, Display(err) as progress:
        stories = run_claims(keep or Path(scratch), digits(), progress)
    result = {"ok": all(story.ok for story in stories), "stories": [_story(story, keep) for story in stories]}
    drawn = [f"drawn to {story.svg}" for story in stories if story.svg is not None and keep is not None]
    emit(as_json, result, _story_table(stories), *drawn)
    if not result["ok"]:
        raise CheckFailed("a claim did not end as it should have")


def _story(story: Story, keep: Path | None) -> dict[str, Any]:
    """A story for machines."""
    return {
        "name": story.name,
        "status": story.status.name,
        "ok": story.ok,
        "rounds": story.rounds,
        "gas": story.gas,
        "transactions": [{"what": what, "gas": gas} for what, gas in story.transactions],
        "gained_wei": story.gained,
        "svg": str(story.svg) if story.svg is not None and keep is not None else None,
    }


def _story_table(stories: list[Story]) -> Table:
    """The stories for people, a column for each."""
    shown = Table(title="digits, claimed and disputed", title_justify="left", header_style="bold")
    shown.add_column("")
    for story in stories:
        shown.add_column(story.name, justify="right")
    gas = [story.gas_by_step for story in stories]
    # In the order of the longest story, which has all that the others have.
    for step in dict.fromkeys(step for column in sorted(gas, key=len, reverse=True) for step in column):
        shown.add_row(f"gas to {step}", *(f"{column[step]:,}" if step in column else "" for column in gas))
    shown.add_row("gas together", *(f"{story.gas:,}" for story in stories))
    shown.add_row("rounds", *(str(story.rounds or "") for story in stories))
    for side in stories[0].gained:
        shown.add_row(f"ether gained by the {side}", *(f"{s.gained[side] / 1e18:+.6f}" for s in stories))
    shown.add_row("the claim is", *(_outcome(story) for story in stories))
    return shown


def _outcome(story: Story) -> str:
    style = "green" if story.ok else "red"
    return f"[{style}]{story.status.name}[/{style}]"


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
    columns = [cells(report) for report in reports]
    for name in columns[0]:
        shown.add_row(name, *(column[name] for column in columns))
    return shown


def cells(report: Report) -> dict[str, str]:
    """One column of the table."""
    figures = report.figures
    return {
        "parameters": f"{figures['parameters']:,}",
        "same answer as the model": f"{figures['argmax_agreement']:.1%}",
        "recognised digit": str(figures["answer"]),
        **{step: f"{seconds:.2f} s" for step, seconds in report.seconds.items()},
        "verifying key": f"{figures['key_bytes']:,} bytes",
        "proving key": f"{figures['proving_key_bytes'] / 1e6:.0f} MB" if figures["proving_key_bytes"] else "",
        "proof": f"{figures['proof_bytes']:,} bytes",
        "peak memory of the prover": f"{figures['peak_rss_bytes'] / 1e6:.0f} MB",
        "valid here": yes(figures["valid"]),
        "valid on the chain": yes(figures["valid_on_chain"]),
        **{name: f"{figures[key]:,}" if figures[key] else "" for name, key in GAS.items()},
        **{f"{what}: refused": yes(refused) for what, refused in report.refused.items()},
    }


GAS = {
    "gas to verify": "verify_gas",
    "gas to deploy the verifier": "deploy_gas",
    "gas to commit and register": "register_gas",
}


def yes(value: bool) -> str:
    """A check mark, or an alarm."""
    return "[green]yes[/green]" if value else "[red]NO[/red]"
