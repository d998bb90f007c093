"""verinfer prove: a proof of one answer."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from circuits.data import load_inputs, real_outputs
from circuits.errors import InputError
from circuits.executor import execute
from circuits.file import load
from prover.backends import BACKENDS, DEFAULT, backend
from prover.progress import Display
from verifier.key import VerifyingKey
from verinfer.console import beside, destination, emit, err, json_option, shown
from verinfer.srs_choice import INSECURE, finder


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@click.option("--backend", "name", type=click.Choice(BACKENDS), default=DEFAULT, show_default=True)
@click.option("--key", type=click.Path(path_type=Path), help="The verifying key; default: CIRCUIT with .vk.")
@click.option(
    "--srs", type=click.Path(path_type=Path), help="The reference string of the key; default: from the store."
)
@click.option("--saturate", is_flag=True, help="Clamp inputs to their bounds instead of refusing them.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The proof; default: INPUT with .proof."
)
@json_option
def command(
    circuit: Path,
    input: Path,
    name: str,
    key: Path | None,
    srs: Path | None,
    saturate: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Prove what CIRCUIT answers on the sample in INPUT."""
    key = key or beside(circuit, ".vk")
    output = destination(output or beside(input, ".proof"), circuit, input, key, srs)
    loaded = load(circuit)
    inputs = load_inputs(loaded, input, saturate)
    if inputs[0].shape[0] != 1:
        raise InputError(f"{input} holds {inputs[0].shape[0]} samples: a proof is about one")
    verifying_key = VerifyingKey.load(key)
    if verifying_key.backend != name:
        raise InputError(
            f"the key is one of the {verifying_key.backend} backend: pass --backend {verifying_key.backend}"
        )
    sample = [x[0] for x in inputs]
    with Display(err) as progress:
        proven = backend(name).prove(
            loaded, sample, verifying_key, finder(srs, verifying_key.srs_id), progress
        )
    proven.proof.save(output)
    if proven.proof.insecure_srs:
        err.print(INSECURE)
    reals = [y[0] for y in real_outputs(loaded, execute(loaded, inputs))]
    result = {
        "circuit_id": "0x" + proven.proof.circuit_id.hex(),
        "backend": name,
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
        f"proof [bold]{shown(output)}[/bold]  {result['proof_bytes']:,} bytes, {proven.seconds:.1f} s, "
        f"{proven.peak_rss_bytes / 1e6:,.0f} MB",
        *(
            f"{shown(port.name)}  {np.array2string(y, precision=5, threshold=50)}"
            for port, y in zip(loaded.outputs, reals, strict=True)
        ),
    )
