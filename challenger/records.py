"""What the watcher remembers, as tables.

    meta                       which chain, contract and account the database is about, and the schema's
    version blocks                     blocks followed, so that a re-organisation shows and its fork can be
    found claims, inputs             what was posted, with the verdict on it games, reveals, choices    what
    was played transactions, variants     what is sent: a row for each intended move, and one for each signing
    of it

Whatever an event told carries the number of its block, so that a re-organisation can take it back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Dialect, ForeignKey, ForeignKeyConstraint, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Wei(TypeDecorator[int]):
    """An amount of up to 256 bits, kept as decimal digits: databases' own integers end at 64 bits."""

    impl = String(80)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """From the database."""
        return None if value is None else int(value)


class Verdict(StrEnum):
    """What recomputing a claim said, or why it was not recomputed."""

    TRUE = "true"
    FALSE = "false"
    NOT_SAMPLED = "not sampled"
    INPUT_UNAVAILABLE = "input unavailable"
    MODEL_UNKNOWN = "model unknown"


class Standing(StrEnum):
    """What has become of a claim, by its events."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    REVOKED = "revoked"


class Progress(StrEnum):
    """How far a transaction has come.

    PENDING: it has a nonce, and may have been sent. MINED: it is in a block. SETTLED: and that block is deep
    enough. FAILED: it is in a block, but the contract refused. CANCELLED: it was not needed any more, and its
    nonce went into a transaction that does nothing. LOST: another transaction of the account took its nonce.
    """

    PENDING = "pending"
    MINED = "mined"
    SETTLED = "settled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {bytes: LargeBinary, int: BigInteger, str: Text}  # noqa: RUF012


class MetaRow(Base):
    """A fact about the database itself."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class BlockRow(Base):
    """A block up to which events were taken in."""

    __tablename__ = "blocks"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class ClaimRow(Base):
    """A claim with its outputs: all that it takes to recompute it."""

    __tablename__ = "claims"
    claim_id: Mapped[bytes] = mapped_column(primary_key=True)
    model_id: Mapped[bytes]
    input: Mapped[bytes]
    trace: Mapped[bytes]
    asserter: Mapped[str]
    source: Mapped[str]
    bond: Mapped[int] = mapped_column(Wei)
    window: Mapped[int]
    settled_by: Mapped[bytes]
    output_hash: Mapped[bytes]
    output: Mapped[bytes]
    block: Mapped[int]
    posted_at: Mapped[int]
    standing: Mapped[str] = mapped_column(default=Standing.PROVISIONAL)
    resolved_block: Mapped[int | None]
    verdict: Mapped[str | None]

    @property
    def deadline(self) -> int:
        """Until when the claim can be challenged, in seconds since 1970."""
        return self.posted_at + self.window


class InputRow(Base):
    """Data behind an input root. One root can have data of several layouts: those of other models, packed
    differently, whose leaves are the same."""

    __tablename__ = "inputs"
    input: Mapped[bytes] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    data: Mapped[bytes]
    block: Mapped[int]


class GameRow(Base):
    """A challenger's game about a claim."""

    __tablename__ = "games"
    claim_id: Mapped[bytes] = mapped_column(
        ForeignKey("claims.claim_id", ondelete="CASCADE"), primary_key=True
    )
    challenger: Mapped[str] = mapped_column(primary_key=True)
    block: Mapped[int]
    closed_block: Mapped[int | None]
    won: Mapped[bool | None]
    refund: Mapped[int | None] = mapped_column(Wei)


class RevealRow(Base):
    """What was revealed in one round of a game."""

    __tablename__ = "reveals"
    claim_id: Mapped[bytes] = mapped_column(primary_key=True)
    challenger: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    nodes: Mapped[bytes]
    block: Mapped[int]
    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "challenger"], ["games.claim_id", "games.challenger"], ondelete="CASCADE"
        ),
    )


class ChoiceRow(Base):
    """Where a game went on: the disputed node's place after a choice."""

    __tablename__ = "choices"
    claim_id: Mapped[bytes] = mapped_column(primary_key=True)
    challenger: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    block: Mapped[int]
    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "challenger"], ["games.claim_id", "games.challenger"], ondelete="CASCADE"
        ),
    )


class TransactionRow(Base):
    """One intended move. It is written, with its nonce, before anything of it is sent."""

    __tablename__ = "transactions"
    purpose: Mapped[str] = mapped_column(primary_key=True)
    nonce: Mapped[int] = mapped_column(index=True)
    to: Mapped[str]
    data: Mapped[bytes]
    value: Mapped[int] = mapped_column(Wei)
    gas: Mapped[int]
    due: Mapped[int | None]
    progress: Mapped[str] = mapped_column(index=True)
    attempts: Mapped[int]
    block: Mapped[int | None]
    block_hash: Mapped[bytes | None]
    gas_used: Mapped[int | None]
    fee: Mapped[int | None] = mapped_column(Wei)


class VariantRow(Base):
    """One signing of a transaction. Variants with the same nonce replace one another: at most one is
    mined."""

    __tablename__ = "variants"
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(ForeignKey("transactions.purpose"), index=True)
    nonce: Mapped[int]
    number: Mapped[int]
    raw: Mapped[bytes]
    max_fee: Mapped[int] = mapped_column(Wei)
    priority_fee: Mapped[int] = mapped_column(Wei)
    cancels: Mapped[bool]
    head: Mapped[int]
