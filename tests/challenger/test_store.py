"""The database: what it keeps, what a re-organisation takes back, and whom it refuses."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

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
    VariantRow,
    Verdict,
)
from challenger.store import KEPT_BLOCKS, Store, Subject, add_block, blocks, rewind
from circuits.errors import InputError

SUBJECT = Subject(31337, bytes(range(32)), "0x" + "11" * 20, "0x" + "22" * 20)
ME = "0x" + "22" * 20


def claim(number: int, block: int) -> ClaimRow:
    return ClaimRow(
        claim_id=bytes([number]) * 32,
        model_id=bytes(32),
        input=bytes([number]) * 32,
        trace=bytes(32),
        asserter=ME,
        source="0x" + "00" * 20,
        bond=2**96 - 1,
        window=60,
        settled_by=bytes(4),
        output_hash=bytes(32),
        output=b"\0\xff" * 50,
        block=block,
        posted_at=1000,
    )


def test_everything_survives_reopening(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with store.begin() as session:
        session.add(claim(1, 7))
        session.flush()
        session.add(GameRow(claim_id=b"\1" * 32, challenger=ME, block=8))
        session.flush()
        session.add(
            RevealRow(claim_id=b"\1" * 32, challenger=ME, level=0, position=0, nodes=b"\0" * 512, block=9)
        )
        session.add(transaction("open", 3))
        session.flush()
        session.add(variant("open", 3, b"\5" * 32))
    store.close()
    store = Store.open(database, SUBJECT)
    with store.begin() as session:
        found = session.get_one(ClaimRow, b"\1" * 32)
        assert found.bond == 2**96 - 1 and found.output == b"\0\xff" * 50 and found.deadline == 1060
        assert found.standing == Standing.PROVISIONAL and found.verdict is None
        found.verdict = Verdict.FALSE
        assert session.get_one(RevealRow, (b"\1" * 32, ME, 0)).nodes == b"\0" * 512
        assert session.get_one(TransactionRow, "open").value == 10**30
        assert session.get_one(VariantRow, b"\5" * 32).raw == b"raw"
    store.close()


def test_an_aborted_block_leaves_nothing(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with pytest.raises(RuntimeError), store.begin() as session:
        session.add(claim(1, 7))
        session.flush()
        raise RuntimeError
    with store.begin() as session:
        assert session.scalar(select(func.count()).select_from(ClaimRow)) == 0
    store.close()


def test_a_purpose_has_one_row(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with store.begin() as session:
        session.add(transaction("open", 1))
    with pytest.raises(InputError, match="database failed"), store.begin() as session:
        session.add(transaction("open", 2))
    store.close()


def test_a_reorganisation_takes_back_what_its_blocks_told(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with store.begin() as session:
        for number in (1, 2):
            session.add(claim(number, 10 * number))
            session.add(InputRow(input=bytes([number]) * 32, digest=bytes(32), data=b"x", block=10 * number))
        session.flush()
        session.get_one(ClaimRow, b"\1" * 32).standing = Standing.REVOKED
        session.get_one(ClaimRow, b"\1" * 32).resolved_block = 18
        for number, block in ((1, 11), (2, 21)):
            session.add(GameRow(claim_id=bytes([number]) * 32, challenger=ME, block=block))
        session.flush()
        game = session.get_one(GameRow, (b"\1" * 32, ME))
        game.closed_block, game.won, game.refund = 18, True, 10**20
        for level, block in ((0, 12), (1, 17)):
            session.add(
                RevealRow(claim_id=b"\1" * 32, challenger=ME, level=level, position=0, nodes=b"", block=block)
            )
            session.add(ChoiceRow(claim_id=b"\1" * 32, challenger=ME, level=level, position=0, block=block))
        for purpose, block, progress in (
            ("a", 12, Progress.SETTLED),
            ("b", 17, Progress.SETTLED),
            ("c", 17, Progress.FAILED),
        ):
            row = transaction(purpose, ord(purpose))
            row.block, row.progress = block, progress
            session.add(row)
        for number in range(10, 25):
            add_block(session, number, bytes([number]) * 32)
    with store.begin() as session:
        rewind(session, 15)
    with store.begin() as session:
        assert [row.number for row in blocks(session)] == [15, 14, 13, 12, 11, 10]
        (kept,) = session.scalars(select(ClaimRow))
        assert (kept.claim_id, kept.standing, kept.resolved_block) == (b"\1" * 32, Standing.PROVISIONAL, None)
        (game,) = session.scalars(select(GameRow))
        assert (game.closed_block, game.won, game.refund) == (None, None, None)
        assert [row.level for row in session.scalars(select(RevealRow))] == [0]
        assert [row.level for row in session.scalars(select(ChoiceRow))] == [0]
        assert len(list(session.scalars(select(InputRow)))) == 1
        progress = {row.purpose: row.progress for row in session.scalars(select(TransactionRow))}
        assert progress == {"a": Progress.SETTLED, "b": Progress.PENDING, "c": Progress.PENDING}
    store.close()


def test_only_so_many_blocks_are_kept(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "db"), SUBJECT)
    with store.begin() as session:
        for number in range(0, 3 * (KEPT_BLOCKS + 20), 3):
            add_block(session, number, bytes(32))
        assert session.scalar(select(func.count()).select_from(BlockRow)) == KEPT_BLOCKS
        assert blocks(session)[0].number == 3 * (KEPT_BLOCKS + 19)
    store.close()


def test_two_watchers_on_one_database_are_refused(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with pytest.raises(InputError, match="another watcher uses this database"):
        Store.open(database, SUBJECT)
    store.check()
    store.close()
    Store.open(database, SUBJECT).close()


def test_a_killed_watcher_leaves_no_lock(database: str) -> None:
    program = (
        "import sys, time\n"
        "from challenger.store import Store, Subject\n"
        "s = Store.open(sys.argv[1], Subject(31337, bytes(range(32)), '0x' + '11' * 20, '0x' + '22' * 20))\n"
        "print('open', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, database], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    with pytest.raises(InputError, match="another watcher uses this database"):
        Store.open(database, SUBJECT)
    process.kill()
    process.wait()
    process.stdout.close()
    _open_soon(database).close()


def _open_soon(database: str) -> Store:
    """PostgreSQL takes a moment to see that a connection is gone."""
    import time

    for _ in range(100):
        try:
            return Store.open(database, SUBJECT)
        except InputError:
            time.sleep(0.05)
    return Store.open(database, SUBJECT)


def test_a_lost_lock_is_noticed(postgres_database: str) -> None:
    store = Store.open(postgres_database, SUBJECT)
    with store.begin() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid != pg_backend_pid()"
            )
        )
    with pytest.raises(InputError, match="lock on the database is lost"):
        store.check()
    store.close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"chain_id": 1}, "another chain: 31337, not 1"),
        ({"genesis": bytes(32)}, "another genesis"),
        ({"tier": ME}, "another tier"),
        ({"account": "0x" + "33" * 20}, "another account"),
    ],
)
def test_a_database_about_something_else_is_refused(
    database: str, change: dict[str, object], what: str
) -> None:
    Store.open(database, SUBJECT).close()
    with pytest.raises(InputError, match=what):
        Store.open(database, dataclasses.replace(SUBJECT, **change))  # type: ignore[arg-type]
    Store.open(database, SUBJECT).close()


def test_a_newer_database_is_refused(database: str) -> None:
    store = Store.open(database, SUBJECT)
    with store.begin() as session:
        session.get_one(MetaRow, "version").value = "2"
    store.close()
    with pytest.raises(InputError, match="has version 2, this program reads version 1"):
        Store.open(database, SUBJECT)


def test_a_crash_while_the_tables_are_made_leaves_none(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_all = Base.metadata.create_all

    def die(connection: object) -> None:
        create_all(connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Base.metadata, "create_all", die)
    with pytest.raises(KeyboardInterrupt):
        Store.open(database, SUBJECT)
    monkeypatch.undo()
    Store.open(database, SUBJECT).close()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program's database"):
        Store.open(str(path), SUBJECT)
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mysql://somewhere/x", "not supported"),
        ("://", "neither a path nor a URL"),
        ("postgresql://verinfer:secret@127.0.0.1:1/x", "cannot open"),
        ("{tmp}/no/such/folder/x.db", "cannot open"),
        ("{tmp}/text.db", "cannot open"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, url: str, what: str) -> None:
    (tmp_path / "text.db").write_text("this is no database at all, but some text\n" * 100)
    with pytest.raises(InputError, match=what) as caught:
        Store.open(url.format(tmp=tmp_path), SUBJECT)
    assert "secret" not in str(caught.value)


def transaction(purpose: str, nonce: int) -> TransactionRow:
    return TransactionRow(
        purpose=purpose,
        nonce=nonce,
        to=ME,
        data=b"",
        value=10**30,
        gas=21000,
        progress=Progress.PENDING,
        attempts=1,
    )


def variant(purpose: str, nonce: int, digest: bytes) -> VariantRow:
    return VariantRow(
        hash=digest,
        purpose=purpose,
        nonce=nonce,
        number=0,
        raw=b"raw",
        max_fee=1,
        priority_fee=1,
        cancels=False,
        head=0,
    )
