"""A job's events over HTTP: pages, and streams that are cut, resumed, too many, or in the way of an end."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, TimeoutError

import service.api.events
from service.api.events import EVENT_STREAM, HEARTBEAT_SECONDS, Streams
from service.application import application
from service.database import Kind
from service.jobs import Order
from service.leases import Lease
from service.parts import LOCAL_TENANT, Parts
from tests.service.patience import PATIENCE
from tests.service.serving import ask, opened, served

KINDS = list(Kind)


class Service:
    """A running service without keys, and the jobs of its tenant."""

    def __init__(self, where: str, parts: Parts, streams: Streams) -> None:
        self.where, self.parts, self.streams = where, parts, streams
        self.tenant = parts.tenant(LOCAL_TENANT)

    def submit(self) -> str:
        return self.parts.jobs.submit(self.tenant, Order(Kind.VERIFY, "sumcheck", {})).id

    def claim(self) -> Lease:
        lease = self.parts.leases.claim("w", KINDS)
        assert lease is not None
        return lease

    @contextmanager
    def stream(self, job: str, last: int | None = None) -> Iterator[Stream]:
        host, port = self.where.split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(request(job, last))
            stream = Stream(connection)
            try:
                yield stream
            finally:
                stream.close()


def request(job: str, last: int | None = None) -> bytes:
    resumed = "" if last is None else f"Last-Event-ID: {last}\r\n"
    head = f"GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {EVENT_STREAM}\r\n"
    return f"{head}{resumed}\r\n".encode()


class Stream:
    """The client's end of a stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def close(self) -> None:
        self._file.close()

    def blocks(self) -> Iterator[dict[str, str]]:
        """What comes between empty lines, without the chunks' lengths; comments are called ''."""
        block: dict[str, str] = {}
        while line := self._file.readline():
            text = line.decode().rstrip("\n")
            if text.endswith("\r"):  # what HTTP needs, not the stream
                if text == "0\r":
                    return
                continue
            if not text:
                yield block
                block = {}
            else:
                name, _, value = text.partition(":")
                block[name] = value.strip()

    def events(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for block in self.blocks():
            if "event" in block:
                told = json.loads(block["data"])
                assert (str(told["sequence"]), told["event"]) == (block["id"], block["event"])
                yield told["sequence"], told["event"], told["data"]


@pytest.fixture
def service_of(url: str, tmp_path: Path) -> Iterator[Any]:
    @contextmanager
    def make(**settings: Any) -> Iterator[Service]:
        with opened(tmp_path, database=url, **settings) as parts:
            app = application(parts)
            with served(app) as where:
                yield Service(where, parts, app.state.streams)

    yield make


@pytest.fixture
def running(service_of: Any) -> Iterator[Service]:
    with service_of() as made:
        yield made


def soon(condition: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_pages_hold_each_event_once(running: Service) -> None:
    job = running.submit()
    lease = running.claim()
    for number in range(9):
        running.parts.leases.progress(lease, str(number))
    pages, query = [], "limit=4"
    while True:
        page = ask(running.where, "GET", f"/api/v1/jobs/{job}/events?{query}").json
        pages.append([event["sequence"] for event in page["items"]])
        if page["next"] is None:
            break
        query = f"limit=4&after={page['next']}"
    assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]
    for wrong in ("after=-1", "after=x", "limit=101", f"after={1 << 60}"):
        assert ask(running.where, "GET", f"/api/v1/jobs/{job}/events?{wrong}").status == 422


def test_a_stream_tells_all_as_it_happens_and_ends(running: Service) -> None:
    job, leases = running.submit(), running.parts.leases
    with running.stream(job) as stream:
        assert stream.status == 200 and stream.headers["content-type"].startswith(EVENT_STREAM)
        assert stream.headers["cache-control"] == "no-store"
        events = stream.events()
        assert next(events) == (1, "submitted", {"execution": "queued", "proof": "none"})
        lease = running.claim()
        assert next(events)[1:] == ("execution", {"status": "running"})
        began = time.monotonic()
        leases.progress(lease, "a\nb: ü")
        assert next(events)[1:] == ("progress", {"text": "a\nb: ü"})
        assert time.monotonic() - began < HEARTBEAT_SECONDS / 2
        leases.succeed(lease, {})
        assert [(number, name) for number, name, _ in events] == [(4, "execution"), (5, "finished")]
    gone = ask(running.where, "GET", f"/api/v1/jobs/{job}/events", Accept=EVENT_STREAM, Last_Event_ID="5")
    assert (gone.status, gone.body) == (204, b"")


def test_a_stream_that_was_cut_goes_on_where_it_was(running: Service) -> None:
    job, leases, seen = running.submit(), running.parts.leases, []
    lease = running.claim()
    with ThreadPoolExecutor(1) as pool:

        def work() -> None:
            for number in range(60):
                leases.progress(lease, str(number))
                time.sleep(0.01)
            leases.succeed(lease, {})

        working = pool.submit(work)
        last = None
        while not seen or seen[-1][1] != "finished":
            with running.stream(job, last) as stream:
                for event in stream.events():
                    seen.append(event)
                    last = event[0]
                    if last % 7 == 0:
                        break
        working.result()
    assert [event[0] for event in seen] == list(range(1, 65))
    assert [event[2]["text"] for event in seen if event[1] == "progress"] == [str(n) for n in range(60)]
    soon(lambda: not running.streams.open)


def test_a_stream_does_not_end_where_a_job_that_is_tried_again_did(running: Service) -> None:
    job, leases = running.submit(), running.parts.leases
    leases.fail(running.claim(), "no")
    running.parts.jobs.retry(running.tenant, job)
    with running.stream(job) as stream:
        events = stream.events()
        assert [next(events)[1] for _ in range(5)] == [
            "submitted", "execution", "execution", "finished", "execution",
        ]  # fmt: skip
        leases.succeed(running.claim(), {})
        assert [name for _, name, _ in events] == ["execution", "execution", "finished"]


def test_a_silent_stream_shows_that_it_lives_and_ends_in_time(
    running: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = {"": ""}
    monkeypatch.setattr(service.api.events, "HEARTBEAT_SECONDS", 0.1)
    began = time.monotonic()
    with running.stream(running.submit()) as stream:
        coming = stream.blocks()
        assert next(coming) == {"retry": "2000"} and next(coming)["event"] == "submitted"
        assert [next(coming) for _ in range(5)] == [alive] * 5
    assert time.monotonic() - began >= 0.5, "it shows it no more often than it should"
    monkeypatch.setattr(service.api.events, "STREAM_SECONDS", 0.5)
    with running.stream(running.submit()) as stream:
        blocks = list(stream.blocks())
    assert blocks[0] == {"retry": "2000"} and blocks[1]["event"] == "submitted"
    assert blocks[2:] == [alive] * len(blocks[2:]) and len(blocks[2:]) <= 6


def test_who_leaves_makes_room(service_of: Any) -> None:
    with service_of(max_streams=3, max_streams_of_tenant=2) as running:
        job = running.submit()
        with running.stream(job) as first, running.stream(job) as second:
            assert next(first.events())[0] == next(second.events())[0] == 1
            with running.stream(job) as third:
                assert third.status == 429
            assert running.streams.open.total() == 2
        soon(lambda: not running.streams.open)
        with running.stream(job) as again:
            assert again.status == 200
    with service_of(max_streams=1, max_streams_of_tenant=2) as running:
        job = running.submit()
        with running.stream(job) as first:
            assert next(first.events())[0] == 1
            with running.stream(job) as second:
                assert second.status == 503 and second.headers["retry-after"] == "1"


def test_no_stream_keeps_the_service_from_ending(service_of: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        with service_of() as running:
            job, began = running.submit(), []

            def follow() -> int:
                with running.stream(job) as stream:
                    events = stream.events()
                    began.append(next(events))
                    return len(list(events))

            following = pool.submit(follow)
            soon(lambda: began)
            ends = time.monotonic()
        assert time.monotonic() - ends < HEARTBEAT_SECONDS
        assert following.result(PATIENCE) == 0


def test_streams_that_wait_to_read_events_end_without_reading_them(
    service_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds are woken by one event, and a few at a time are served: a server that stops waits for those
    few. Each client comes back with the last event that it has, and misses nothing."""
    count, reading, go_on = 100, [], threading.Event()
    with ExitStack() as clients:
        with service_of() as made:
            job = made.submit()
            streams = [clients.enter_context(made.stream(job)) for _ in range(count)]
            told = [stream.events() for stream in streams]
            assert {next(events)[:2] for events in told} == {(1, "submitted")}
            events = made.parts.jobs.events

            def slow(*given: Any) -> Any:
                reading.append(given)
                go_on.wait(PATIENCE)
                return events(*given)

            monkeypatch.setattr(made.parts.jobs, "events", slow)
            made.parts.leases.progress(made.claim(), "woken")
            soon(lambda: len(reading) >= 10)
            stopping = threading.Thread(target=lambda: (soon(lambda: made.streams.feed.closed), go_on.set()))
            stopping.start()
        stopping.join()
        assert len(reading) < count, "all of them have read before they ended"
        seen = [max([1, *(number for number, *_ in events)]) for events in told]
    monkeypatch.undo()
    with service_of() as made:
        missed = [event.sequence for event in made.parts.jobs.events(made.tenant, job, min(seen))]
        with made.stream(job, last=min(seen)) as stream:
            events = stream.events()
            assert missed and [next(events)[0] for _ in missed] == missed


@pytest.mark.parametrize("last", ["x", "-1", "9" * 16, "1.0"])
def test_what_is_no_event_is_refused(running: Service, last: str) -> None:
    path = f"/api/v1/jobs/{running.submit()}/events"
    reply = ask(running.where, "GET", path, Accept=EVENT_STREAM, Last_Event_ID=last)
    assert reply.status == 400 and "Last-Event-ID" in reply.json["detail"]


def test_many_idle_streams_cost_no_more_than_one(running: Service) -> None:
    count, jobs = 300, [running.submit() for _ in range(100)]

    async def follow(job: str, begun: asyncio.Semaphore) -> list[str]:
        reader, writer = await asyncio.open_connection(*running.where.split(":"))
        writer.write(request(job))
        names = []
        async for line in reader:
            if line.startswith(b"event: "):
                names.append(line[7:].decode().strip())
                if names == ["submitted"]:
                    begun.release()
                if names[-1] == "cancelled" or names[-1] == "finished":
                    break
        writer.close()
        return names

    async def idle() -> tuple[int, list[list[str]]]:
        begun = asyncio.Semaphore(0)
        following = [asyncio.create_task(follow(jobs[i % 100], begun)) for i in range(count)]
        for _ in range(count):
            await begun.acquire()
        await asyncio.sleep(0.5)
        before = running.streams.feed.queries
        await asyncio.sleep(2)
        asked = running.streams.feed.queries - before
        await asyncio.to_thread(lambda: [running.parts.jobs.cancel(running.tenant, job) for job in jobs])
        return asked, await asyncio.gather(*following)

    asked, names = asyncio.run(idle())
    assert 1 <= asked <= 9  # at most four a second
    assert names == [["submitted", "execution", "finished"]] * count


def test_a_database_that_fails_for_a_while_stops_no_stream(running: Service) -> None:
    feed, failures = (
        running.streams.feed,
        [TimeoutError("the pool has no room"), OperationalError("", None, OSError())],
    )
    ask_for_real = feed._ask

    def flaky(jobs: Any) -> Any:
        if failures:
            raise failures.pop()
        return ask_for_real(jobs)

    feed._ask = flaky  # type: ignore[method-assign]
    job = running.submit()
    with running.stream(job) as stream:
        events = stream.events()
        assert next(events)[1] == "submitted"
        soon(lambda: not failures)
        began = time.monotonic()
        running.parts.jobs.cancel(running.tenant, job)
        assert [name for _, name, _ in events] == ["execution", "finished"]
        assert time.monotonic() - began < HEARTBEAT_SECONDS / 2
