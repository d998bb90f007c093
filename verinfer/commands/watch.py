"""verinfer watch: watch claims, dispute false ones, defend one's own."""

from __future__ import annotations

from pathlib import Path

import click

from challenger.fees import GWEI, FeePolicy
from challenger.logs import configure_logs
from challenger.process import Setup, watch
from challenger.watcher import Habits
from contracts.signer import KEY_VARIABLE, KeySigner
from verinfer.commands.claim import tier_option
from verinfer.commands.contract import chain_option
from verinfer.units import parse_ether


@click.command(
    help="Execute the claims about the models whose circuit files are in FOLDER, dispute the false ones, and "
    "answer disputes about the signer's own claims, until told to stop. Everything that must not be lost is "
    f"in the database before it is sent. Signed with the key in ${KEY_VARIABLE}."
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--rpc",
    "urls",
    metavar="URL",
    multiple=True,
    required=True,
    help="A JSON-RPC endpoint; give several, and a majority must agree.",
)
@chain_option
@tier_option
@click.option(
    "--database",
    metavar="URL",
    default="watch.db",
    show_default=True,
    help="A file for SQLite, or postgresql://...",
)
@click.option(
    "--sample",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Execute so large a share of the claims, chosen at random.",
)
@click.option(
    "--from-block", type=click.IntRange(min=0), default=0, show_default=True, help="Begin at this block."
)
@click.option(
    "--confirmations",
    type=click.IntRange(min=0),
    default=Habits.confirmations,
    show_default=True,
    help="Act on what so many blocks stand on.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=Habits.poll,
    show_default=True,
    help="Seconds between looks at the chain.",
)
@click.option(
    "--quorum", type=click.IntRange(min=1), help="So many endpoints must agree; default: a majority."
)
@click.option(
    "--max-fee",
    type=click.FloatRange(0, min_open=True),
    metavar="GWEI",
    default=FeePolicy.cap / GWEI,
    show_default=True,
    help="Never offer more for a unit of gas.",
)
@click.option(
    "--withdraw-over",
    metavar="ETHER",
    default="0.01",
    show_default=True,
    help="Withdraw once so much is owed; 'never' leaves it.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve Prometheus metrics on this port.")
@click.option("--metrics-address", default="127.0.0.1", show_default=True, help="Serve them on this address.")
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to log on stderr.",
)
def command(
    folder: Path,
    urls: tuple[str, ...],
    chain_id: int | None,
    address: str,
    database: str,
    sample: float,
    from_block: int,
    confirmations: int,
    poll: float,
    quorum: int | None,
    max_fee: float,
    withdraw_over: str,
    dry_run: bool,
    metrics_port: int | None,
    metrics_address: str,
    log: str,
) -> None:
    """Watch until SIGTERM or SIGINT; see the help above."""
    configure_logs(as_json=log == "json")
    habits = Habits(
        sample=sample,
        start=from_block,
        confirmations=confirmations,
        poll=poll,
        withdraw_over=None if withdraw_over == "never" else parse_ether(withdraw_over),
    )
    setup = Setup(
        urls=urls,
        tier=address,
        circuits=folder,
        database=database,
        chain_id=chain_id,
        quorum=quorum,
        dry_run=dry_run,
        metrics_port=metrics_port,
        metrics_address=metrics_address,
        fees=FeePolicy(cap=round(max_fee * GWEI)),
        habits=habits,
    )
    watch(setup, KeySigner.from_environment())
