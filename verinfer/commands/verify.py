"""verinfer verify: check a proof, here or on a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from circuits.errors import CheckFailed, InputError
from prover.progress import Display
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.verify import verify
from verinfer.console import emit, err, json_option, note
from verinfer.srs_choice import INSECURE

MOST_GAS = 1 << 24
"""What EIP-7825 allows a transaction."""


@click.command()
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The verifying key you trust.")
@click.option("--rpc", metavar="URL", help="Ask a contract on this chain too; costs nothing.")
@click.option("--chain-id", type=int, help="The chain that must answer there.")
@click.option("--contract", metavar="ADDRESS", help="The InferenceVerifier on that chain.")
@click.option(
    "--model", metavar="ID", help="The model's id in the registry; default: the only one of this circuit."
)
@click.option(
    "--recipient", metavar="ADDRESS", help="The Ethereum address that the proof must have been made for."
)
@json_option
def command(
    proof: Path,
    key: Path,
    rpc: str | None,
    chain_id: int | None,
    contract: str | None,
    model: str | None,
    recipient: str | None,
    as_json: bool,
) -> None:
    """Check PROOF against a verifying key, and with --rpc and --contract on a chain as well."""
    if (rpc is None) != (contract is None):
        raise InputError("--rpc and --contract go together")
    loaded, trusted = Proof.load(proof), VerifyingKey.load(key)
    verdict = verify(loaded, trusted, recipient)
    result: dict[str, Any] = {
        "valid": verdict.valid,
        "circuit_id": "0x" + verdict.circuit_id.hex(),
        "inputs": "public" if loaded.committed is None else "committed",
        "input_commitment": None
        if verdict.input_commitment is None
        else "0x" + verdict.input_commitment.hex(),
        "outputs": list(verdict.outputs),
        "recipient": verdict.recipient,
        "insecure_srs": verdict.insecure_srs,
        "reason": verdict.reason,
    }
    if verdict.valid and rpc is not None and contract is not None:
        from verinfer.chain import verify_on_chain  # web3 takes a second to load

        number = model_number(model)
        with Display(err) as progress:
            result |= verify_on_chain(loaded, trusted, rpc, contract, number, chain_id, progress)
        if result.get("gas", 0) > MOST_GAS:
            note(f"Ethereum admits no transaction of more than {MOST_GAS:,} gas; a free call may take more")
    if verdict.insecure_srs:
        err.print(INSECURE)
    where = f" on the chain as well, for {result['gas']:,} gas" if "gas" in result else ""
    if result["valid"]:
        emit(
            as_json,
            result,
            f"[green]valid[/green]{where}  circuit {result['circuit_id']}",
            *([f"input {result['input_commitment']}, a commitment"] if loaded.committed else []),
            f"outputs {result['outputs']}",
            *([f"for {result['recipient']} only"] if result["recipient"] else []),
        )
        return
    emit(as_json, result)
    raise CheckFailed(f"the proof is invalid: {result['reason']}")


def model_number(text: str | None) -> int | None:
    """A model id as it is printed, 0x and hexadecimal digits.

    Raises
    ------
    InputError
        If it is something else.
    """
    if text is None:
        return None
    try:
        return int(text, 16)
    except ValueError:
        raise InputError(f"--model {text}: expected 0x and hexadecimal digits") from None
