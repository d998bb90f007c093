"""verinfer setup: proving and verifying key."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from circuits.errors import CheckFailed
from circuits.file import load
from prover.backends import BACKENDS, DEFAULT, backend
from prover.keys import KeyCache
from prover.progress import Display
from verifier.key import VerifyingKey
from verinfer.console import beside, destination, emit, err, json_option, shown
from verinfer.srs_choice import INSECURE, finder


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--backend", "name", type=click.Choice(BACKENDS), default=DEFAULT, show_default=True)
@click.option(
    "--srs", type=click.Path(path_type=Path), help="A reference string to use; default: the store's best."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The verifying key; default: CIRCUIT with .vk."
)
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Make the key anew and compare it with KEY.",
)
@json_option
def command(
    circuit: Path, name: str, srs: Path | None, output: Path | None, check: Path | None, as_json: bool
) -> None:
    """Make the keys of CIRCUIT: the verifying key as a file, the proving key in the cache."""
    output = output or beside(circuit, ".vk")
    if check is None:
        destination(output, circuit, srs)
    loaded = load(circuit)
    theirs = None if check is None else VerifyingKey.load(check)
    find = finder(srs, None if theirs is None else theirs.srs_id)
    with tempfile.TemporaryDirectory(prefix="verinfer-check-") as scratch, Display(err) as progress:
        # a check makes the key anew: what lies in the cache proves nothing
        cache = None if theirs is None else KeyCache(name, Path(scratch))
        done = backend(name, cache).setup(loaded, find, progress)
    if theirs is not None:
        if theirs.digest != done.key.digest:
            raise CheckFailed(f"{check} is not the key that this circuit and reference string give")
        emit(
            as_json,
            {"valid": True, "key_digest": "0x" + theirs.digest.hex()},
            f"{check} is the key of {circuit}",
        )
        return
    done.key.save(output)
    if done.key.insecure_srs:
        err.print(INSECURE)
    result = {
        "circuit_id": "0x" + done.key.circuit_id.hex(),
        "backend": name,
        "verifying_key": str(output),
        "key_digest": "0x" + done.key.digest.hex(),
        "verifying_key_bytes": output.stat().st_size,
        "proving_key_bytes": done.proving_key_bytes,
        "rows": done.rows,
        "seconds": done.seconds,
        "peak_rss_bytes": done.peak_rss_bytes,
        "cached": done.cached,
        "insecure_srs": done.key.insecure_srs,
    }
    emit(
        as_json,
        result,
        f"verifying key [bold]{shown(output)}[/bold]  {result['verifying_key_bytes']:,} bytes"
        f"{'  (proving key from the cache)' if done.cached else f'  {done.seconds:.1f} s'}",
        f"proving key in the cache  {done.proving_key_bytes:,} bytes, {done.rows:,} rows",
    )
