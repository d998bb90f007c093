"""What the ledger says of a tenant: sums by day and kind for people, every row as CSV for accountants."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, func, select, tuple_

from service.database import Database, LedgerEntry

PAGE = 1000
COLUMNS = ("at", "what", "quantity", "unit", "job")


@dataclass(frozen=True)
class Usage:
    """How much of something a tenant has used, on a day or over the whole time."""

    day: date | None
    what: str
    quantity: float
    unit: str


def usage(
    database: Database, tenant: str, begin: datetime, end: datetime, by_day: bool = False
) -> Sequence[Usage]:
    """What a tenant has used from `begin` on and before `end`, in order of days (UTC) and kinds."""
    groups: list[Any] = [LedgerEntry.what, LedgerEntry.unit]
    if by_day:
        groups.insert(0, _day(database))
    sums = (
        select(func.sum(LedgerEntry.quantity), *groups)
        .where(*_of(tenant, begin, end))
        .group_by(*groups)
        .order_by(*groups)
    )
    with database.read() as session:
        rows = session.execute(sums).all()
    return [Usage(date.fromisoformat(row[1]) if by_day else None, row[-2], row[0], row[-1]) for row in rows]


def usage_csv(database: Database, tenant: str, begin: datetime, end: datetime) -> Iterator[str]:
    """Every row of the ledger about a tenant from `begin` on and before `end`, as CSV (RFC 4180), in pieces.

    Each piece is read by itself: a slow reader holds no transaction.
    """
    yield _lines([COLUMNS])
    order = tuple_(LedgerEntry.at, LedgerEntry.id)
    page = select(LedgerEntry).where(*_of(tenant, begin, end)).order_by(LedgerEntry.at, LedgerEntry.id)
    after: tuple[datetime, str] | None = None
    while True:
        following = page if after is None else page.where(order > after)
        with database.read() as session:
            rows = session.scalars(following.limit(PAGE)).all()
        if not rows:
            return
        yield _lines(
            (row.at.isoformat(), row.what, _number(row.quantity), row.unit, row.job_id or "") for row in rows
        )
        after = rows[-1].at, rows[-1].id


def _of(tenant: str, begin: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [LedgerEntry.tenant_id == tenant, LedgerEntry.at >= begin, LedgerEntry.at < end]


def _day(database: Database) -> ColumnElement[str]:
    if database.engine.dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", LedgerEntry.at), "YYYY-MM-DD", type_=Text)
    return func.strftime("%Y-%m-%d", LedgerEntry.at, type_=Text)


def _number(quantity: float) -> str:
    return str(int(quantity)) if quantity.is_integer() else repr(quantity)


def _lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([[_inert(cell) for cell in row] for row in rows])
    return text.getvalue()


def _inert(cell: str) -> str:
    """A cell that spreadsheets take for text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell
