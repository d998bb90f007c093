"""The tables are made by revisions, and are those of the models."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import service.migrations
from circuits.errors import InputError
from service.database import Base, Database
from service.migrations import upgrade


def test_the_migrated_tables_are_those_of_the_models(database: Database) -> None:
    with database.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        migrated = tables(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        Base.metadata.drop_all(connection)
        assert tables(connection) == {}
        Base.metadata.create_all(connection)
        assert tables(connection) == migrated and len(migrated) == 15


def tables(connection: Connection) -> dict[str, Any]:
    """All that the database says of its tables."""
    found = inspect(connection)

    def in_order(rows: list[Any]) -> list[str]:
        return sorted(str(sorted(row.items())) for row in rows)

    return {
        name: (
            in_order([{k: str(v) for k, v in column.items()} for column in found.get_columns(name)]),
            str(found.get_pk_constraint(name)),
            in_order(found.get_foreign_keys(name)),
            in_order(found.get_unique_constraints(name)),
            in_order(found.get_check_constraints(name)),
            in_order([plain(index) for index in found.get_indexes(name)]),
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def plain(index: Any) -> dict[str, Any]:
    """An index with its conditions as text."""
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_upgrading_again_changes_nothing(empty: str) -> None:
    upgrade(empty)
    database = Database(empty)
    with database.read() as session:
        session.execute(text("SELECT version_num FROM alembic_version")).one()
    with database.engine.begin() as connection:
        before = tables(connection)
    upgrade(empty)
    with database.engine.begin() as connection:
        assert tables(connection) == before
    database.close()


def test_several_processes_may_upgrade_at_a_time(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [empty] * 4))
    database = Database(empty)
    with database.read() as session:
        assert len(session.execute(text("SELECT * FROM alembic_version")).all()) == 1
    database.close()


def test_a_newer_database_is_refused(empty: str) -> None:
    upgrade(empty)
    database = Database(empty)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(InputError, match="made by a newer program: its tables have the version 9999"):
        upgrade(empty)


def test_a_crash_while_the_tables_are_made_leaves_none(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = service.migrations.command.upgrade

    def die(*arguments: Any) -> None:
        run(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(service.migrations.command, "upgrade", die)
    with pytest.raises(KeyboardInterrupt):
        upgrade(empty)
    monkeypatch.undo()
    database = Database(empty)
    with database.engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()
    upgrade(empty)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="another program's database"):
        upgrade(str(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]
    connection.close()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("mysql://somewhere/x", "not supported"),
        ("sqlite://", "give the path of a file"),
        ("://", "neither a path nor a URL"),
        ("postgresql://verinfer:secret@127.0.0.1:1/x", "cannot open"),
        ("{tmp}/no/such/folder/x.db", "cannot open"),
        ("{tmp}/text.db", "cannot open"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, given: str, what: str) -> None:
    (tmp_path / "text.db").write_text("this is no database at all, but some text\n" * 100)
    with pytest.raises(InputError, match=what) as caught:
        upgrade(given.format(tmp=tmp_path))
    assert "secret" not in str(caught.value)


def test_what_an_older_program_kept_stays(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = service.migrations.command.upgrade
    monkeypatch.setattr(service.migrations.command, "upgrade", lambda config, to: run(config, "0001"))
    upgrade(empty)
    monkeypatch.undo()
    database = Database(empty)
    rows = (
        "INSERT INTO tenants (id, name, created_at, limits) VALUES ('t', 't', '2026-01-01', '{}')",
        "INSERT INTO artifacts (digest, size, media_type, created_at) VALUES ('d', 1, 'x', '2026-01-01')",
        "INSERT INTO models (id, tenant_id, name, public, created_at) "
        "VALUES ('m', 't', 'm', true, '2026-01-01')",
        "INSERT INTO versions (id, model_id, number, circuit_id, circuit, card, created_at) "
        "VALUES ('v', 'm', 1, 'c', 'd', '', '2026-01-01')",
        "INSERT INTO version_keys (version_id, backend, verifying_key) VALUES ('v', 'sumcheck', 'd')",
    )
    with database.write() as session:
        for row in rows:
            session.execute(text(row))
    upgrade(empty)
    with database.read() as session:
        assert session.execute(text("SELECT id, circuit FROM versions")).all() == [("v", "d")]
        assert session.execute(text("SELECT version_id FROM version_keys")).all() == [("v",)]
    database.close()
