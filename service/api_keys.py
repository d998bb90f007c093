"""API keys: `vk_<id>_<secret>`, the id of a row and 256 bits from the operating system's randomness.

The database has a key's SHA-256 only. A slow hash would add nothing: there is no guessing 256 bits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

from circuits.errors import InputError
from service.database import ApiKey, Database, Tenant, now
from service.errors import NotFound
from service.identifiers import new_id

SECRET_BYTES = 32
REMEMBERED_SECONDS = 5.0
"""For how long a revoked key may still work in a process that has just seen it."""
MAX_REMEMBERED = 10_000
MAX_NAME = 200
_KEY = re.compile(r"vk_([0-9a-f]{32})_[0-9a-f]{64}", re.ASCII)


class Scope(StrEnum):
    """What a key allows."""

    INFER = "infer"
    JOBS = "jobs"
    MODELS = "models"
    ACCOUNT = "account"
    OPERATE = "operate"
    """For whoever runs the service, not for tenants."""


TENANTS_SCOPES = frozenset(Scope) - {Scope.OPERATE}
"""What a tenant needs for all that it may do."""


class Unauthenticated(InputError):
    """There is no key, or it is not valid."""


class Forbidden(InputError):
    """The key is valid, but not for this."""


@dataclass(frozen=True)
class Caller:
    """Whom a valid key belongs to."""

    tenant: str
    key: str
    scopes: frozenset[str]

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"this API key lacks the scope {scope.value!r}")


def create_key(
    database: Database, tenant: str, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> str:
    """Make a key. It is returned this once, and cannot be had again.

    Raises
    ------
    InputError
        If a scope does not exist, none is given, the name is empty or too long, or the key would
        have expired already.
    NotFound
        If there is no such tenant.
    """
    wanted = sorted(set(scopes))
    known = [scope.value for scope in Scope]
    for scope in wanted:
        if scope not in known:
            raise InputError(f"there is no scope {scope!r}: the scopes are {', '.join(known)}")
    if not wanted:
        raise InputError(f"a key needs a scope, of {', '.join(known)}")
    if not 1 <= len(name) <= MAX_NAME:
        raise InputError(f"a key's name has 1 to {MAX_NAME} characters")
    if expires_at is not None and expires_at.tzinfo is None:
        raise InputError("the time at which a key expires needs a time zone")
    row_id = new_id()
    key = f"vk_{UUID(row_id).hex}_{secrets.token_hex(SECRET_BYTES)}"
    with database.write() as session:
        at = now(session)
        if session.get(Tenant, tenant) is None:
            raise NotFound(f"there is no tenant {tenant!r:.80}")
        if expires_at is not None and expires_at <= at:
            raise InputError(f"the key would have expired already, at {expires_at.isoformat()}")
        session.add(
            ApiKey(
                id=row_id, tenant_id=tenant, name=name, digest=_digest(key), scopes=wanted, created_at=at,
                expires_at=expires_at,
            )
        )  # fmt: skip
    return key


def revoke_key(database: Database, tenant: str, key_id: str) -> None:
    """End a key for good. One that is revoked stays revoked as of then.

    Raises
    ------
    NotFound
        If the tenant has no such key.
    """
    with database.write() as session:
        row = session.get(ApiKey, key_id)
        if row is None or row.tenant_id != tenant:
            raise NotFound(f"there is no API key {key_id!r:.80}")
        if row.revoked_at is None:
            row.revoked_at = now(session)


class KeyCheck:
    """Tells whose a key is. It remembers valid keys for a moment: not every request asks the database.

    Parameters
    ----------
    remembered_seconds
        For how long.
    """

    def __init__(
        self,
        database: Database,
        remembered_seconds: float = REMEMBERED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._seconds = remembered_seconds
        self._clock = clock
        self._remembered: dict[str, tuple[float, Caller]] = {}
        self._lock = threading.Lock()

    def caller(self, key: str) -> Caller:
        """Whom a key belongs to.

        Raises
        ------
        Unauthenticated
            If it is no key, unknown, revoked or expired; the message does not say which.
        """
        found = _KEY.fullmatch(key)
        if found is None:
            raise _invalid()
        remembered = self.remembered(key)
        if remembered is not None:
            return remembered
        digest = _digest(key)
        asked = self._clock()
        caller, left = self._ask(str(UUID(found[1])), digest)
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (asked + min(self._seconds, left), caller)
        return caller

    def remembered(self, key: str) -> Caller | None:
        """Whom a key belongs to, if the database was asked just now; this waits for nothing."""
        with self._lock:
            until, caller = self._remembered.get(_digest(key), (0.0, None))
        return caller if self._clock() < until else None

    def _ask(self, key_id: str, digest: str) -> tuple[Caller, float]:
        """Whose key it is, and how many seconds it has left."""
        with self._database.read() as session:
            row = session.scalars(select(ApiKey).where(ApiKey.id == key_id)).one_or_none()
            at = now(session)
            stored = "0" * len(digest) if row is None else row.digest
            same = hmac.compare_digest(stored, digest)
            if row is None or not same or row.revoked_at is not None:
                raise _invalid()
            left = float("inf") if row.expires_at is None else (row.expires_at - at).total_seconds()
            if left <= 0:
                raise _invalid()
            return Caller(row.tenant_id, row.id, frozenset(row.scopes)), left


def _invalid() -> Unauthenticated:
    return Unauthenticated("the API key is not valid: it is mistyped, revoked or expired")


def key_id_of(key: str) -> str:
    """The id of a key, under which it is revoked. Raises InputError if it is no key."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise InputError("this is no API key: they look like vk_<id>_<secret>")
    return str(UUID(found[1]))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
