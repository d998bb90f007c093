"""While the database is away, the service says so, and goes on by itself when it is there again."""

from __future__ import annotations

import http.client
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError, TimeoutError

from service import watched_connection
from service.api_keys import create_key
from service.application import application
from service.database import Database, Kind, Status, is_away
from service.jobs import Order
from service.pages.site import COOKIE
from service.parts import Parts
from tests.postgres import Server, stoppable_postgres
from tests.service.serving import Reply, add_model, ask, compiled, opened, served
from tests.service.working import soon

SCOPES = ["infer", "jobs", "models", "account", "operate"]
PATIENT_SECONDS = watched_connection.SILENCE_SECONDS + watched_connection.CONNECT_SECONDS
"""Until it is said that a database stands still."""
ORDER = Order(Kind.PROVE, "sumcheck", {"input": "0"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of these tests' own, which they stop and start."""
    with stoppable_postgres() as made:
        yield made


class Service:
    """A served service with keys: each key that is used was never seen before."""

    def __init__(self, where: str, parts: Parts, tenant: str, job: str) -> None:
        self.where, self.parts, self.tenant, self.job = where, parts, tenant, job
        self._keys: list[str] = []
        self.more_keys(20)

    def more_keys(self, count: int) -> None:
        """Make keys: those in hand are soon used up."""
        made = range(len(self._keys), len(self._keys) + count)
        self._keys += [create_key(self.parts.database, self.tenant, f"k{i}", SCOPES) for i in made]

    def key(self) -> str:
        return f"Bearer {self._keys.pop()}"

    def ask(self, path: str, method: str = "GET", body: object = None, **headers: str) -> Reply:
        return ask(self.where, method, path, body, Authorization=self.key(), **headers)

    def ready(self) -> bool:
        return ask(self.where, "GET", "/v2/health/ready").status == 200


@contextmanager
def service(server: Server, folder: Path, digits: Path) -> Iterator[Service]:
    with opened(folder, database=server.url, access="keys") as parts:
        tenant = parts.tenant("one")
        add_model(parts, tenant, compiled(digits))
        job = parts.jobs.submit(tenant, ORDER).id
        with served(application(parts)) as where:
            yield Service(where, parts, tenant, job)


def away(reply: Reply) -> bool:
    """Whether an answer is the problem that says that the database is away, and when to come back."""
    assert reply.status == 503, (reply.status, reply.body)
    assert reply.headers["retry-after"] == "5"
    assert "database" in reply.body.decode()
    assert all(word not in reply.body.decode() for word in ("Traceback", "psycopg", "verinfer@", "SELECT"))
    return True


@pytest.fixture
def questions(digits: Path) -> list[tuple[str, str, object]]:
    """One of each sort of what needs the database: to be authenticated, at the latest."""
    inputs = {"input_data": [[0.0] * 64]}
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.0] * 64}
    return [
        ("/api/v1/health", "GET", None),
        ("/api/v1/jobs", "GET", None),
        ("/api/v1/jobs", "POST", {"model": "digits", "tier": "sumcheck", **inputs}),
        ("/api/v1/models", "GET", None),
        ("/api/v1/usage", "GET", None),
        ("/v2/models/digits/infer", "POST", {"inputs": [tensor]}),
    ]


def test_a_database_that_is_down(
    server: Server, tmp_path: Path, digits: Path, questions: list[tuple[str, str, object]]
) -> None:
    with service(server, tmp_path, digits) as asked:
        assert asked.ready() and asked.ask("/api/v1/health").status == 200
        seen = asked.key()
        assert ask(asked.where, "GET", "/api/v1/health", Authorization=seen).status == 200
        server.stop()
        try:
            for path, method, body in questions:
                reply = asked.ask(path, method, body)
                assert away(reply)
                if path.startswith("/api"):
                    assert reply.json["type"] == "urn:verinfer:problem:service-unavailable"
            assert away(ask(asked.where, "GET", "/api/v1/proofs/" + "0" * 64))  # needs no account
            # A stranger learns no more, and a browser meets a page.
            wrong = asked.key()[:-4] + "0000"
            assert away(ask(asked.where, "GET", "/api/v1/jobs", Authorization=wrong))
            page = ask(asked.where, "GET", "/jobs", Accept="text/html", Cookie=f"{COOKIE}={'a' * 43}")
            assert away(page) and page.headers["content-type"].startswith("text/html")
            soon(lambda: not asked.ready(), "it is not ready")
            assert ask(asked.where, "GET", "/v2/health/live").status == 200
        finally:
            server.start()
        soon(asked.ready, "it is ready again")
        for path, method, body in questions:
            assert asked.ask(path, method, body).status in (200, 202), path


def test_who_was_just_seen_is_told_which_part_is_down(server: Server, tmp_path: Path, digits: Path) -> None:
    with service(server, tmp_path, digits) as asked:
        seen = asked.key()
        assert ask(asked.where, "GET", "/api/v1/jobs", Authorization=seen).status == 200
        server.stop()
        try:
            reply = ask(asked.where, "GET", "/api/v1/health", Authorization=seen)
        finally:
            server.start()
        assert reply.status == 503
        assert {check["name"]: check["ok"] for check in reply.json["checks"]}["database"] is False


def test_a_database_that_neither_answers_nor_refuses(server: Server, tmp_path: Path, digits: Path) -> None:
    """Health answers all the same, in seconds; a stolen thread is given back when the database goes on."""
    with service(server, tmp_path, digits) as asked:
        assert asked.ready()
        server.send_all(signal.SIGSTOP)
        try:
            began = time.monotonic()
            reply = asked.ask("/api/v1/health")
            taken = time.monotonic() - began
        finally:
            server.send_all(signal.SIGCONT)
        assert reply.status == 503 and "database" in reply.json["detail"] and "retry-after" in reply.headers
        assert taken < 20, "it has waited for the database"
        soon(asked.ready, "it is ready again")
        assert asked.ask("/api/v1/health").status == 200


@pytest.fixture
def frozen(server: Server) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """What stops all of the server's processes for as long as a block lasts: sockets stay open, and say
    nothing."""

    @contextmanager
    def freeze() -> Iterator[None]:
        server.send_all(signal.SIGSTOP)
        try:
            yield
        finally:
            server.send_all(signal.SIGCONT)

    yield freeze


def test_requests_do_not_wait_for_a_database_that_stands_still(
    server: Server,
    frozen: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
    digits: Path,
    questions: list[tuple[str, str, object]],
) -> None:
    """However many they are: those with connections, those that wait for one, and those that come later."""
    with service(server, tmp_path, digits) as asked:
        assert asked.ready()

        def timed(number: int) -> float:
            # The first, about health, is not waited for as long: see the test before.
            path, method, body = questions[1:][number % (len(questions) - 1)]
            began = time.monotonic()
            assert away(asked.ask(path, method, body))
            return time.monotonic() - began

        asked.more_keys(60)
        with frozen(), ThreadPoolExecutor(60) as clients:
            longest = max(clients.map(timed, range(60)))
            later = timed(1)
        assert max(longest, later) < 2 * PATIENT_SECONDS, (longest, later)
        soon(asked.ready, "it is ready again")
        for path, method, body in questions:
            assert asked.ask(path, method, body).status in (200, 202), path


def test_a_transaction_in_which_the_database_stands_still_is_undone(
    server: Server, frozen: Callable[[], AbstractContextManager[None]], tmp_path: Path, digits: Path
) -> None:
    with service(server, tmp_path, digits) as asked:
        database = Database(server.url)
        with pytest.raises(SQLAlchemyError) as raised, database.write() as session:
            session.execute(text("UPDATE tenants SET name = 'changed' WHERE id = :id"), {"id": asked.tenant})
            with frozen():
                session.execute(text("SELECT 1"))
        assert is_away(raised.value)
        database.close()
        soon(asked.ready, "it is ready again")
        with asked.parts.database.read() as session:
            name = "SELECT name FROM tenants WHERE id = :id"
            assert session.scalars(text(name), {"id": asked.tenant}).one() == "one"


def test_a_statement_that_takes_long_is_not_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server, which is asked many times meanwhile, takes connections."""
    monkeypatch.setattr(watched_connection, "SILENCE_SECONDS", 0.2)
    database = Database(server.url)
    with database.read() as session:
        assert session.scalars(text("SELECT 1 FROM pg_sleep(3)")).one() == 1
    database.close()


def test_who_follows_a_job_misses_nothing(server: Server, tmp_path: Path, digits: Path) -> None:
    with service(server, tmp_path, digits) as asked:
        connection = http.client.HTTPConnection(asked.where, timeout=60)
        headers = {"Accept": "text/event-stream", "Authorization": asked.key()}
        connection.request("GET", f"/api/v1/jobs/{asked.job}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.status == 200
        lines = iter(stream.readline, b"")
        assert any(line == b"event: submitted\n" for line in lines)
        server.stop()
        try:
            assert away(asked.ask("/api/v1/jobs"))
        finally:
            server.start()
        soon(asked.ready, "it is ready again")
        assert asked.ask(f"/api/v1/jobs/{asked.job}/cancel", "POST").json["status"] == Status.CANCELLED
        assert any(line == b"event: finished\n" for line in lines), "the stream has ended"
        connection.close()


def test_a_mistake_of_ours_is_not_taken_for_a_database_that_is_away(database: Database) -> None:
    """And says nothing of the values that were to be written."""
    with pytest.raises(SQLAlchemyError) as raised, database.read() as session:
        session.execute(text("SELECT nothing FROM nowhere WHERE x = :x"), {"x": "hunter2"})
    assert not is_away(raised.value) and "hunter2" not in str(raised.value)
    assert is_away(TimeoutError("the pool has no room"))


def test_a_locked_or_full_file_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.database.BUSY_SECONDS", 0)
    path = tmp_path / "x.db"
    database = Database(str(path))
    with pytest.raises(SQLAlchemyError) as full, database.write() as session:
        session.execute(text("CREATE TABLE t (x TEXT)"))
        session.execute(text("PRAGMA max_page_count = 3"))
        session.execute(text("INSERT INTO t VALUES (:x)"), {"x": "hunter2" * 10_000})
    assert is_away(full.value) and "hunter2" not in str(full.value)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SQLAlchemyError) as locked, database.write() as session:
            session.connection()
    assert is_away(locked.value)
    database.close()
