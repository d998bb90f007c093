"""Tenants as their administrator sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from circuits.errors import InputError
from service.artifacts import stored_bytes
from service.database import ApiKey, Database, Job, Model, Tenant, Webhook, now
from service.errors import Conflict, NotFound
from service.limits import Limits
from service.registry import NAME


@dataclass(frozen=True)
class Holdings:
    """What a tenant has now."""

    models: int
    open_jobs: int
    stored_bytes: int
    webhooks: int


def create_tenant(database: Database, name: str, limits: Mapping[str, Any]) -> Tenant:
    """Make a tenant.

    Raises
    ------
    InputError
        If that is no name for one, or those are no limits.
    Conflict
        If there is one of that name.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r:.120} is no name for a tenant: letters, digits, '.', '_' and '-'")
    Limits.check(limits)
    try:
        with database.write() as session:
            made = Tenant(name=name, created_at=now(session), limits=dict(limits))
            session.add(made)
    except IntegrityError:
        raise Conflict(f"there is a tenant {name} already") from None
    return made


def find_tenant(database: Database, name: str) -> Tenant:
    """A tenant by its name. Raises NotFound."""
    with database.read() as session:
        return _named(session, name)


def all_tenants(database: Database) -> Sequence[Tenant]:
    """All tenants, by name."""
    with database.read() as session:
        return session.scalars(select(Tenant).order_by(Tenant.name)).all()


def change_limits(
    database: Database, name: str, wanted: Mapping[str, Any], unwanted: Iterable[str] = ()
) -> Tenant:
    """Give a tenant limits of its own, and take others away, for which the settings count again.

    Servers and workers that run count with them within seconds.

    Raises
    ------
    InputError
        If there are no such limits.
    NotFound
        If there is no such tenant.
    """
    Limits.check(dict.fromkeys(unwanted, 1) | dict(wanted))
    with database.write() as session:
        tenant = _named(session, name, lock=True)
        kept = {limit: value for limit, value in tenant.limits.items() if limit not in set(unwanted)}
        tenant.limits = kept | dict(wanted)
        return tenant


def holdings(database: Database, tenant_id: str) -> Holdings:
    """What a tenant has now."""
    with database.read() as session:

        def count(table: Any, *conditions: Any) -> int:
            found = select(func.count()).select_from(table).where(table.tenant_id == tenant_id, *conditions)
            return session.scalars(found).one()

        return Holdings(
            models=count(Model),
            open_jobs=count(Job, Job.finished_at.is_(None)),
            stored_bytes=stored_bytes(session, tenant_id),
            webhooks=count(Webhook),
        )


def keys(database: Database, tenant_id: str) -> Sequence[ApiKey]:
    """A tenant's API keys, the oldest first."""
    with database.read() as session:
        return session.scalars(select(ApiKey).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.id)).all()


def _named(session: Session, name: str, lock: bool = False) -> Tenant:
    wanted = select(Tenant).where(Tenant.name == name)
    found = session.scalar(wanted.with_for_update(key_share=True) if lock else wanted)
    if found is None:
        raise NotFound(f"there is no tenant {name!r:.120}")
    return found
