"""verinfer prove: a proof of the answers on one or more samples."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from circuits.data import load_inputs, real_outputs
from circuits.errors import InputError
from circuits.executor import execute
from circuits.file import load
from prover.backends import BACKENDS, backend
from prover.progress import Display
from verifier.key import VerifyingKey
from verifier.recipient import ANYONE, read_address, shown_recipient
from verifier.statement import named_input
from verinfer.console import beside, destination, device_option, emit, err, json_option, shown, threads_option
from verinfer.srs_choice import INSECURE, finder


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@click.option("--backend", "name", type=click.Choice(list(BACKENDS)), help="Default: that of the key.")
@click.option("--key", type=click.Path(path_type=Path), help="The verifying key; default: CIRCUIT with .vk.")
@click.option(
    "--srs", type=click.Path(path_type=Path), help="The reference string of the key; default: from the store."
)
@threads_option
@device_option
@click.option(
    "--recipient",
    metavar="ADDRESS",
    help="Make the proof for this Ethereum address only; default: for anyone.",
)
@click.option("--saturate", is_flag=True, help="Clamp inputs to their bounds instead of refusing them.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The proof; default: INPUT with .proof."
)
@json_option
def command(
    circuit: Path,
    input: Path,
    name: str | None,
    key: Path | None,
    srs: Path | None,
    threads: int | None,
    device: str,
    recipient: str | None,
    saturate: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Prove what CIRCUIT answers on the samples in INPUT, all in one proof if there are several."""
    key = key or beside(circuit, ".vk")
    address = ANYONE if recipient is None else read_address(recipient)
    output = destination(output or beside(input, ".proof"), circuit, input, key, srs)
    loaded = load(circuit)
    inputs = load_inputs(loaded, input, saturate)
    verifying_key = VerifyingKey.load(key)
    if name not in (None, verifying_key.backend):
        raise InputError(
            f"the key is one of the {verifying_key.backend} backend: pass --backend {verifying_key.backend}"
        )
    with Display(err) as progress:
        find = finder(srs, verifying_key.srs_id)
        prover = backend(verifying_key.backend, threads, device).load(loaded, verifying_key, find, progress)
        proven = prover.prove(inputs, progress, address)
    proven.proof.save(output)
    if proven.proof.insecure_srs:
        err.print(INSECURE)
    samples = inputs[0].shape[0]
    named = named_input(proven.proof.statement, verifying_key.circuit)
    reals = [y[0] if samples == 1 else y for y in real_outputs(loaded, execute(loaded, inputs))]
    result = {
        "circuit_id": "0x" + proven.proof.circuit_id.hex(),
        "backend": verifying_key.backend,
        "samples": samples,
        "recipient": shown_recipient(proven.proof.recipient),
        "inputs": "public" if proven.proof.committed is None else "committed",
        "input_commitment": None if named is None else "0x" + named.hex(),
        "proof": str(output),
        "output_ints": list(proven.proof.outputs),
        "outputs": [y.tolist() for y in reals],
        "proof_bytes": sum(map(len, proven.proof.sections.values())),
        "seconds": proven.seconds,
        "peak_rss_bytes": proven.peak_rss_bytes,
        "insecure_srs": proven.proof.insecure_srs,
    }
    emit(
        as_json,
        result,
        f"proof [bold]{shown(output)}[/bold]  {result['proof_bytes']:,} bytes, {proven.seconds:.2f} s, "
        f"{proven.peak_rss_bytes / 1e6:,.0f} MB",
        *([f"for {result['recipient']} only"] if result["recipient"] else []),
        *([f"input {result['input_commitment']}, a commitment"] if proven.proof.committed else []),
        *(
            f"{shown(port.name)}  {np.array2string(y, precision=5, threshold=50)}"
            for port, y in zip(loaded.outputs, reals, strict=True)
        ),
    )
