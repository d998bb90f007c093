"""Puts a watcher together and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

from challenger.endpoints import Endpoints
from challenger.fees import FeePolicy
from challenger.judge import Judge
from challenger.known import KnownCircuits
from challenger.metrics import Metrics
from challenger.sender import Sender
from challenger.store import Store, Subject
from challenger.watcher import Habits, Watcher
from circuits.errors import ChainError
from contracts.chain import Chain, checked_address
from contracts.dispute_tier import DisputeTier
from contracts.signer import Signer


@dataclass(frozen=True)
class Setup:
    """What a watcher is started with.

    Attributes
    ----------
    urls
        Of the endpoints.
    tier
        The address of the contract with the claims.
    circuits
        The folder with the `*.circuit` files.
    database
        A path, or a URL.
    chain_id
        The chain that must answer; that of the first endpoint which answers if None.
    quorum
        How many endpoints must agree; a majority if None.
    timeout
        Seconds that an endpoint may take for an answer.
    dry_run
        Send nothing.
    metrics_port
        Where to serve metrics, on `metrics_address`; nowhere if None.
    """

    urls: Sequence[str]
    tier: str
    circuits: Path
    database: str
    chain_id: int | None = None
    quorum: int | None = None
    timeout: float = 10.0
    dry_run: bool = False
    metrics_port: int | None = None
    metrics_address: str = "127.0.0.1"
    fees: FeePolicy = field(default_factory=FeePolicy)
    habits: Habits = field(default_factory=Habits)


@contextmanager
def assembled(setup: Setup, signer: Signer) -> Iterator[Watcher]:
    """A watcher with everything that it needs, for as long as the block lasts.

    Raises
    ------
    InputError
        If something of the setup cannot be used; nothing was sent.
    """
    metrics = Metrics()
    chain_id = setup.chain_id if setup.chain_id is not None else _chain_id(setup)
    endpoints = Endpoints(
        setup.urls, chain_id, quorum=setup.quorum, timeout=setup.timeout, observer=metrics.note_fault
    )
    store: Store | None = None
    try:
        chain = endpoints.chain(signer)
        tier = DisputeTier(chain, checked_address(setup.tier))
        circuits = KnownCircuits(setup.circuits, tier.registry, setup.habits.start)
        with chain.errors():
            genesis = bytes(chain.web3.eth.get_block(0)["hash"])
        store = Store.open(setup.database, Subject(chain_id, genesis, tier.address, signer.address))
        sender = Sender(
            chain, store, setup.fees, setup.habits.confirmations, setup.dry_run, metrics.note_mined
        )
        watcher = Watcher(endpoints, tier, store, sender, Judge(circuits), metrics, setup.habits)
        port = None
        if setup.metrics_port is not None:
            port = metrics.serve(setup.metrics_port, setup.metrics_address)
        structlog.get_logger("process").info(
            "watching",
            chain=chain_id,
            tier=tier.address,
            account=signer.address,
            circuits=len(circuits),
            sample=setup.habits.sample,
            dry_run=setup.dry_run,
            metrics_port=port,
        )
        yield watcher
    finally:
        if store is not None:
            store.close()
        endpoints.close()


def watch(setup: Setup, signer: Signer) -> None:
    """Watch until SIGTERM or SIGINT: the cycle that is on its way is finished first.

    Raises
    ------
    InputError
        If something of the setup cannot be used, or another watcher has taken the database over.
    """
    stop = threading.Event()
    with assembled(setup, signer) as watcher, _stopping(stop.set):
        watcher.run(stop)
    structlog.get_logger("process").info("stopped")


@contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT, the first time; the second time does what it always does."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, former[signal.Signals(number)])
        stop()

    signals = (signal.SIGTERM, signal.SIGINT)
    former = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, former[number])


def _chain_id(setup: Setup) -> int:
    """The id that the first endpoint to answer names; the others must name it too."""
    for url in setup.urls[:-1]:
        try:
            return Chain.connect(url, timeout=setup.timeout).chain_id
        except ChainError:
            continue
    return Chain.connect(setup.urls[-1], timeout=setup.timeout).chain_id
