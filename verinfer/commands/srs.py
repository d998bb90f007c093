"""verinfer srs: the store of structured reference strings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from prover.progress import Display
from verifier.srs import SrsStore, StoredSrs
from verinfer.console import emit, err, json_option
from verinfer.srs_choice import INSECURE


@click.group()
def command() -> None:
    """Generate, import or show the structured reference strings that setups use."""


@command.command()
@click.option("--k", type=int, required=True, help="Make 2^K points.")
@json_option
def generate(k: int, as_json: bool) -> None:
    """Make a reference string for development. Its secret is public: INSECURE."""
    with Display(err) as progress:
        progress(f"making 2^{k} points")
        stored = SrsStore().generate(k)
    err.print(INSECURE)
    emit(as_json, row(stored), table([stored]))


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--source", help="Where it comes from; give it only if nobody knows its secret.")
@click.option("--k", type=int, help="Take 2^K points of a .ptau file.")
@click.option("--check", type=click.Choice(["full", "quick"]), default="full", show_default=True)
@json_option
def import_(file: Path, source: str | None, k: int | None, check: Any, as_json: bool) -> None:
    """Check a halo2 .srs or a snarkjs .ptau FILE and put it in the store."""
    with Display(err) as progress:
        progress(f"checking {file}")
        stored, report = SrsStore().import_file(file, source, k, check)
    if stored.insecure:
        err.print(INSECURE)
    emit(as_json, row(stored) | {"findings": list(report.findings)}, table([stored]), *report.findings)


@command.command()
@json_option
def info(as_json: bool) -> None:
    """Show what the store holds."""
    store = SrsStore()
    stored = store.info()
    rows = [row(srs) for srs in stored]
    empty = (
        f"the store {store.folder} is empty: verinfer srs import FILE, or for development "
        "verinfer srs generate --k 16"
    )
    emit(as_json, {"folder": str(store.folder), "strings": rows}, table(stored) if stored else empty)


def row(srs: StoredSrs) -> dict[str, Any]:
    """One string for machines."""
    return {
        "id": "0x" + srs.id.hex(),
        "size": 1 << srs.k,
        "k": srs.k,
        "source": srs.source,
        "insecure": srs.insecure,
        "check": srs.check,
        "path": str(srs.path),
    }


def table(strings: list[StoredSrs]) -> Table:
    """Strings for people."""
    shown = Table(box=None, header_style="bold")
    for heading in ("points", "id", "trust", "checked", "source"):
        shown.add_column(heading)
    for srs in strings:
        trust = "[red]INSECURE[/red]" if srs.insecure else "[green]imported[/green]"
        shown.add_row(f"2^{srs.k}", "0x" + srs.id.hex()[:16], trust, srs.check, srs.source or "nobody said")
    return shown
