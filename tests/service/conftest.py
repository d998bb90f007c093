"""Databases of both kinds, with tables and tenants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.database import Database, Tenant
from tests.service.tables import make_postgres, make_sqlite


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'service.db'}"
    made: str = request.getfixturevalue("postgres_database")
    return made


def furnished(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the service's tables, of the kind that is a fixture's parameter."""
    if request.param == "postgresql":
        return make_postgres(request.getfixturevalue("postgres"))
    make_sqlite(tmp_path / "service.db")
    return f"sqlite:///{tmp_path / 'service.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the service's tables, of each kind in turn."""
    return furnished(request, tmp_path)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with the service's tables."""
    opened = Database(url)
    yield opened
    opened.close()


def add_tenant(database: Database, name: str, **limits: Any) -> str:
    """A new tenant's id."""
    with database.write() as session:
        tenant = Tenant(name=name, created_at=datetime.now(UTC), limits=limits)
        session.add(tenant)
        session.flush()
        return tenant.id


@pytest.fixture
def tenant(database: Database) -> str:
    """The id of a tenant without limits."""
    return add_tenant(database, "one")
