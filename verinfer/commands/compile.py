"""verinfer compile: ONNX to circuit."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from circuits.answer import many_cells, read_answer
from circuits.compile import compile_file
from circuits.errors import InputError
from circuits.fidelity import Fidelity
from circuits.file import save
from circuits.quantise import Options
from prover.progress import Display
from verinfer.console import beside, destination, emit, err, json_option, note, shown


def pairs(texts: tuple[str, ...], option: str) -> dict[str, int]:
    """NAME=NUMBER arguments as a dictionary."""
    result = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if not name or not (number.isascii() and number.isdigit()) or len(number) > 9:
            raise InputError(f"{option} {text}: expected NAME=NUMBER")
        result[name] = int(number)
    return result


POOR_ERROR, POOR_AGREEMENT = 0.05, 0.99
"""Beyond these a circuit's answers should not be relied on without a closer look."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--calibration", type=click.Path(path_type=Path), help="Sample inputs: .npz, .npy or JSON.")
@click.option(
    "--bits", type=int, default=12, show_default=True, help="Width of weights and activations, 4 to 16."
)
@click.option(
    "--bits-for",
    multiple=True,
    metavar="NAME=BITS",
    help="Another width for one input or ONNX node; repeatable.",
)
@click.option("--dim", multiple=True, metavar="NAME=SIZE", help="Fix a symbolic dimension; repeatable.")
@click.option(
    "--return",
    "answer",
    metavar="argmax|top-k=K",
    help="Answer only with the indices of the largest cells along the output's last axis, largest first.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write; default: MODEL with .circuit."
)
@json_option
def command(
    model: Path,
    calibration: Path | None,
    bits: int,
    bits_for: tuple[str, ...],
    dim: tuple[str, ...],
    answer: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Compile the ONNX file MODEL to an integer circuit and report how faithful it is."""
    output = destination(output or beside(model, ".circuit"), model, calibration)
    largest = None if answer is None else read_answer(answer)
    options = Options(bits=bits, bits_for=pairs(bits_for, "--bits-for"))
    with Display(err) as progress:
        compiled = compile_file(model, calibration, options, pairs(dim, "--dim"), progress, largest)
        progress("writing")
        save(compiled.circuit, output)
        circuit_id = compiled.circuit.circuit_id
    notes = [*compiled.notes, *doubts(compiled.fidelity), *many_cells(compiled.circuit)]
    for text in notes:
        note(text)
    circuit = compiled.circuit
    result = {
        "circuit_id": "0x" + circuit_id.hex(),
        "parameters": circuit.parameters,
        "nodes": len(circuit.nodes),
        "fidelity": compiled.fidelity.as_dict(),
        "notes": notes,
        "circuit": str(output),
    }
    emit(
        as_json,
        result,
        f"circuit [bold]{shown(output)}[/bold]  {circuit.parameters:,} parameters, "
        f"{len(circuit.nodes)} nodes",
        f"circuit_id {result['circuit_id']}",
        fidelity_table(compiled.fidelity),
    )


def doubts(fidelity: Fidelity) -> list[str]:
    """What to tell a user whose circuit is not faithful enough to rely on."""
    if fidelity.relative_error <= POOR_ERROR and fidelity.argmax_agreement >= POOR_AGREEMENT:
        return []
    return [
        f"the circuit is off by {fidelity.relative_error:.1%} of the outputs' range and agrees "
        f"on {fidelity.argmax_agreement:.1%} of the samples: docs/fidelity.md says what to do"
    ]


def fidelity_table(fidelity: Fidelity) -> Table:
    """The fidelity report for people."""
    table = Table(title=f"fidelity against the model on {fidelity.samples} samples", title_justify="left")
    for heading in ("argmax agreement", "largest error", "of the range", "mean error", "cosine"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{fidelity.argmax_agreement:.2%}",
        f"{fidelity.max_abs_error:.4g}",
        f"{fidelity.relative_error:.3%}",
        f"{fidelity.mean_abs_error:.4g}",
        f"{fidelity.cosine:.7f}",
    )
    return table
