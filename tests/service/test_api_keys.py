"""API keys on both databases: made once, checked, ended."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from circuits.errors import InputError
from service.api_keys import (
    Forbidden,
    KeyCheck,
    Scope,
    Unauthenticated,
    create_key,
    key_id_of,
    revoke_key,
)
from service.database import ApiKey, Database
from service.errors import NotFound
from tests.service.conftest import add_tenant


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_key_tells_its_tenant_and_scopes(database: Database, tenant: str) -> None:
    key = create_key(database, tenant, "laptop", ["infer", "jobs", "infer"])
    assert re.fullmatch(r"vk_[0-9a-f]{32}_[0-9a-f]{64}", key)
    caller = KeyCheck(database).caller(key)
    assert (caller.tenant, caller.key, caller.scopes) == (tenant, key_id_of(key), {"infer", "jobs"})
    caller.require(Scope.INFER)
    with pytest.raises(Forbidden, match="models"):
        caller.require(Scope.MODELS)


def test_the_database_has_no_key(database: Database, tenant: str) -> None:
    keys = [create_key(database, tenant, "same name", ["infer"]) for _ in range(3)]
    assert len(set(keys)) == 3
    with database.read() as session:
        rows = session.scalars(select(ApiKey)).all()
        assert {row.digest for row in rows} == {hashlib.sha256(key.encode()).hexdigest() for key in keys}
        for row in rows:
            assert all(key[-64:] not in repr(vars(row)) for key in keys)


def test_another_secret_is_refused(database: Database, tenant: str) -> None:
    check = KeyCheck(database)
    mine, other = (create_key(database, tenant, "a", ["infer"]) for _ in range(2))
    flipped = mine[:-1] + ("0" if mine[-1] != "0" else "1")
    swapped = mine[:36] + other[36:]
    unknown = "vk_" + "0" * 32 + mine[35:]
    for wrong in (flipped, swapped, unknown, mine.upper(), mine + "0", f" {mine}", "", "vk__", mine[3:]):
        with pytest.raises(Unauthenticated):
            check.caller(wrong)
    assert check.caller(mine).key != check.caller(other).key


def test_a_revoked_key_ends(database: Database, tenant: str) -> None:
    clock = Clock()
    key = create_key(database, tenant, "a", ["infer"])
    check = KeyCheck(database, remembered_seconds=5, clock=clock)
    check.caller(key)
    revoke_key(database, tenant, key_id_of(key))
    revoke_key(database, tenant, key_id_of(key))
    assert check.caller(key).tenant == tenant  # it was seen just now
    clock.at = 5.0
    with pytest.raises(Unauthenticated):
        check.caller(key)
    with pytest.raises(Unauthenticated):
        KeyCheck(database).caller(key)


def test_a_key_is_remembered_no_longer_than_it_lasts(
    database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    expires = datetime.now(UTC) + timedelta(seconds=60)
    key = create_key(database, tenant, "a", ["infer"], expires)
    check = KeyCheck(database, remembered_seconds=3600, clock=clock)
    check.caller(key)
    monkeypatch.setattr("service.api_keys.now", lambda session: expires)
    assert check.caller(key).tenant == tenant
    clock.at = 60.0
    with pytest.raises(Unauthenticated):
        check.caller(key)


def test_keys_are_their_tenants_own(database: Database, tenant: str) -> None:
    other = add_tenant(database, "two")
    key = create_key(database, tenant, "a", ["infer"])
    with pytest.raises(NotFound):
        revoke_key(database, other, key_id_of(key))
    assert KeyCheck(database).caller(key).tenant == tenant
    with pytest.raises(NotFound):
        revoke_key(database, tenant, "nothing")


def test_what_no_key_can_be(database: Database, tenant: str) -> None:
    with pytest.raises(InputError, match="no scope 'root'"):
        create_key(database, tenant, "a", ["infer", "root"])
    with pytest.raises(InputError, match="needs a scope"):
        create_key(database, tenant, "a", [])
    with pytest.raises(InputError, match="characters"):
        create_key(database, tenant, "", ["infer"])
    with pytest.raises(InputError, match="expired already"):
        create_key(database, tenant, "a", ["infer"], datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError, match="time zone"):
        create_key(database, tenant, "a", ["infer"], datetime(2099, 1, 1))
    with pytest.raises(NotFound):
        create_key(database, "nobody", "a", ["infer"])


@given(st.text(max_size=120))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no API key"):
        key_id_of(text)
