"""verinfer claim: post a bonded answer."""

from __future__ import annotations

from pathlib import Path

import click

from challenger.asserting import answer_request, assert_answer, find_model
from challenger.rounds import Rounds
from circuits.data import load_inputs
from circuits.errors import InputError
from circuits.file import load
from circuits.merkle import depth_of
from contracts.chain import show_ether
from contracts.claims import NO_PROOF_SYSTEM
from contracts.dispute_tier import DisputeTier
from contracts.inference_oracle import InferenceOracle
from contracts.signer import KEY_VARIABLE
from prover.cuda.trace import commit_on
from prover.progress import Display
from verinfer.chain_tiers import CHAIN_TIERS
from verinfer.commands.contract import chain_option, rpc_option, signing
from verinfer.commands.verify import model_number
from verinfer.console import emit, err, json_option
from verinfer.units import parse_digest, parse_duration, parse_ether, show_time

tier_option = click.option(
    "--contract", "address", metavar="ADDRESS", required=True, help="The DisputeTier on that chain."
)


@click.command(
    help="Execute CIRCUIT on the data in INPUT and claim the answer with a bond, which is lost if the answer "
    "is false or a dispute about it is not answered. With --oracle and --request, answer a request. Signed "
    f"with the key in ${KEY_VARIABLE}."
)
@click.argument("circuit", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@rpc_option
@chain_option
@click.option("--contract", "address", metavar="ADDRESS", help="The DisputeTier on that chain.")
@click.option("--oracle", metavar="ADDRESS", help="The InferenceOracle with the request.")
@click.option("--request", metavar="ID", help="The request to answer.")
@click.option("--model", metavar="ID", help="The model's id; default: the circuit's first registration.")
@click.option("--bond", metavar="ETHER", help="What stands behind the answer; default: the least allowed.")
@click.option(
    "--window", metavar="TIME", help="How long it can be disputed, such as 24h; default: the least."
)
@click.option(
    "--settled-by",
    type=click.Choice(sorted(CHAIN_TIERS)),
    help="Let proofs of this backend settle the claim. Default: none may.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="[auto|cpu|cuda|cuda:N]",
    help="Execute and hash on the processor or on a GPU.",
)
@json_option
def command(
    circuit: Path,
    input: Path,
    rpc: str,
    chain_id: int | None,
    address: str | None,
    oracle: str | None,
    request: str | None,
    model: str | None,
    bond: str | None,
    window: str | None,
    settled_by: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Post a claim; see the help above."""
    if (oracle is None) != (request is None) or (oracle is None) == (address is None):
        raise InputError("pass --contract to post a claim, or --oracle and --request to answer a request")
    if oracle is not None and (model or window or settled_by):
        raise InputError("a request fixes --model, --window and --settled-by: leave them out")
    commit = commit_on(device)
    loaded = load(circuit)
    inputs = load_inputs(loaded, input)
    chain = signing(rpc, chain_id)
    assert chain.signer is not None
    me, stake = chain.signer.address, None if bond is None else parse_ether(bond)
    with Display(err) as progress:
        progress("looking the model up")
        if oracle is not None and request is not None:
            asked = parse_digest(request, "a request's id")
            progress("executing, and hashing the trace")
            tier, assertion = answer_request(
                InferenceOracle(chain, oracle), asked, loaded, inputs, asserter=me, bond=stake, commit=commit
            )
        else:
            assert address is not None
            tier = DisputeTier(chain, address)
            least = tier.parameters()
            registered = find_model(tier.registry, loaded, model_number(model))
            progress("executing, and hashing the trace")
            assertion = assert_answer(
                tier, registered, loaded, inputs,
                asserter=me,
                bond=least.min_bond if stake is None else stake,
                window=least.min_window if window is None else parse_duration(window),
                settled_by=NO_PROOF_SYSTEM if settled_by is None else CHAIN_TIERS[settled_by].system,
                commit=commit,
            )  # fmt: skip
        progress("posting the claim")
        receipts = [tier.transact(call) for call in assertion.calls]
    claim, gas = assertion.claim, sum(receipt["gasUsed"] for receipt in receipts)
    state = tier.state(assertion.claim_id)
    result = {
        "claim_id": "0x" + assertion.claim_id.hex(),
        "status": state.status.name,
        "model_id": hex(claim.model_id),
        "circuit_id": "0x" + loaded.circuit_id.hex(),
        "input": "0x" + claim.input.hex(),
        "trace": "0x" + claim.trace.hex(),
        "outputs": [y.reshape(-1).tolist() for y in assertion.run.outputs],
        "bond_wei": claim.bond,
        "window": claim.window,
        "deadline": state.deadline,
        "rounds": Rounds(depth_of(loaded.identity.plan.trace_leaves)).count,
        "gas": gas,
        "transaction": receipts[-1]["transactionHash"].to_0x_hex(),
    }
    emit(
        as_json,
        result,
        f"claim [bold]{result['claim_id']}[/bold]",
        f"bond {show_ether(claim.bond)}, final at {show_time(state.deadline)} if nobody disputes it, "
        f"{gas:,} gas",
        "keep [bold]verinfer watch[/bold] running until then: a dispute that is not answered is lost",
    )
