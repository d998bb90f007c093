"""What is to be done about each claim: derived anew each time from the chain's state and the database.

Nothing here depends on what was done before: a process that starts again goes on where the last one
stopped.

    a false claim                   open a game, play it, expire an asserter who does not answer
    an own claim                    reveal, expire challengers who do not answer, finalise in the end
    a claim resolved otherwise      close the own game and get the bond back
    credit                          withdraw
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from sqlalchemy import func, or_, select

from challenger.calls import call_of
from challenger.head import Head
from challenger.intent import Intent
from challenger.judge import Judge
from challenger.moves import Choose, Close, Expire, Finalise, Move, Step
from challenger.player import Dispute, GameView
from challenger.records import (
    ClaimRow,
    GameRow,
    InputRow,
    Progress,
    RevealRow,
    Standing,
    TransactionRow,
    Verdict,
)
from challenger.sender import UNSETTLED
from challenger.store import Store
from circuits.errors import InputError
from contracts.chain import checked_address
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.dispute_tier import DisputeTier, Game, Turn

GAME_GAS = 3_000_000
"""What the moves after the opening may take, proof included: whoever could not pay for them must not open."""
OVER = (Turn.NONE, Turn.CLOSED)


@dataclass(frozen=True)
class Duty:
    """An intent, and the claim and game that it is about."""

    claim_id: bytes
    challenger: str
    intent: Intent


class Duties:
    """Finds what is to be done.

    Parameters
    ----------
    account
        Whose duties they are.
    withdraw_over
        Withdraw once at least so many wei are owed; None to leave them where they are.
    """

    def __init__(
        self,
        tier: DisputeTier,
        store: Store,
        judge: Judge,
        account: ChecksumAddress,
        withdraw_over: int | None,
    ) -> None:
        self._tier = tier
        self._store = store
        self._judge = judge
        self._me = account
        self._withdraw_over = withdraw_over
        self._bond = tier.challenger_bond()
        self.dues: list[int] = []
        """By when own moves must be mined, for all claims looked at since `claims`, in seconds since 1970."""
        self._need_reveals: set[bytes] = set()
        """False claims that nothing but reveals can refute: they need not be recomputed to see that again."""

    def claims(self, head: Head) -> list[ClaimRow]:
        """The claims that may need something: false ones that can be challenged, own ones, and those with an
        own game that is not closed."""
        self.dues.clear()
        played = select(GameRow.claim_id).where(
            GameRow.challenger == self._me, GameRow.closed_block.is_(None)
        )
        open_games = select(GameRow.claim_id).where(GameRow.closed_block.is_(None))
        provisional = ClaimRow.standing == Standing.PROVISIONAL
        mine = ClaimRow.asserter == self._me
        with self._store.begin() as session:
            found = session.scalars(
                select(ClaimRow)
                .where(
                    or_(
                        provisional
                        & (ClaimRow.verdict == Verdict.FALSE)
                        & ~mine
                        & (ClaimRow.posted_at + ClaimRow.window > head.timestamp),
                        provisional & mine,
                        ClaimRow.claim_id.in_(played),
                        mine & ClaimRow.claim_id.in_(open_games),
                    )
                )
                .order_by(ClaimRow.posted_at + ClaimRow.window)
            )
            return list(found)

    def of_claim(self, row: ClaimRow, head: Head) -> Iterator[Duty]:
        """What is to be done about a claim now.

        Raises
        ------
        ChainError
            If the endpoints fail or disagree.
        InputError
            If the claim cannot be played.
        """
        state = self._tier.state(row.claim_id)
        if state.status in (ClaimStatus.FINAL, ClaimStatus.REVOKED):
            yield from self._closings(row, state.status)
        if state.status is not ClaimStatus.PROVISIONAL:
            return
        if row.asserter == self._me:
            games = self._open_games(row)
            for challenger in games:
                yield from self._asserter(row, challenger, head)
            if state.games == 0 and head.timestamp >= state.deadline:
                yield self._duty(
                    row, self._me, f"finalise:{_hex(row)}", self._call(row, self._me, Finalise())
                )
        elif row.verdict == Verdict.FALSE:
            yield from self._challenger(row, state.deadline, head)

    def withdrawal(self, credit: int) -> Intent | None:
        """The withdrawal of what is owed to the account; None if there is little, or one is on its way."""
        if self._withdraw_over is None or credit < max(self._withdraw_over, 1):
            return None
        with self._store.begin() as session:
            rows = select(func.count()).select_from(TransactionRow)
            done = session.scalar(
                rows.where(
                    TransactionRow.purpose.startswith("withdraw:"),
                    TransactionRow.progress == Progress.SETTLED,
                )
            )
        call = self._tier.withdraw(self._me)
        return Intent.of(f"withdraw:{done or 0}", call.function, call.value)

    def dispute(self, row: ClaimRow) -> Dispute | None:
        """The player for a claim's games; None if the claim cannot be recomputed."""
        with self._store.begin() as session:
            posted = list(session.scalars(select(InputRow.data).where(InputRow.input == row.input)))
        claim = claim_of(row)
        return self._judge.dispute(claim, row.output, self._judge.input_among(claim, posted))

    # ---- The challenger's side

    def _challenger(self, row: ClaimRow, deadline: int, head: Head) -> Iterator[Duty]:
        claim, me = claim_of(row), self._me
        game = self._tier.game(row.claim_id, me)
        if game.turn is Turn.NONE:
            if head.timestamp < deadline:
                self.dues.append(deadline - 1)
                call = self._tier.open(claim, self._bond)
                yield self._duty(row, me, f"open:{_hex(row)}", call, deadline - 1, GAME_GAS)
            return
        if game.turn is Turn.CLOSED:
            return
        late = head.timestamp > game.deadline
        if game.turn is Turn.REVEAL and late:
            yield self._duty(row, me, f"expire:{_hex(row)}:{me}", self._call(row, me, Expire(me)))
            return
        if game.turn is not Turn.REVEAL:
            self.dues.append(game.deadline)
        if late:
            raise InputError(
                f"the own move in turn {game.turn.name} was due at {game.deadline}: it is too late"
            )
        choose, prove = f"choose:{_hex(row)}:{game.level}", f"prove:{_hex(row)}"
        waits = game.turn is Turn.REVEAL and row.claim_id in self._need_reveals
        if waits or self._under_way(choose) or self._under_way(prove):
            return
        dispute = self.dispute(row)
        if dispute is None:
            raise InputError(
                "the game cannot be played: the circuit's file or the input is not at hand any more"
            )
        move: Move | None = dispute.first_move
        if move is None and game.turn is Turn.REVEAL:
            self._need_reveals.add(row.claim_id)
            return
        if move is None:
            view = self._view(row, me, game)
            if view is None:
                return  # the reveal is on the chain, but not deep enough to be taken in
            move = dispute.challenger_move(view)
        due = None if game.turn is Turn.REVEAL else game.deadline
        purpose = choose if isinstance(move, Choose) else prove
        yield self._duty(row, me, purpose, self._call(row, me, move), due)

    # ---- The asserter's side

    def _asserter(self, row: ClaimRow, challenger: str, head: Head) -> Iterator[Duty]:
        game = self._tier.game(row.claim_id, challenger)
        if game.turn in OVER:
            return
        if game.turn is not Turn.REVEAL:
            if head.timestamp > game.deadline:
                call = self._call(row, challenger, Expire(challenger))
                yield self._duty(row, challenger, f"expire:{_hex(row)}:{challenger}", call)
            return
        self.dues.append(game.deadline)
        purpose = f"reveal:{_hex(row)}:{challenger}:{game.level}"
        if self._under_way(purpose):
            return
        dispute = self.dispute(row)
        if dispute is None:
            raise InputError(
                "a game about an own claim cannot be answered: "
                "put the circuit's file into the watcher's folder"
            )
        view = GameView(game.turn, game.level, game.position, ())
        move = dispute.asserter_move(view)
        yield self._duty(row, challenger, purpose, self._call(row, challenger, move), game.deadline)

    # ---- Both

    def _closings(self, row: ClaimRow, status: ClaimStatus) -> Iterator[Duty]:
        """Games that were open when their claim was resolved, where closing them pays the account."""
        for challenger in self._open_games(row):
            pays = challenger == self._me if status is ClaimStatus.REVOKED else row.asserter == self._me
            if pays and self._tier.game(row.claim_id, challenger).turn not in OVER:
                call = self._call(row, challenger, Close(challenger))
                yield self._duty(row, challenger, f"close:{_hex(row)}:{challenger}", call)

    def _under_way(self, purpose: str) -> bool:
        """Whether a move is sent already: working it out again may cost an execution."""
        with self._store.begin() as session:
            row = session.get(TransactionRow, purpose)
        return row is not None and row.progress in UNSETTLED

    def _open_games(self, row: ClaimRow) -> list[ChecksumAddress]:
        with self._store.begin() as session:
            found = session.scalars(
                select(GameRow.challenger).where(
                    GameRow.claim_id == row.claim_id, GameRow.closed_block.is_(None)
                )
            )
            return [checked_address(challenger) for challenger in found]

    def _view(self, row: ClaimRow, challenger: str, game: Game) -> GameView | None:
        """What was played so far; None while a reveal is not taken in."""
        with self._store.begin() as session:
            found = session.scalars(
                select(RevealRow)
                .where(RevealRow.claim_id == row.claim_id, RevealRow.challenger == challenger)
                .order_by(RevealRow.level)
            )
            reveals = [reveal for reveal in found if reveal.level <= game.level]
        if [reveal.level for reveal in reveals] != list(range(game.level + 1)):
            return None
        return GameView(game.turn, game.level, game.position, tuple(reveal.nodes for reveal in reveals))

    def _call(self, row: ClaimRow, challenger: str, step: Step) -> Call:
        """The transaction of a step."""
        return call_of(self._tier, claim_of(row), row.output, challenger, step)

    def _duty(
        self,
        row: ClaimRow,
        challenger: str,
        purpose: str,
        call: Call,
        due: int | None = None,
        reserve: int = 0,
    ) -> Duty:
        return Duty(row.claim_id, challenger, Intent.of(purpose, call.function, call.value, due, reserve))


def claim_of(row: ClaimRow) -> Claim:
    """The claim in a row."""
    return Claim(
        int.from_bytes(row.model_id),
        row.input,
        row.trace,
        checked_address(row.asserter),
        checked_address(row.source),
        row.bond,
        row.window,
        row.settled_by,
        row.output_hash,
    )


def _hex(row: ClaimRow) -> str:
    return HexBytes(row.claim_id).to_0x_hex()
