"""Databases of both kinds, with tables and tenants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.database import Database, Tenant
from service.migrations import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'service.db'}"
    made: str = request.getfixturevalue("postgres_database")
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with the service's tables."""
    upgrade(url)
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
