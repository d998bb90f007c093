"""The watcher: follows a tier, recomputes its claims, and makes every move that is due.

One cycle after another, each of which would be right as the first one after a crash:

    1 find the block that the endpoints agree on      nothing more is done if they do not
    2 take in events, or back where re-organised      follow.py
    3 look after transactions on their way            sender.py
    4 make the moves that are due                     duties.py
    5 recompute a claim that has no verdict yet       judge.py
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

import structlog
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_typing import BlockNumber
from hexbytes import HexBytes
from sqlalchemy import func, or_, select, update
from web3.exceptions import Web3Exception
from web3.types import LogReceipt

from challenger.duties import Duties, Duty, claim_of
from challenger.endpoints import Endpoints, EndpointsDisagree
from challenger.follow import Follower
from challenger.head import Head
from challenger.intent import Intent, Underfunded
from challenger.judge import Judge
from challenger.metrics import Metrics
from challenger.records import ClaimRow, GameRow, InputRow, Standing, Verdict
from challenger.sender import Sender
from challenger.store import Store
from circuits.errors import InputError, VerinferError
from contracts.chain import ZERO_ADDRESS, Chain, ContractRefused
from contracts.claims import Claim
from contracts.dispute_tier import DisputeTier, InputPosted

RETRY_SECONDS = 60.0
"""How long a claim is left alone that could not be recomputed for want of its input, or for an error."""


@dataclass(frozen=True)
class Habits:
    """How a watcher goes about it.

    Attributes
    ----------
    sample
        The share of claims that are recomputed, in [0, 1]; with 0, those of others are left alone.
    start
        The first block of interest.
    confirmations
        How many blocks must stand on one before what it says is acted upon.
    poll
        Seconds between two looks at the chain.
    withdraw_over
        Withdraw once at least so many wei are owed; None to leave them where they are.
    """

    sample: float = 1.0
    start: int = 0
    confirmations: int = 2
    poll: float = 4.0
    withdraw_over: int | None = 10**16

    def __post_init__(self) -> None:
        if not 0 <= self.sample <= 1:
            raise InputError(f"the share of claims to recompute is between 0 and 1, not {self.sample}")
        if self.start < 0 or self.confirmations < 0 or self.poll <= 0:
            raise InputError("first block and confirmations are at least 0, the time between looks above")


class Watcher:
    """Watches one tier for one account. `run` does until it is stopped.

    Attributes
    ----------
    tier, sender
        What it watches, and what it sends with: nothing else may send from that account.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        tier: DisputeTier,
        store: Store,
        sender: Sender,
        judge: Judge,
        metrics: Metrics,
        habits: Habits,
    ) -> None:
        self._endpoints = endpoints
        self._chain: Chain = tier.chain
        self.tier = tier
        self._store = store
        self.sender = sender
        self._judge = judge
        self._metrics = metrics
        self._habits = habits
        self._follower = Follower(self._chain, tier, store, habits.start, habits.confirmations)
        self._duties = Duties(tier, store, judge, sender.account, habits.withdraw_over)
        self._random = random.SystemRandom()
        self._left_alone: dict[bytes, float] = {}
        self._said: dict[str, str] = {}
        self._log = structlog.get_logger("watcher")
        # A file may have been added since the last run.
        with store.begin() as session:
            session.execute(
                update(ClaimRow)
                .where(ClaimRow.verdict == Verdict.MODEL_UNKNOWN, ClaimRow.standing == Standing.PROVISIONAL)
                .values(verdict=None)
            )

    def run(self, stop: threading.Event) -> None:
        """Watch until told to stop.

        Raises
        ------
        InputError
            If another watcher has taken the database over.
        """
        while not stop.is_set():
            self._store.check()
            more = False
            try:
                more = self.cycle()
            except EndpointsDisagree as error:
                self._metrics.disagreements.inc()
                self._metrics.healthy.set(self._endpoints.healthy)
                self._say("endpoints", str(error))
            except VerinferError as error:
                self._metrics.errors.inc()
                self._say("cycle", str(error))
            except Exception:
                # Every cycle begins anew: the next one may succeed, and a watcher that has ended does not.
                self._metrics.errors.inc()
                self._log.exception("cycle failed")
            else:
                self._said.pop("endpoints", None)
                self._said.pop("cycle", None)
            if not more:
                stop.wait(self._habits.poll)

    def cycle(self) -> bool:
        """Do all that can be done now. Returns whether there is more to do at once.

        Raises
        ------
        EndpointsDisagree
            If there is no telling what the chain's state is. Nothing was done since.
        ChainError
            If the endpoints fail.
        InputError
            If the database fails.
        """
        head = self._endpoints.refresh()
        followed = self._follower.follow(head)
        if followed.fork is not None:
            self._metrics.reorganisations.inc()
        self.sender.tend()
        self._make_moves(head)
        self._withdraw()
        waiting = self._judge_next(head)
        self._measure(head, followed.block, waiting)
        return waiting > 0

    def standing(self, claim_id: bytes) -> Standing | None:
        """What has become of a claim, by events that lie deep enough; None if none tells of it."""
        with self._store.begin() as session:
            row = session.get(ClaimRow, claim_id)
            return None if row is None else Standing(row.standing)

    # ---- Moves

    def _make_moves(self, head: Head) -> None:
        """Make the moves that are due."""
        for row in self._duties.claims(head):
            try:
                for duty in self._duties.of_claim(row, head):
                    self._want(duty.intent, duty)
            except EndpointsDisagree:
                raise
            except VerinferError as error:
                self._metrics.errors.inc()
                self._say(f"claim {HexBytes(row.claim_id).to_0x_hex()}", str(error))
            except Exception:
                # Whatever a claim or its game does to this process, the others' moves must be made.
                self._metrics.errors.inc()
                self._log.exception("a claim's moves failed", claim=row.claim_id)

    def _withdraw(self) -> None:
        credit = self.tier.credit(self.sender.account)
        self._metrics.credit.set(credit)
        intent = self._duties.withdrawal(credit)
        if intent is not None:
            self._want(intent, None)

    def _want(self, intent: Intent, duty: Duty | None) -> None:
        """Make a move. A refusal is no error: somebody else was first, or it is not time yet."""
        try:
            self.sender.want(intent)
        except ContractRefused as error:
            self._say(intent.purpose, f"refused: {error}", serious=False)
        except Underfunded as error:
            self._say(intent.purpose, str(error))
        else:
            self._said.pop(intent.purpose, None)

    def _say(self, about: str, what: str, serious: bool = True) -> None:
        """Log something once, not in every cycle that it lasts."""
        if self._said.get(about) == what:
            return
        self._said[about] = what
        (self._log.error if serious else self._log.info)(what, about=about)

    # ---- Verdicts

    def _judge_next(self, head: Head) -> int:
        """Recompute the most urgent claim without a verdict. Returns how many are left."""
        rows = self._unjudged(head)
        if not rows:
            return 0
        row = rows[0]
        claim = claim_of(row)
        claim_id = HexBytes(row.claim_id).to_0x_hex()
        sampled = row.verdict is not None or self._random.random() < self._habits.sample
        started = time.monotonic()
        try:
            if not self._judge.knows(claim.model_id):
                verdict = Verdict.MODEL_UNKNOWN
            elif not sampled:
                verdict = Verdict.NOT_SAMPLED
            else:
                verdict = self._judge.verdict(claim, row.output, self._input(row, claim))
                self._metrics.checked.inc()
        except EndpointsDisagree:
            raise
        except Exception:
            # Whatever a claim does to this process, the others must still be watched.
            self._log.exception("a claim could not be recomputed", claim=claim_id)
            self._metrics.errors.inc()
            self._left_alone[row.claim_id] = time.monotonic() + RETRY_SECONDS
            return len(rows) - 1
        if verdict is Verdict.INPUT_UNAVAILABLE:
            self._left_alone[row.claim_id] = time.monotonic() + RETRY_SECONDS
        else:
            self._left_alone.pop(row.claim_id, None)
        with self._store.begin() as session:
            session.execute(update(ClaimRow).where(ClaimRow.claim_id == row.claim_id).values(verdict=verdict))
        say = self._log.warning if verdict is Verdict.FALSE else self._log.info
        say("verdict", claim=claim_id, verdict=str(verdict), seconds=round(time.monotonic() - started, 3))
        # A false claim is disputed at once.
        return len(rows) - 1 + (verdict is Verdict.FALSE)

    def _unjudged(self, head: Head) -> list[ClaimRow]:
        """Claims of others without a final verdict that can be challenged, or that an own game is about."""
        played = select(GameRow.claim_id).where(
            GameRow.challenger == self.sender.account, GameRow.closed_block.is_(None)
        )
        with self._store.begin() as session:
            found = session.scalars(
                select(ClaimRow)
                .where(
                    ClaimRow.standing == Standing.PROVISIONAL,
                    ClaimRow.asserter != self.sender.account,
                    or_(ClaimRow.verdict.is_(None), ClaimRow.verdict == Verdict.INPUT_UNAVAILABLE),
                    or_(
                        ClaimRow.posted_at + ClaimRow.window > head.timestamp,
                        ClaimRow.claim_id.in_(played),
                    ),
                )
                .order_by(ClaimRow.posted_at + ClaimRow.window)
            )
            rows = list(found)
        now = time.monotonic()
        self._left_alone = {key: until for key, until in self._left_alone.items() if until > now}
        return [row for row in rows if row.claim_id not in self._left_alone]

    def _input(self, row: ClaimRow, claim: Claim) -> bytes | None:
        """The data behind a claim's input root: posted to the tier, or by the contract that gave it."""
        with self._store.begin() as session:
            posted = list(session.scalars(select(InputRow.data).where(InputRow.input == row.input)))
        found = self._judge.input_among(claim, posted)
        if found is not None:
            return found
        if claim.source == ZERO_ADDRESS:
            return None
        topics = [HexBytes(self.tier.topic("InputPosted")), HexBytes(claim.input)]
        with self._chain.errors():
            logs = self._chain.web3.eth.get_logs(
                {"address": claim.source, "topics": topics, "fromBlock": BlockNumber(self._habits.start)}
            )
        for log in logs:
            data = self._posted(log)
            # What another contract says is believed if it has the root.
            if data is not None and self._judge.is_input(claim, data):
                with self._store.begin() as session:
                    digest = keccak(data)
                    session.merge(InputRow(input=row.input, digest=digest, data=data, block=row.block))
                return data
        return None

    def _posted(self, log: LogReceipt) -> bytes | None:
        """The data in an event of another contract; None if it is none."""
        try:
            event = self.tier.decode({**log, "address": self.tier.address})
        except (Web3Exception, DecodingError, ValueError):
            return None
        return event.data if isinstance(event, InputPosted) else None

    # ---- Metrics

    def _measure(self, head: Head, followed: int, waiting: int) -> None:
        metrics, me = self._metrics, self.sender.account
        with self._store.begin() as session:
            verdicts = dict(
                session.execute(select(ClaimRow.verdict, func.count()).group_by(ClaimRow.verdict)).all()
            )
            games = dict(
                session.execute(
                    select(GameRow.won, func.count()).where(GameRow.challenger == me).group_by(GameRow.won)
                ).all()
            )
        for verdict in Verdict:
            metrics.claims.labels(str(verdict)).set(verdicts.get(verdict, 0))
        metrics.claims.labels("none").set(verdicts.get(None, 0))
        for won, state in ((None, "open"), (True, "won"), (False, "lost")):
            metrics.games.labels(state).set(games.get(won, 0))
        metrics.head.set(head.number)
        metrics.lag.set(max(0, head.number - followed))
        metrics.healthy.set(self._endpoints.healthy)
        metrics.pending.set(self.sender.unsettled())
        metrics.waiting.set(waiting)
        dues = self._duties.dues
        metrics.deadline.set(min(dues) - head.timestamp if dues else -1)
        metrics.capped.set(self.sender.capped)
        with self._chain.errors():
            metrics.balance.set(self._chain.web3.eth.get_balance(me))
