"""verinfer setup: the verifying key of a circuit, and a proving key where the backend has one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from circuits.circuit import Circuit
from circuits.errors import CheckFailed
from circuits.file import load
from prover.backend import Choices, Target
from prover.backends import BACKENDS, DEFAULT, backend
from prover.progress import Display
from verifier.key import VerifyingKey
from verinfer.console import beside, destination, device_option, emit, err, json_option, shown, threads_option
from verinfer.srs_choice import INSECURE, finder


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--backend", "name", type=click.Choice(list(BACKENDS)), default=DEFAULT, show_default=True)
@click.option(
    "--srs", type=click.Path(path_type=Path), help="A reference string to use; default: the store's best."
)
@click.option(
    "--chunk-bits",
    type=int,
    metavar="L",
    help="Commit to chunks of 2^L numbers, with an SRS of 2^L points: a larger L takes longer to prove and "
    "makes shorter proofs. Default: what is best for the target.",
)
@click.option(
    "--target",
    type=click.Choice(get_args(Target)),
    default="cpu",
    show_default=True,
    help="Where proofs are to be cheap: to be made on a CPU, or to be checked by a contract (evm).",
)
@click.option(
    "--commit-inputs",
    is_flag=True,
    help="Proofs name a commitment to their input instead of its values: for large inputs on a chain.",
)
@threads_option
@device_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The verifying key; default: CIRCUIT with .vk."
)
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Make KEY anew, by its backend and with its choices, and compare.",
)
@json_option
def command(
    circuit: Path,
    name: str,
    srs: Path | None,
    chunk_bits: int | None,
    target: Target,
    commit_inputs: bool,
    threads: int | None,
    device: str,
    output: Path | None,
    check: Path | None,
    as_json: bool,
) -> None:
    """Make the verifying key of CIRCUIT; a proving key, if the backend has one, goes to the cache."""
    output = output or beside(circuit, ".vk")
    if check is not None:
        compare(load(circuit), circuit, check, srs, threads, device, as_json)
        return
    destination(output, circuit, srs)
    loaded, prover = load(circuit), backend(name, threads, device)
    with Display(err) as progress:
        done = prover.setup(loaded, finder(srs), progress, Choices(target, chunk_bits, commit_inputs))
    done.key.save(output)
    if done.key.insecure_srs:
        err.print(INSECURE)
    result = {
        "circuit_id": "0x" + done.key.circuit_id.hex(),
        "backend": name,
        "verifying_key": str(output),
        "key_digest": "0x" + done.key.digest.hex(),
        "inputs": "committed" if commit_inputs else "public",
        "verifying_key_bytes": output.stat().st_size,
        "proving_key_bytes": done.proving_key_bytes,
        prover.unit: done.size,
        "seconds": done.seconds,
        "peak_rss_bytes": done.peak_rss_bytes,
        "cached": done.cached,
        "insecure_srs": done.key.insecure_srs,
    }
    kept = f"proving key in the cache  {done.proving_key_bytes:,} bytes, " if done.proving_key_bytes else ""
    emit(
        as_json,
        result,
        f"verifying key [bold]{shown(output)}[/bold]  {result['verifying_key_bytes']:,} bytes"
        f"{'  (proving key from the cache)' if done.cached else f'  {done.seconds:.1f} s'}",
        f"{kept}{done.size:,} {prover.unit}",
    )


def compare(
    loaded: Circuit,
    circuit: Path,
    check: Path,
    srs: Path | None,
    threads: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Make a key anew and say whether it is the same.

    Raises
    ------
    CheckFailed
        If it is another.
    """
    theirs = VerifyingKey.load(check)
    with Display(err) as progress:
        find = finder(srs, theirs.srs_id)
        ours = backend(theirs.backend, threads, device).remake(loaded, theirs, find, progress)
    if theirs.digest != ours.digest:
        raise CheckFailed(f"{check} is not the key that this circuit and reference string give")
    emit(
        as_json,
        {"valid": True, "key_digest": "0x" + theirs.digest.hex()},
        f"{check} is the key of {circuit}",
    )
