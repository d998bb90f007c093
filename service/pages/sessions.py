"""Sessions of browsers: who signed in with an API key, by a cookie.

A cookie holds 256 random bits; the database has their SHA-256, like that of a key. A session has the scopes
of its key, and ends with it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, select

from service.api_keys import Caller
from service.database import ApiKey, Database, PageSession, now

TOKEN_BYTES = 32
LENGTH = timedelta(hours=12)
"""How long a session lasts."""


class Sessions:
    """The sessions of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, caller: Caller) -> str:
        """Begin a session of whoever has a key. Returns its token, which nobody else has."""
        token = new_token()
        with self._database.write() as session:
            at = now(session)
            session.execute(delete(PageSession).where(PageSession.expires_at <= at))
            session.add(
                PageSession(digest=_digest(token), key_id=caller.key, created_at=at, expires_at=at + LENGTH)
            )
        return token

    def find(self, token: str) -> Caller | None:
        """Who has the session with this token; None if it has ended, or its key has."""
        with self._database.read() as session:
            at = now(session)
            key = session.scalar(
                select(ApiKey)
                .join(PageSession, PageSession.key_id == ApiKey.id)
                .where(PageSession.digest == _digest(token), PageSession.expires_at > at)
            )
            if key is None or key.revoked_at is not None:
                return None
            if key.expires_at is not None and key.expires_at <= at:
                return None
            return Caller(key.tenant_id, key.id, frozenset(key.scopes))

    def end(self, token: str) -> None:
        """End a session, if there is one."""
        with self._database.write() as session:
            session.execute(delete(PageSession).where(PageSession.digest == _digest(token)))


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
