"""verinfer dispute: look at claims and disputes, check claims, and collect what is due."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from challenger.asserting import require_circuit
from challenger.drawing import draw_dispute
from challenger.history import ClaimHistory, GameHistory, posted_claims, read_history
from challenger.judge import Judge
from challenger.player import Dispute
from challenger.rounds import Rounds
from circuits.atomic_write import write_atomically
from circuits.circuit import Circuit
from circuits.data import load_inputs
from circuits.errors import CheckFailed, InputError
from circuits.file import load
from contracts.chain import Chain, show_ether
from contracts.claim_status import ClaimStatus
from contracts.dispute_tier import DisputeTier, Turn
from contracts.packing import pack_inputs
from contracts.signer import KEY_VARIABLE
from prover.progress import Display
from verinfer.commands.claim import tier_option
from verinfer.commands.contract import chain_option, rpc_option, signing
from verinfer.console import destination, emit, err, json_option
from verinfer.units import parse_digest, show_time

block_option = click.option(
    "--from-block", type=click.IntRange(min=0), default=0, help="Look at events from this block on."
)


@click.group(
    help="Look at claims and disputes, check claims, collect what is due. `verinfer watch` plays disputes. "
    f"Transactions are signed with the key in ${KEY_VARIABLE}."
)
def command() -> None:
    """The commands below; click shows the help above."""


@command.command("list")
@rpc_option
@chain_option
@tier_option
@block_option
@json_option
def list_claims(rpc: str, chain_id: int | None, address: str, from_block: int, as_json: bool) -> None:
    """List the claims of a tier, the oldest first."""
    tier = DisputeTier(Chain.connect(rpc, chain_id=chain_id), address)
    rows: list[dict[str, Any]] = []
    for posted in posted_claims(tier, from_block):
        state = tier.state(posted.claim_id)
        rows.append(
            {
                "claim_id": "0x" + posted.claim_id.hex(),
                "status": state.status.name,
                "model_id": hex(posted.claim.model_id),
                "asserter": posted.claim.asserter,
                "bond_wei": posted.claim.bond,
                "deadline": state.deadline,
                "open_games": state.games,
            }
        )
    table = Table(box=None, header_style="bold")
    for heading in ("claim", "status", "bond", "deadline", "open games"):
        table.add_column(heading)
    for row in rows:
        bond, deadline = show_ether(row["bond_wei"]), show_time(row["deadline"])
        table.add_row(row["claim_id"], row["status"], bond, deadline, str(row["open_games"]))
    emit(as_json, {"claims": rows}, table if rows else "no claims here")


@command.command()
@click.argument("claim_id")
@rpc_option
@chain_option
@tier_option
@block_option
@click.option(
    "--challenger", metavar="ADDRESS", help="Whose game to draw; default: the one that went furthest."
)
@click.option("--circuit", type=click.Path(path_type=Path), help="Name the layers of this circuit.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the descent to this file.")
@json_option
def show(
    claim_id: str,
    rpc: str,
    chain_id: int | None,
    address: str,
    from_block: int,
    challenger: str | None,
    circuit: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Show the claim CLAIM_ID and its disputes; with --svg, draw one."""
    tier = DisputeTier(Chain.connect(rpc, chain_id=chain_id), address)
    if svg is not None:
        destination(svg, circuit)
    history = read_history(tier, parse_digest(claim_id, "a claim id"), from_block)
    loaded = load(circuit) if circuit is not None else None
    if loaded is not None:
        require_circuit(history.model, loaded)
    if svg is not None:
        write_atomically(svg, [draw_dispute(history, _game(history, challenger), loaded).encode()])
    state = tier.state(history.claim_id)
    games = [_shown(tier, history, game) for game in history.games.values()]
    result = {
        "claim_id": "0x" + history.claim_id.hex(),
        "status": state.status.name,
        "model_id": hex(history.claim.model_id),
        "circuit_id": "0x" + history.model.circuit_id.hex(),
        "asserter": history.claim.asserter,
        "bond_wei": history.claim.bond,
        "deadline": state.deadline,
        "rounds": Rounds(history.header.trace_depth).count,
        "games": games,
    } | ({"svg": str(svg)} if svg is not None else {})
    table = Table(box=None, header_style="bold")
    for heading in ("challenger", "round", "turn", "due", "outcome"):
        table.add_column(heading)
    for row in games:
        due = show_time(row["due"]) if row["outcome"] == "open" else ""
        table.add_row(
            row["challenger"], f"{row['revealed']} of {result['rounds']}", row["turn"], due, row["outcome"]
        )
    emit(
        as_json,
        result,
        f"claim {result['claim_id']}  [bold]{state.status.name}[/bold]",
        f"by {history.claim.asserter}, bond {show_ether(history.claim.bond)}, "
        f"open to challenges until {show_time(state.deadline)}",
        table if games else "nobody has disputed it",
        *([f"drawn to {svg}"] if svg is not None else []),
    )


@command.command()
@click.argument("claim_id")
@click.argument("circuit", type=click.Path(path_type=Path))
@rpc_option
@chain_option
@tier_option
@block_option
@click.option(
    "--input", type=click.Path(path_type=Path), help="The input's data, where it is not on the chain."
)
@json_option
def check(
    claim_id: str,
    circuit: Path,
    rpc: str,
    chain_id: int | None,
    address: str,
    from_block: int,
    input: Path | None,
    as_json: bool,
) -> None:
    """Recompute the claim CLAIM_ID with CIRCUIT. Costs nothing; exits with 1 if the claim is false."""
    tier = DisputeTier(Chain.connect(rpc, chain_id=chain_id), address)
    loaded = load(circuit)
    with Display(err) as progress:
        progress("reading the claim")
        history = read_history(tier, parse_digest(claim_id, "a claim id"), from_block)
        require_circuit(history.model, loaded)
        dispute = _recomputed(tier, history, loaded, input, from_block, progress)
    result = {
        "claim_id": "0x" + history.claim_id.hex(),
        "circuit_id": "0x" + loaded.circuit_id.hex(),
        "true": not dispute.false,
    }
    if dispute.false:
        emit(as_json, result)
        raise CheckFailed("the claim is false: its outputs are not the circuit's")
    emit(as_json, result, f"[green]true[/green]  claim {result['claim_id']}")


def _recomputed(
    tier: DisputeTier,
    history: ClaimHistory,
    circuit: Circuit,
    path: Path | None,
    from_block: int,
    progress: Display,
) -> Dispute:
    """What one's own execution says about a claim."""
    judge = Judge(_Only(circuit))
    if path is not None:
        candidates = [pack_inputs(circuit, load_inputs(circuit, path))]
    else:
        candidates = tier.posted_inputs(history.claim, from_block)
    for data in candidates:
        if judge.is_input(history.claim, data):
            progress("executing")
            dispute = judge.dispute(history.claim, history.output, data)
            assert dispute is not None
            return dispute
    if path is not None:
        raise InputError(
            f"{path} is not the input of this claim, whose root is 0x{history.claim.input.hex()}"
        )
    raise InputError(
        f"the input of this claim is not on the chain; {history.claim.source} vouches for it: pass its data "
        "with --input"
    )


@dataclass(frozen=True)
class _Only:
    """The one circuit that a claim is held against."""

    circuit: Circuit

    def of_model(self, model_id: int) -> Circuit:
        """Whatever the model: that it is of this circuit was checked before."""
        return self.circuit


@command.command()
@click.argument("claim_id")
@rpc_option
@chain_option
@tier_option
@block_option
@json_option
def finalise(
    claim_id: str, rpc: str, chain_id: int | None, address: str, from_block: int, as_json: bool
) -> None:
    """Make the claim CLAIM_ID final, whose time is over. Anybody may; the bond goes back to its asserter."""
    tier = DisputeTier(signing(rpc, chain_id), address)
    history = read_history(tier, parse_digest(claim_id, "a claim id"), from_block)
    state, now = tier.state(history.claim_id), tier.chain.timestamp()
    if state.status is ClaimStatus.PROVISIONAL and now < state.deadline:
        raise InputError(f"the claim can still be disputed, until {show_time(state.deadline)}")
    if state.status is ClaimStatus.PROVISIONAL and state.games:
        raise InputError("the claim is being disputed: verinfer dispute show tells whose turn it is")
    with Display(err) as progress:
        progress("finalising")
        receipt = tier.transact(tier.finalise(history.claim))
    result = {"claim_id": "0x" + history.claim_id.hex(), "status": "FINAL", "gas": receipt["gasUsed"]}
    emit(as_json, result, f"[green]final[/green]  claim {result['claim_id']}, {receipt['gasUsed']:,} gas")


@command.command()
@rpc_option
@chain_option
@tier_option
@click.option("--to", metavar="ADDRESS", help="Who is paid; default: the signer.")
@json_option
def withdraw(rpc: str, chain_id: int | None, address: str, to: str | None, as_json: bool) -> None:
    """Have the tier pay out what it owes to the signer: bonds that came back, and rewards."""
    chain = signing(rpc, chain_id)
    assert chain.signer is not None
    tier = DisputeTier(chain, address)
    owed = tier.credit(chain.signer.address)
    if owed == 0:
        raise InputError(f"the tier at {tier.address} owes nothing to {chain.signer.address}")
    with Display(err) as progress:
        progress("withdrawing")
        receipt = tier.transact(tier.withdraw(to or chain.signer.address))
    result = {"wei": owed, "to": to or chain.signer.address, "gas": receipt["gasUsed"]}
    emit(as_json, result, f"{show_ether(owed)} paid to {result['to']}, {receipt['gasUsed']:,} gas")


def _game(history: ClaimHistory, challenger: str | None) -> GameHistory:
    """The game to draw."""
    if not history.games:
        raise InputError("nobody has disputed this claim: there is nothing to draw")
    if challenger is None:
        won = [game for game in history.games.values() if game.verdict is not None and game.verdict.won]
        return max(won or history.games.values(), key=lambda game: len(game.rounds))
    for address, game in history.games.items():
        if address.lower() == challenger.lower():
            return game
    raise InputError(f"{challenger} has not disputed this claim; {', '.join(history.games)} have")


def _shown(tier: DisputeTier, history: ClaimHistory, game: GameHistory) -> dict[str, Any]:
    """A game for machines."""
    state = tier.game(history.claim_id, game.challenger)
    verdict = game.verdict
    row: dict[str, Any] = {
        "challenger": game.challenger,
        "turn": state.turn.name if state.turn is not Turn.CLOSED else "",
        "due": state.deadline,
        "revealed": len(game.rounds),
        "outcome": "open" if verdict is None else "won" if verdict.won else "lost",
    }
    if verdict is not None:
        row["verdict"] = {
            "move": verdict.move,
            "record": verdict.record,
            "index": verdict.index,
            "claimed": verdict.claimed,
            "recomputed": verdict.recomputed,
        }
    return row
