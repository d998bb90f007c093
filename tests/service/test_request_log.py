"""The log's lines for requests: all of them, in order, each whole."""

from __future__ import annotations

import io
import json
import select
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog

from challenger.logs import configure_logs
from service.api.request_log import MOST_WAITING, RequestLog
from service.server import GRACE_SECONDS
from tests.service.working import soon
from tests.verinfer.test_serve import serving

NEVER = 3600.0


class Written(io.StringIO):
    """A stream that remembers what came out at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def flush(self) -> None:
        if self.getvalue():
            self.pieces.append(self.getvalue())
            self.seek(0)
            self.truncate()

    def lines(self) -> list[str]:
        return "".join(self.pieces).splitlines()


@pytest.fixture
def written() -> Iterator[Written]:
    """Where this process's log goes."""
    stream = Written()
    configure_logs(as_json=True, file=stream)
    yield stream
    structlog.reset_defaults()


def numbers(written: Written) -> list[int]:
    return [json.loads(line)["number"] for line in written.lines()]


def test_lines_wait_and_are_written_in_whole_pieces(written: Written) -> None:
    log = RequestLog(NEVER)
    log.start()
    paths = ["/" + "x" * (7 * i % 400) for i in range(300)] + ["/" + "ü" * select.PIPE_BUF, "/" + "y" * 5000]
    for number, path in enumerate(paths):
        log.add(number=number, path=path)
    assert written.pieces == []
    log.stop()
    assert numbers(written) == list(range(len(paths)))
    assert [json.loads(line)["path"] for line in written.lines()] == paths
    for piece in written.pieces:
        assert piece.endswith("\n")
        assert len(piece.encode()) <= select.PIPE_BUF or piece.count("\n") == 1
    assert len(written.pieces) < len(paths) / 4


def test_a_line_has_the_time_of_its_request(written: Written) -> None:
    log = RequestLog(NEVER)
    log.start()
    log.add(number=0)
    structlog.get_logger().info("in between")
    log.stop()
    between, line = map(json.loads, written.lines())
    assert between["event"] == "in between" and line["event"] == "request" and line["level"] == "info"
    assert (
        line["timestamp"] < between["timestamp"] and line["timestamp"][-1] == between["timestamp"][-1] == "Z"
    )


def test_secrets_in_a_request_are_not_logged(written: Written) -> None:
    log = RequestLog(NEVER)
    key = "vk_" + "0" * 32 + "_" + "1" * 64
    log.add(path=f"/v2/models/{key}/infer", token="t")
    [line] = map(json.loads, written.lines())
    assert line["path"] == "/v2/models/(not logged)/infer" and line["token"] == "(not logged)"


def test_lines_before_the_start_and_after_the_stop_are_written_at_once(written: Written) -> None:
    log = RequestLog(NEVER)
    log.add(number=0)
    assert numbers(written) == [0]
    log.start()
    log.stop()
    log.add(number=1)
    assert numbers(written) == [0, 1]


def test_a_thread_writes_what_waits(written: Written) -> None:
    log = RequestLog(0.01)
    log.start()
    log.add(number=0)
    soon(lambda: numbers(written) == [0], "the line is written")
    log.stop()


def test_no_more_lines_wait_than_memory_is_meant_for(written: Written) -> None:
    log = RequestLog(NEVER)
    log.start()
    for number in range(MOST_WAITING + 10):
        log.add(number=number)
    assert numbers(written) == list(range(MOST_WAITING))
    log.stop()
    assert numbers(written) == list(range(MOST_WAITING + 10))


def test_no_line_is_lost_while_it_stops(written: Written) -> None:
    """Requests that were given up end at any moment."""
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            log = RequestLog(NEVER)
            log.start()
            stopping = threading.Thread(target=log.stop)
            stopping.start()
            for number in range(50):
                log.add(number=number)
            stopping.join()
            assert numbers(written) == list(range(50))
            written.pieces.clear()
    finally:
        sys.setswitchinterval(switching)


def test_a_server_that_stops_has_a_line_for_every_request(tmp_path: Path) -> None:
    with serving("--data", tmp_path, "--log", "json") as (process, url):
        asked = [request_id(url) for _ in range(20)]
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert logged(said) == asked


def test_one_that_is_told_so_twice_has_them_too(tmp_path: Path) -> None:
    with serving("--data", tmp_path, "--log", "json") as (process, url):
        asked = [request_id(url) for _ in range(20)]
        where = (urlsplit(url).hostname, urlsplit(url).port)
        with socket.create_connection(where) as hanging:
            hanging.sendall(
                b"POST /v2/models/x/infer HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: hanging\r\n"
                b"Content-Length: 1000\r\n\r\n"
            )
            asked.append(request_id(url))
            process.send_signal(signal.SIGTERM)
            soon(lambda: refuses(where), "it takes no more connections")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=GRACE_SECONDS / 2)
    assert sorted(logged(said)) == sorted([*asked, "hanging"])


def request_id(url: str) -> str:
    """What a request that was answered is called."""
    with urllib.request.urlopen(f"{url}/v2/health/live", timeout=30) as response:
        return str(response.headers["X-Request-Id"])


def logged(said: str) -> list[str]:
    """What the requests are called that a log has."""
    lines = [json.loads(line) for line in said.splitlines()]
    return [line["request_id"] for line in lines if line["event"] == "request"]


def refuses(where: tuple[str | None, int | None]) -> bool:
    """Whether nothing listens there."""
    try:
        socket.create_connection(where).close()
    except ConnectionRefusedError:
        return True
    return False
