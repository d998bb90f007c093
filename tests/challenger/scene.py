"""A chain with a tier, a liar who answers, and watchers: in this process, or as processes of their own."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from sqlalchemy import select

from challenger.fees import FeePolicy
from challenger.follow import Follower
from challenger.logs import configure_logs
from challenger.player import GameView
from challenger.process import Setup, assembled, watch
from challenger.records import TransactionRow, VariantRow
from challenger.sender import Sender
from challenger.watcher import Habits, Watcher
from circuits.circuit import Circuit
from circuits.trace import Trace
from contracts.chain import Chain
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.deployment import deploy_contracts
from contracts.dispute_tier import DisputeParameters, DisputeTier, Event, Game, GameOpened, Turn
from contracts.packing import pack_inputs
from contracts.registry import Registration, Registry, new_salt
from contracts.signer import KeySigner
from tests.challenger.chains import ETHER, DevChain
from tests.challenger.lies import Lie
from tests.circuits.random_circuits import random_sample

PARAMETERS = DisputeParameters(
    min_bond=ETHER,
    challenger_bond=ETHER // 10,
    min_window=3600,
    asserter_time=600,
    challenger_time=600,
    extension=600,
)
KEY = 0x5EED
"""Of the watcher's account."""


@dataclass
class Scene:
    """A tier about one circuit, and the folder of a watcher."""

    dev: DevChain
    folder: Path
    circuit: Circuit
    tier: DisputeTier
    registry: Registry
    model_id: int
    wallet: Chain
    start: int
    lies: dict[bytes, Lie] = field(default_factory=dict)

    @classmethod
    def on(cls, dev: DevChain, folder: Path, circuit: Circuit) -> Scene:
        deployment = deploy_contracts(dev.rich, PARAMETERS)
        salt = new_salt()
        registration = Registration.of(circuit)
        start = dev.web3.eth.block_number
        deployment.registry.commit(registration.circuit_id, salt)
        model_id = deployment.registry.register(registration, salt).model_id
        (folder / "circuits").mkdir(exist_ok=True)
        circuit.save(folder / "circuits" / "model.circuit")
        wallet = dev.wallet(KEY)
        return cls(dev, folder, circuit, deployment.disputes, deployment.registry, model_id, wallet, start)

    def moved(self, folder: Path) -> Scene:
        """The same on the chain, in another folder."""
        (folder / "circuits").mkdir(exist_ok=True)
        self.circuit.save(folder / "circuits" / "model.circuit")
        return replace(self, folder=folder, lies={})

    @property
    def me(self) -> ChecksumAddress:
        assert self.wallet.signer is not None
        return self.wallet.signer.address

    # ---- Claims

    def truth(self, seed: int = 0) -> Lie:
        return Lie.of(Trace.of(self.circuit, random_sample(self.circuit, seed)))

    def falsehood(self, seed: int = 0, record: int = 0, index: int = 0) -> Lie:
        """One element altered and everything after it recomputed; the outputs are wrong for sure."""
        lie = self.truth(seed)
        found = self.circuit.identity.plan.records[record]
        index = min(index, found.cells - 1)
        lie.set(record, index, int(lie.honest.tensor(record)[index]) ^ 1)
        lie.recompute_after(record, fast=True)
        lie.output[-1] ^= 1
        return lie

    def claim_of(self, lie: Lie, by: Chain, window: int = 3600) -> Claim:
        assert by.signer is not None
        return Claim.of(
            self.model_id,
            lie.honest.input_commitment,
            lie.root,
            bytes(lie.output),
            asserter=by.signer.address,
            bond=PARAMETERS.min_bond,
            window=window,
        )

    def post(self, lie: Lie, by: Chain | None = None, seed: int = 0, window: int = 3600) -> Claim:
        """Post a claim; by default the rich account's."""
        by = by or self.dev.rich
        claim = self.claim_of(lie, by, window)
        inputs = pack_inputs(self.circuit, random_sample(self.circuit, seed))
        self.send(self.tier.claim(claim, bytes(lie.output), inputs), by)
        self.lies[self.id(claim)] = lie
        return claim

    def id(self, claim: Claim) -> bytes:
        return self.tier.claim_id(claim)

    def send(self, call: Call, by: Chain | None = None) -> None:
        (by or self.dev.rich).transact(call.function, call.value)

    def status(self, claim: Claim) -> ClaimStatus:
        return self.tier.status(self.id(claim))

    def game(self, claim: Claim, challenger: str | None = None) -> Game:
        return self.tier.game(self.id(claim), challenger or self.me)

    def answer(self, claim: Claim, challenger: str | None = None) -> bool:
        """Have the liar reveal, if it is its turn."""
        challenger = challenger or self.me
        game = self.game(claim, challenger)
        if game.turn is not Turn.REVEAL or self.status(claim) is not ClaimStatus.PROVISIONAL:
            return False
        view = GameView(game.turn, game.level, game.position, ())
        move = self.lies[self.id(claim)].player.asserter_move(view)
        call = self.tier.reveal(self.id(claim), challenger, move.level, move.position, move.nodes)
        self.send(call)
        return True

    # ---- What happened

    def events(self) -> list[Event]:
        logs = self.dev.web3.eth.get_logs({"address": self.tier.address, "fromBlock": 0})
        decoded = [self.tier.decode(log) for log in logs]
        return [event for event in decoded if event is not None]

    def opened(self) -> int:
        """How many games the watcher's account has opened."""
        return sum(isinstance(event, GameOpened) and event.challenger == self.me for event in self.events())

    def sent(self) -> int:
        """How many transactions of the watcher's account were mined."""
        return self.dev.web3.eth.get_transaction_count(self.me)

    # ---- Watchers

    def setup(self, urls: Sequence[str] = (), database: str = "", **changes: Any) -> Setup:
        habits = Habits(start=self.start, confirmations=1, poll=0.05, withdraw_over=1)
        setup = Setup(
            urls or [self.dev.url],
            self.tier.address,
            self.folder / "circuits",
            database or str(self.folder / "watcher.db"),
            fees=FeePolicy(patient_blocks=2),
            habits=habits,
        )
        known = {name: value for name, value in changes.items() if hasattr(setup, name)}
        rest = {name: value for name, value in changes.items() if name not in known}
        return replace(setup, **known, habits=replace(habits, **rest))

    @contextmanager
    def watching(self, **changes: Any) -> Iterator[Watcher]:
        """A watcher of this process."""
        with assembled(self.setup(**changes), KeySigner.from_key(f"{KEY:064x}")) as watcher:
            yield watcher

    def run(self, watcher: Watcher, claims: Sequence[Claim] = (), cycles: int = 40) -> None:
        """Look, answer and mine in turn, until nothing happens any more."""
        idle = 0
        for _ in range(cycles):
            before = self.sent()
            more = watcher.cycle()
            answered = [self.answer(claim) for claim in claims]
            self.dev.mine()
            idle = 0 if more or any(answered) or self.sent() != before else idle + 1
            if idle > 4:
                return

    def rows(self, watcher: Watcher) -> dict[str, TransactionRow]:
        with watcher._store.begin() as session:
            return {row.purpose: row for row in session.scalars(select(TransactionRow))}

    def variants(self, watcher: Watcher) -> list[VariantRow]:
        with watcher._store.begin() as session:
            return list(session.scalars(select(VariantRow)))


def watch_slowly(setup: Setup, log: str) -> None:
    """Watch as a process of its own, with pauses around the steps that a crash must not come between."""
    with Path(log).open("a", buffering=1) as file:
        configure_logs(as_json=True, file=file)
        send, take_in = Sender._broadcast, Follower._take_in

        def slow_send(self: Sender, row: TransactionRow, variant: VariantRow) -> None:
            time.sleep(random.uniform(0, 0.1))
            send(self, row, variant)
            time.sleep(random.uniform(0, 0.1))

        def slow_take_in(self: Follower, first: int, last: int) -> None:
            time.sleep(random.uniform(0, 0.02))
            take_in(self, first, last)

        Sender._broadcast, Follower._take_in = slow_send, slow_take_in  # type: ignore[method-assign]
        watch(setup, KeySigner.from_key(f"{KEY:064x}"))


def watch_process(setup: Setup, log: Path) -> ForkServerProcess:
    """Such a process, started from a server that has everything imported: it begins within milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["challenger.process", "tests.challenger.scene"])
    process = context.Process(target=watch_slowly, args=(setup, str(log)), daemon=True)
    process.start()
    return process
