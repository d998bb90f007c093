"""Requests that come too often, are too many bytes at once, or take too long to arrive."""

from __future__ import annotations

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import event

from circuits.circuit import Circuit
from service.api.access import address_of
from service.api_keys import create_key
from service.application import application
from service.limits import Limits
from service.parts import Parts
from tests.service.conftest import add_tenant
from tests.service.serving import add_model, compiled, opened, served

MODEL = "/v2/models/digits/infer"


def ask(
    where: str, path: str, key: str = "", method: str = "GET", body: bytes | None = None
) -> tuple[int, dict[str, str], Any]:
    """One request."""
    connection = http.client.HTTPConnection(where, timeout=30)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), json.loads(response.read())
    finally:
        connection.close()


def test_a_tenant_that_asks_too_often(tmp_path: Path) -> None:
    with opened(tmp_path, access="keys") as parts, served(application(parts)) as where:
        eager = add_tenant(parts.database, "eager", requests_per_second=0.01, burst=3)
        other = add_tenant(parts.database, "other")
        keys = [create_key(parts.database, eager, name, ["infer"]) for name in ("a", "b")]
        theirs = create_key(parts.database, other, "c", ["infer"])
        found = [ask(where, "/v2/models/x", keys[i % 2]) for i in range(5)]
        assert [status for status, _, _ in found] == [404, 404, 404, 429, 429]
        assert 90 <= int(found[-1][1]["retry-after"]) <= 100 and "too many" in found[-1][2]["error"]
        assert {ask(where, "/v2/models/x", theirs)[0] for _ in range(10)} == {404}
        assert ask(where, "/v2/health/ready")[0] == 200


def test_settings_limit_who_has_no_limits_of_its_own(tmp_path: Path) -> None:
    limits = Limits(requests_per_second=0.01, burst=1)
    with opened(tmp_path, limits=limits) as parts, served(application(parts)) as where:
        assert [ask(where, "/v2/models/x")[0] for _ in range(2)] == [404, 429]


def test_keys_are_not_tried_for_long(tmp_path: Path) -> None:
    settings = {"access": "keys", "visitor_requests_per_second": 0.01, "visitor_burst": 4}
    with opened(tmp_path, **settings) as parts, served(application(parts)) as where:
        key = create_key(parts.database, add_tenant(parts.database, "one"), "a", ["infer"])
        assert ask(where, "/v2/models/x", key)[0] == 404
        asked = []

        def executed(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if "FROM api_keys" in statement:
                asked.append(statement)

        event.listen(parts.database.engine, "before_cursor_execute", executed)
        wrong = [ask(where, "/v2/models/x", f"vk_{i:032x}_{'0' * 64}") for i in range(10)]
        assert [status for status, _, _ in wrong] == [401] * 4 + [429] * 6
        assert len(asked) == 4
        assert ask(where, "/v2/models/x", key)[0] == 404, "a key that is known stays good"


def test_receipts_are_not_checked_for_one_address_for_long(tmp_path: Path) -> None:
    """With the share of all else that needs no account."""
    settings = {"access": "keys", "visitor_requests_per_second": 0.01, "visitor_burst": 3}
    with opened(tmp_path, **settings) as parts, served(application(parts)) as where:
        key = create_key(parts.database, add_tenant(parts.database, "one"), "a", ["infer"])
        path = "/api/v1/receipts/verify"
        assert ask(where, path, key, "POST", b"{}")[0] == 200
        assert [ask(where, path, "", "POST", b"{}")[0] for _ in range(3)] == [200] * 3
        status, headers, _ = ask(where, path, "", "POST", b"{}")
        assert status == 429 and int(headers["retry-after"]) > 0
        assert ask(where, path, key, "POST", b"{}")[0] == 200, "a tenant has a rate of its own"


def begin(where: str, key: str, length: int, sent: bytes = b"") -> socket.socket:
    """Begin a request, and send a part of its body at most."""
    host, port = where.split(":")
    made = socket.create_connection((host, int(port)), 30)
    head = (
        f"POST {MODEL} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    made.sendall(head.encode() + sent)
    return made


def key_with_model(parts: Parts, name: str, circuit: Circuit) -> str:
    """The key of a new tenant that has a model."""
    tenant = add_tenant(parts.database, name)
    add_model(parts, tenant, circuit)
    return create_key(parts.database, tenant, "key", ["infer"])


def test_slow_bodies_take_a_part_of_the_room_for_a_while(tmp_path: Path, digits: Path) -> None:
    circuit = compiled(digits)
    settings = {"access": "keys", "max_body_bytes": 10_000, "max_held_bytes": 40_000, "body_seconds": 3}
    with opened(tmp_path, **settings) as parts, served(application(parts)) as where:
        slow, other = (key_with_model(parts, name, circuit) for name in ("slow", "other"))
        assert ask(where, MODEL, slow, "POST", b"{}")[0] == 400
        held = [begin(where, slow, 10_000, b"x" * 100) for _ in range(3)]
        # One of them has the tenant's part of the room. The others are told before they have sent all.
        answers = []
        for connection in held:
            connection.settimeout(2)
            try:
                answers.append(connection.recv(1000).split(b"\r\n")[0])
            except TimeoutError:
                answers.append(b"nothing yet")
        assert sorted(answers) == [b"HTTP/1.1 503 Service Unavailable"] * 2 + [b"nothing yet"]
        assert ask(where, MODEL, other, "POST", b" " * 10_000)[0] == 400
        status, headers, _ = ask(where, MODEL, slow, "POST", b" " * 1000)
        assert status == 503 and headers["retry-after"] == "1"
        waiting = held[answers.index(b"nothing yet")]
        waiting.settimeout(30)
        assert b" 408 " in waiting.recv(1000)
        assert ask(where, MODEL, slow, "POST", b" " * 10_000)[0] == 400
        for connection in held:
            connection.close()


def test_room_comes_back_however_a_request_ends(tmp_path: Path, digits: Path) -> None:
    circuit = compiled(digits)
    settings = {"access": "keys", "max_body_bytes": 2000, "max_held_bytes": 2000, "body_seconds": 20}
    with opened(tmp_path, **settings) as parts, served(application(parts)) as where:
        key = key_with_model(parts, "one", circuit)

        def sent_in_chunks(chunks: list[bytes], length: int | None) -> int:
            host, port = where.split(":")
            with socket.create_connection((host, int(port)), 30) as made:
                extra = "" if length is None else f"Content-Length: {length}\r\n"
                head = f"POST {MODEL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{extra}"
                made.sendall(f"{head}Authorization: Bearer {key}\r\n\r\n".encode())
                for chunk in [*chunks, b""]:
                    made.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                return int(made.recv(1000).split()[1])

        for _ in range(5):
            begin(where, key, 2000, b"x").close()
            assert ask(where, MODEL, key, "POST", b" " * 2001)[0] == 413
            assert sent_in_chunks([b"x" * 1000] * 3, None) == 413
            assert sent_in_chunks([b"x" * 1000], None) == 400
            assert sent_in_chunks([], None) == 400
            # What says its length twice has no more than either.
            assert sent_in_chunks([b"x" * 1000], 1) in (400, 413)
        with ThreadPoolExecutor(4) as pool:
            statuses = set(pool.map(lambda _: ask(where, MODEL, key, "POST", b" " * 400)[0], range(40)))
        assert statuses <= {400, 503} and 400 in statuses
        assert ask(where, MODEL, key, "POST", b" " * 2000)[0] == 400


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),
    ],
)
def test_whom_an_address_stands_for(host: str, address: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1)})) == address
    assert address_of(Request({"type": "http", "client": None})) == ""
