"""Sessions begin with a key, end with it, and belong to one browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from service.api_keys import KeyCheck, Scope, create_key, key_id_of, revoke_key
from service.database import ApiKey, Database, PageSession
from service.pages.sessions import LENGTH, Sessions
from service.pages.site import local_path
from tests.service.pages.conftest import House, housed
from tests.service.pages.visiting import Visitor


@pytest.fixture
def key(database: Database, tenant: str) -> str:
    """A key of the tenant's."""
    return create_key(database, tenant, "k", [Scope.INFER])


def test_a_session_is_its_keys(database: Database, tenant: str, key: str) -> None:
    sessions, caller = Sessions(database), KeyCheck(database).caller(key)
    token = sessions.begin(caller)
    assert sessions.find(token) == caller and caller.tenant == tenant
    assert sessions.find(token[:-1]) is None and sessions.find("") is None and sessions.find("\udc80") is None
    with database.read() as session:
        stored = session.scalars(select(PageSession)).one()
    assert token not in (stored.digest, stored.key_id) and len(stored.digest) == 64
    sessions.end(token)
    assert sessions.find(token) is None


def test_a_session_ends_with_its_key(database: Database, tenant: str, key: str) -> None:
    sessions = Sessions(database)
    caller = KeyCheck(database).caller(key)
    token, other = sessions.begin(caller), sessions.begin(caller)
    revoke_key(database, tenant, key_id_of(key))
    assert sessions.find(token) is None and sessions.find(other) is None
    second = create_key(database, tenant, "k", [Scope.INFER])
    token = sessions.begin(KeyCheck(database).caller(second))
    with database.write() as session:
        expired = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(ApiKey).where(ApiKey.id == key_id_of(second)).values(expires_at=expired))
    assert sessions.find(token) is None


def test_a_session_ends_in_time_and_is_forgotten(database: Database, key: str) -> None:
    sessions, caller = Sessions(database), KeyCheck(database).caller(key)
    token = sessions.begin(caller)
    with database.write() as session:
        stored = session.scalars(select(PageSession)).one()
        assert stored.expires_at - stored.created_at == LENGTH
        stored.expires_at = stored.created_at
    assert sessions.find(token) is None
    sessions.begin(caller)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(PageSession)) == 1


def test_signing_in_and_out(keyed: House) -> None:
    _, key = keyed.tenant("one")
    visitor = Visitor(keyed.address)
    assert visitor.get("/models").headers["Location"] == "/login?next=/models"
    page = visitor.sign_in(key, "/models")
    assert (page.status, page.headers["Location"]) == (303, "/models")
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and key not in cookie
    assert visitor.get("/models").status == 200
    kept = dict(visitor.cookies)
    assert visitor.post("/logout", {"csrf": visitor.get("/models").csrf}).status == 303
    assert visitor.get("/models").status == 303
    visitor.cookies = kept
    assert visitor.get("/models").status == 303


def test_the_cookie_before_signing_in_is_worth_nothing_after(keyed: House) -> None:
    _, key = keyed.tenant("one")
    visitor = Visitor(keyed.address)
    visitor.get("/login")
    before = dict(visitor.cookies)
    visitor.sign_in(key)
    assert visitor.cookies != before
    thief = Visitor(keyed.address, before)
    assert thief.get("/models").status == 303


@pytest.mark.parametrize("key", ["", "vk_", "vk_" + "0" * 32 + "_" + "0" * 64, "<script>", "ü"])
def test_a_wrong_key_is_refused(keyed: House, key: str) -> None:
    visitor = Visitor(keyed.address)
    page = visitor.sign_in(key)
    assert page.status == 401 and "not valid" in page.text
    assert "<script>" not in page.text and visitor.get("/models").status == 303


def test_guessing_keys_is_slow(tmp_path: Path) -> None:
    with housed(tmp_path, works=False, access="keys", visitor_burst=30) as house:
        _, key = house.tenant("one")
        visitor = Visitor(house.address)
        statuses = [visitor.sign_in("vk_wrong").status for _ in range(5)]
        assert statuses[:3] == [401] * 3 and 429 in statuses
        assert visitor.sign_in(key).status == 429


def test_signing_in_needs_a_form_of_ours(keyed: House) -> None:
    _, key = keyed.tenant("one")
    visitor = Visitor(keyed.address)
    stranger = Visitor(keyed.address).get("/login").csrf
    visitor.get("/login")
    assert visitor.post("/login", {"csrf": stranger, "key": key}).status == 403
    assert visitor.post("/login", {"key": key}).status == 403


@pytest.mark.parametrize(
    "path",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil", "",
     "javascript:x", "/ok\r\nX: y"],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(keyed: House, path: str) -> None:
    _, key = keyed.tenant("one")
    assert local_path(path) == "/"
    assert Visitor(keyed.address).sign_in(key, path).headers["Location"] == "/"


def test_without_keys_there_is_nothing_to_sign_in_to(local: House) -> None:
    visitor = Visitor(local.address)
    assert visitor.get("/login").headers["Location"] == "/"
    fields = {"csrf": visitor.get("/models/new").csrf, "key": "x"}
    assert visitor.post("/login", fields).status == 404
