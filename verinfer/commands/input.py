"""verinfer input: what names an input in statements, claims and requests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from circuits.atomic_write import write_atomically
from circuits.errors import CheckFailed
from circuits.file import load
from prover.progress import Display
from verifier.key import VerifyingKey
from verinfer.console import destination, emit, err, json_option, shown, threads_option
from verinfer.input_names import Model, NamedInput, difference, load_model, name_file, read_named
from verinfer.srs_choice import finder

_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)

srs_option = click.option(
    "--srs", type=click.Path(path_type=Path), help="The reference string of the key; default: from the store."
)
saturate_option = click.option(
    "--saturate", is_flag=True, help="Clamp inputs to their bounds instead of refusing them."
)


@click.group()
def command() -> None:
    """Make input commitments, and tie them to files."""


@command.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The verifying key of the circuit MODEL; default: MODEL with .vk, if there is one.",
)
@srs_option
@threads_option
@saturate_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the commitment to this file.")
@json_option
def commit(
    model: Path,
    input: Path,
    key: Path | None,
    srs: Path | None,
    threads: int | None,
    saturate: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """The commitment to the sample in INPUT, for MODEL: a circuit, or its verifying key alone."""
    if output is not None:
        destination(output, model, input, key, srs)
    loaded = load_model(model, key)
    named = _named(loaded, input, saturate, srs, threads)
    result = named.as_dict()
    if output is not None:
        write_atomically(output, [json.dumps(result).encode()])
    emit(
        as_json,
        result,
        f"input commitment [bold]{result['input_commitment']}[/bold]",
        "the root of the input tree"
        if named.points is None
        else f"of the input tree's root {result['input_root']} and {len(result['points']):,} points",
        *([f"written to {shown(output)}"] if output is not None else []),
    )


@command.command()
@click.argument("commitment")
@click.argument("input", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="The verifying key you trust.")
@click.option(
    "--circuit",
    type=click.Path(path_type=Path),
    help="The circuit, which says more of its inputs than a key; without --key for models that have none.",
)
@srs_option
@threads_option
@saturate_option
@json_option
def check(
    commitment: str,
    input: Path,
    key: Path | None,
    circuit: Path | None,
    srs: Path | None,
    threads: int | None,
    saturate: bool,
    as_json: bool,
) -> None:
    """Whether COMMITMENT names the sample in INPUT: 32 bytes in hexadecimal, the file of a commitment, or a
    proof."""
    loaded = Model.of(
        None if circuit is None else load(circuit), None if key is None else VerifyingKey.load(key)
    )
    stated = None if _HASH.fullmatch(commitment) else read_named(Path(commitment), loaded)
    made = _named(loaded, input, saturate, srs, threads)
    if stated is not None:
        reason = difference(stated, made)
    else:
        reason = "" if bytes.fromhex(commitment[2:]) == made.digest else "it is another"
    result: dict[str, Any] = {"valid": not reason, "reason": reason, **made.as_dict()}
    emit(as_json, result, *([] if reason else [f"[green]valid[/green]  {result['input_commitment']}"]))
    if reason:
        raise CheckFailed(f"this is not the commitment to the input in {input}: {reason}")


def _named(model: Model, path: Path, saturate: bool, srs: Path | None, threads: int | None) -> NamedInput:
    with Display(err) as progress:
        find = finder(srs, None if model.key is None else model.key.srs_id)
        return name_file(model, path, saturate, find, threads, progress)
