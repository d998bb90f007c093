"""verinfer contract: put contracts and models on a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from eth_hash.auto import keccak
from rich.table import Table

from circuits.atomic_write import write_atomically
from circuits.errors import InputError
from circuits.file import load
from contracts.chain import Chain, cost_of
from contracts.deployment import deploy_contracts
from contracts.dispute_tier import MAIN, DisputeParameters
from contracts.inference import InferenceVerifier
from contracts.registry import Registration, Registry, commitment, new_salt
from contracts.signer import KEY_VARIABLE, KeySigner
from prover.progress import Display
from verifier.key import VerifyingKey
from verinfer.chain_tiers import chain_tier
from verinfer.console import emit, err, json_option
from verinfer.units import ether_digits, parse_duration, parse_ether

rpc_option = click.option("--rpc", metavar="URL", required=True, help="The chain's JSON-RPC endpoint.")
chain_option = click.option("--chain-id", type=int, help="The chain that must answer there.")
contract_option = click.option(
    "--contract", "address", metavar="ADDRESS", required=True, help="The InferenceVerifier on that chain."
)


@click.group(
    help=f"Deploy contracts and register models. Transactions are signed with the key in ${KEY_VARIABLE}."
)
def command() -> None:
    """The commands below; click shows the help above."""


def signing(rpc: str, chain_id: int | None) -> Chain:
    """The chain, with the signer of the environment."""
    return Chain.connect(rpc, chain_id=chain_id, signer=KeySigner.from_environment())


@command.command()
@rpc_option
@chain_option
@click.option(
    "--min-bond", metavar="ETHER", default=ether_digits(MAIN.min_bond), show_default=True, help="Of a claim."
)
@click.option(
    "--challenger-bond",
    metavar="ETHER",
    default=ether_digits(MAIN.challenger_bond),
    show_default=True,
    help="What a dispute costs as a bond.",
)
@click.option(
    "--min-window",
    metavar="TIME",
    default=f"{MAIN.min_window // 3600}h",
    show_default=True,
    help="How long a claim can be disputed at least.",
)
@click.option(
    "--time",
    metavar="TIME",
    default=f"{MAIN.asserter_time // 3600}h",
    show_default=True,
    help="What each side of a dispute may use up over all of its moves.",
)
@click.option(
    "--extension",
    metavar="TIME",
    default=f"{MAIN.extension // 3600}h",
    show_default=True,
    help="What each move may take at least.",
)
@json_option
def deploy(
    rpc: str,
    chain_id: int | None,
    min_bond: str,
    challenger_bond: str,
    min_window: str,
    time: str,
    extension: str,
    as_json: bool,
) -> None:
    """Deploy the registry, the tiers and the inference verifier. The options are those of the tier of claims,
    and fixed for good."""
    parameters = DisputeParameters(
        min_bond=parse_ether(min_bond),
        challenger_bond=parse_ether(challenger_bond),
        min_window=parse_duration(min_window),
        asserter_time=parse_duration(time),
        challenger_time=parse_duration(time),
        extension=parse_duration(extension),
    )
    with Display(err) as progress:
        progress("deploying")
        done = deploy_contracts(signing(rpc, chain_id), disputes=parameters)
    addresses = {name: deployed.address for name, deployed in done.transactions.items()}
    gas = {name: deployed.gas for name, deployed in done.transactions.items()}
    table = Table(box=None, header_style="bold")
    for heading in ("contract", "address", "gas"):
        table.add_column(heading, justify="right" if heading == "gas" else "left")
    for name, address in addresses.items():
        table.add_row(name, address, f"{gas[name]:,}")
    emit(as_json, {"addresses": addresses, "gas": gas}, table)


@command.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@rpc_option
@chain_option
@contract_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where to keep the salt; default: CIRCUIT with .salt.",
)
@json_option
def commit(
    circuit: Path, rpc: str, chain_id: int | None, address: str, output: Path | None, as_json: bool
) -> None:
    """Record a commitment to CIRCUIT, which shows nothing of it; register opens it in a later block."""
    output = output or circuit.with_suffix(".salt")
    if output.exists():
        raise InputError(f"{output} exists: the salt in it may open a commitment; move it, or pass -o")
    circuit_id, salt = load(circuit).circuit_id, new_salt()
    chain = signing(rpc, chain_id)
    registry = InferenceVerifier(chain, address).registry
    write_atomically(
        output, [json.dumps({"circuit_id": circuit_id.hex(), "salt": salt.hex()}).encode() + b"\n"]
    )
    with Display(err) as progress:
        progress("committing")
        receipt = registry.commit(circuit_id, salt)
    assert chain.signer is not None
    result = {
        "commitment": "0x" + commitment(chain.signer.address, circuit_id, salt).hex(),
        "block": receipt["blockNumber"],
        "gas": receipt["gasUsed"],
        "salt_file": str(output),
    }
    emit(
        as_json,
        result,
        f"commitment {result['commitment']}  block {result['block']}, {result['gas']:,} gas",
        f"keep [bold]{output}[/bold]: without it the commitment cannot be opened",
    )


@command.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@rpc_option
@chain_option
@contract_option
@click.option("--key", type=click.Path(path_type=Path), help="The verifying key; default: CIRCUIT with .vk.")
@click.option("--no-key", is_flag=True, help="Register without a key: for claims, which need no proofs.")
@click.option(
    "--salt", type=click.Path(path_type=Path), help="What commit kept; default: CIRCUIT with .salt."
)
@click.option("--uri", default="", help="Where the model's metadata is.")
@click.option(
    "--content", type=click.Path(path_type=Path), help="The metadata file; its keccak256 is registered."
)
@json_option
def register(
    circuit: Path,
    rpc: str,
    chain_id: int | None,
    address: str,
    key: Path | None,
    no_key: bool,
    salt: Path | None,
    uri: str,
    content: Path | None,
    as_json: bool,
) -> None:
    """Deploy the verifier of CIRCUIT's key and register the model, opening the commitment.

    The verifier of a sumcheck key is the key's program, which is stored; that of an ezkl key is a contract.
    """
    if no_key and key is not None:
        raise InputError("--key and --no-key exclude each other")
    loaded = load(circuit)
    trusted = None if no_key else VerifyingKey.load(key or circuit.with_suffix(".vk"))
    if trusted is not None and trusted.circuit_id != loaded.circuit_id:
        raise InputError(f"the key is for circuit 0x{trusted.circuit_id.hex()}, not for {circuit}")
    secret = read_salt(salt or circuit.with_suffix(".salt"), loaded.circuit_id)
    content_hash = keccak(content.read_bytes()) if content is not None else bytes(32)
    chain = signing(rpc, chain_id)
    verifier = InferenceVerifier(chain, address)
    registry: Registry = verifier.registry
    with Display(err) as progress:
        deployed = None if trusted is None else chain_tier(trusted).deploy(verifier, trusted, progress)
        progress("registering")
        tiers = () if deployed is None else (deployed.tier,)
        done = registry.register(Registration.of(loaded, tiers, uri, content_hash), secret)
    gas = {"verifier": 0 if deployed is None else deployed.gas, "register": done.receipt["gasUsed"]}
    result: dict[str, Any] = {
        "model_id": hex(done.model_id),
        "circuit_id": "0x" + loaded.circuit_id.hex(),
        "addresses": {
            "verifier": None if deployed is None else deployed.tier.verifier,
            "registry": registry.address,
        },
        "gas": gas,
        "cost_wei": (0 if deployed is None else deployed.cost) + cost_of(done.receipt),
    }
    emit(
        as_json,
        result,
        f"model {result['model_id']}",
        f"{gas['register']:,} gas to register"
        if deployed is None
        else f"verifier {deployed.tier.verifier}  {deployed.gas:,} gas to deploy, "
        f"{gas['register']:,} to register",
        f"paid {result['cost_wei'] / 1e18:.3g} ether",
    )


def read_salt(path: Path, circuit_id: bytes) -> bytes:
    """The salt that `commit` kept for a circuit.

    Raises
    ------
    InputError
        If the file is missing, damaged, or for another circuit.
    """
    try:
        kept = json.loads(path.read_text("utf-8"))
        salt, committed = bytes.fromhex(kept["salt"]), bytes.fromhex(kept["circuit_id"])
    except FileNotFoundError:
        raise InputError(
            f"there is no {path}: run `verinfer contract commit` first, in an earlier block"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not what `verinfer contract commit` wrote") from None
    if len(salt) != 32 or committed != circuit_id:
        raise InputError(f"{path} belongs to circuit 0x{committed.hex()}, not 0x{circuit_id.hex()}")
    return salt


@command.command()
@click.argument("circuit_id")
@rpc_option
@chain_option
@contract_option
@json_option
def lookup(circuit_id: str, rpc: str, chain_id: int | None, address: str, as_json: bool) -> None:
    """Show who registered the circuit CIRCUIT_ID (0x...), the earliest commitment first."""
    try:
        wanted = bytes.fromhex(circuit_id.removeprefix("0x"))
    except ValueError:
        wanted = b""
    if len(wanted) != 32:
        raise InputError(f"{circuit_id!r} is not a circuit id: 0x and 64 hexadecimal digits")
    models = InferenceVerifier(Chain.connect(rpc, chain_id=chain_id), address).registry.models_of(wanted)
    rows: list[dict[str, Any]] = [
        {
            "model_id": hex(model.model_id),
            "owner": model.owner,
            "committed_block": model.committed_block,
            "committed_at": model.committed_at,
            "registered_at": model.registered_at,
            "uri": model.registration.uri,
            "tiers": [
                {
                    "system": "0x" + tier.system.hex(),
                    "verifier": tier.verifier,
                    "key_digest": "0x" + tier.key_hash.hex(),
                }
                for tier in model.registration.tiers
            ],
        }
        for model in models
    ]
    table = Table(box=None, header_style="bold")
    for heading in ("model", "owner", "committed in block", "metadata"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["model_id"], row["owner"], str(row["committed_block"]), row["uri"])
    emit(as_json, {"models": rows}, table if rows else "nobody has registered this circuit here")
