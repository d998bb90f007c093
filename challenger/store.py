"""The watcher's database: all that must survive a crash, SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    URL,
    Engine,
    delete,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from challenger.connection import make_engine, parse_url
from challenger.lock import AdvisoryLock, FileLock, Lock, NoLock
from challenger.records import (
    Base,
    BlockRow,
    ChoiceRow,
    ClaimRow,
    GameRow,
    InputRow,
    MetaRow,
    Progress,
    RevealRow,
    Standing,
    TransactionRow,
)
from circuits.errors import InputError

APPLICATION, VERSION = "verinfer challenger", 1
KEPT_BLOCKS = 1024
"""How many blocks are remembered: enough to find the fork of any re-organisation that a chain can have."""
BUSY_SECONDS = 10


@dataclass(frozen=True)
class Subject:
    """What a database is about. Rows about another chain, contract or account would mean nothing here.

    Attributes
    ----------
    chain_id, genesis
        The chain, and the hash of its first block: development chains share their id.
    tier
        The contract with the claims.
    account
        Who sends the transactions.
    """

    chain_id: int
    genesis: bytes
    tier: str
    account: str

    def as_meta(self) -> dict[str, str]:
        """The rows that say so."""
        return {
            "application": APPLICATION,
            "version": str(VERSION),
            "chain": str(self.chain_id),
            "genesis": self.genesis.hex(),
            "tier": self.tier,
            "account": self.account,
        }


class Store:
    """An open database, locked against other watchers. Make it with `open`."""

    def __init__(self, engine: Engine, lock: Lock) -> None:
        self._engine = engine
        self._lock = lock
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def open(cls, url: str, subject: Subject) -> Store:
        """Open a database, and make its tables if it is new.

        Parameters
        ----------
        url
            A file's path, or a URL: `sqlite:///path` or `postgresql://user@host/name`.
        subject
            What it is to be about.

        Raises
        ------
        InputError
            If another watcher uses it, it cannot be opened, it is about something else, it is of another
            version, or it is no database of a watcher's.
        """
        parsed = parse_url(url)
        shown = parsed.render_as_string(hide_password=True)
        try:
            engine = make_engine(parsed, BUSY_SECONDS)
        except ModuleNotFoundError:
            raise InputError(
                f"cannot open {shown}: its driver is missing. For PostgreSQL: "
                "pip install 'verinfer[postgres]'"
            ) from None
        except SQLAlchemyError as error:
            raise InputError(f"cannot open the database {shown}: {error}") from None
        lock: Lock | None = None
        try:
            lock = _lock(engine, parsed)
            _prepare(engine, subject, shown)
        except DBAPIError as error:
            _abandon(engine, lock)
            raise InputError(f"cannot open the database {shown}: {_cause(error)}") from None
        except BaseException:
            _abandon(engine, lock)
            raise
        return cls(engine, lock)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction of the database: committed at the end of the block, undone if it raises.

        Raises
        ------
        InputError
            If the database fails. Nothing of the block is kept.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except DBAPIError as error:
            raise InputError(f"the database failed: {_cause(error)}") from error

    def check(self) -> None:
        """Make sure that no other watcher can have taken the database over.

        Raises
        ------
        InputError
            If the lock is lost.
        """
        self._lock.check()

    def close(self) -> None:
        """Close the database and release it."""
        self._lock.release()
        self._engine.dispose()


def blocks(session: Session) -> list[BlockRow]:
    """The blocks followed, the last one first."""
    return list(session.scalars(select(BlockRow).order_by(BlockRow.number.desc())))


def add_block(session: Session, number: int, block_hash: bytes) -> None:
    """Remember that events were taken in up to a block, and forget blocks long past."""
    session.merge(BlockRow(number=number, hash=block_hash))
    session.flush()
    kept = select(BlockRow.number).order_by(BlockRow.number.desc()).limit(1).offset(KEPT_BLOCKS)
    oldest = session.scalar(kept)
    if oldest is not None:
        session.execute(delete(BlockRow).where(BlockRow.number <= oldest))


def rewind(session: Session, fork: int) -> None:
    """Take back whatever blocks after `fork` told: they are not in the chain any more.

    A transaction mined in one of them is open again, with the nonce that it had.
    """
    session.execute(delete(BlockRow).where(BlockRow.number > fork))
    for table in (ChoiceRow, RevealRow, GameRow, ClaimRow, InputRow):
        session.execute(delete(table).where(table.block > fork))
    session.execute(
        update(ClaimRow)
        .where(ClaimRow.resolved_block > fork)
        .values(resolved_block=None, standing=Standing.PROVISIONAL)
    )
    session.execute(
        update(GameRow).where(GameRow.closed_block > fork).values(closed_block=None, won=None, refund=None)
    )
    session.execute(
        update(TransactionRow)
        .where(TransactionRow.block > fork)
        .values(progress=Progress.PENDING, block=None, block_hash=None, gas_used=None, fee=None)
    )


def _lock(engine: Engine, url: URL) -> Lock:
    if url.get_backend_name() != "sqlite":
        return AdvisoryLock(engine)
    if url.database in (None, "", ":memory:"):
        return NoLock()
    return FileLock(Path(f"{url.database}.lock"))


def _prepare(engine: Engine, subject: Subject, shown: str) -> None:
    """Make the tables, or check that those found are ours and about the subject."""
    found = set(inspect(engine).get_table_names())
    expected = subject.as_meta()
    if not found:
        if engine.name == "sqlite":
            connection = engine.raw_connection()
            connection.cursor().execute("PRAGMA journal_mode=WAL")
            connection.close()
        with Session(engine) as session, session.begin():
            Base.metadata.create_all(session.connection())
            session.add_all(MetaRow(key=key, value=value) for key, value in expected.items())
        return
    if MetaRow.__tablename__ not in found:
        raise InputError(f"{shown} is another program's database: give the watcher one of its own")
    with Session(engine) as session:
        meta = {row.key: row.value for row in session.scalars(select(MetaRow))}
    if meta.get("application") != APPLICATION:
        raise InputError(f"{shown} is another program's database: give the watcher one of its own")
    if meta["version"] != expected["version"]:
        raise InputError(
            f"{shown} has version {meta['version']}, this program reads version {VERSION}: "
            "use the program that wrote it"
        )
    for key in ("chain", "genesis", "tier", "account"):
        if meta.get(key) != expected[key]:
            raise InputError(
                f"{shown} is about another {key}: {meta.get(key)}, not {expected[key]}. "
                "Give each chain, contract and account its own database"
            )


def _abandon(engine: Engine, lock: Lock | None) -> None:
    if lock is not None:
        lock.release()
    engine.dispose()


def _cause(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())
