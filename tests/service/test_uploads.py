"""Headers that are large, bodies that are slow, and uploads that are too many at a time."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import requests

from service.application import application
from tests.service.serving import opened, served

HEAD = b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'


API = {"models": "/api/v1/models", "proofs": "/api/v1/verify"}
PAGES = {"models": "/models", "proofs": "/verify"}


def begin(address: str, path: str = API["models"]) -> socket.socket:
    """Begin an upload, and leave it at that."""
    host, _, port = address.partition(":")
    sending = socket.create_connection((host, int(port)), timeout=30)
    sending.sendall(
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n".encode()
        + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        + HEAD
    )
    return sending


def answer(sending: socket.socket) -> bytes:
    """The first line of what is answered."""
    return sending.makefile("rb").readline()


def upload(address: str) -> requests.Response:
    """An upload that lacks the model."""
    return requests.post(f"http://{address}/api/v1/models", files={"name": (None, "x")}, timeout=30)


@pytest.mark.parametrize("piece", [b"x" * 4096, b"\r\nX-More: y" * 300])
def test_headers_without_end_are_refused(tmp_path: Path, piece: bytes) -> None:
    with opened(tmp_path) as parts, served(application(parts)) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as sending:
            sending.sendall(f"GET / HTTP/1.1\r\nHost: {address}\r\nX-Long: ".encode())
            sent = 0
            with pytest.raises(ConnectionError):
                while True:
                    sent += sending.send(piece)
                    assert sent < 1 << 24, "the service took 16 MiB of headers"
        assert requests.get(f"http://{address}/v2/health/live", timeout=30).ok


def test_an_upload_must_arrive_in_time(tmp_path: Path) -> None:
    with opened(tmp_path, upload_seconds=0.5) as parts, served(application(parts)) as address:
        with begin(address) as sending:
            assert b" 408 " in answer(sending)
        # Its place is free again.
        for _ in range(2 * parts.settings.uploads):
            refused = requests.post(
                f"http://{address}/api/v1/models", files={"name": (None, "x")}, timeout=30
            )
            assert refused.status_code == 400


def test_so_many_uploads_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, uploads=1, upload_seconds=30) as parts, served(application(parts)) as address:
        with begin(address) as sending:
            time.sleep(1)  # nobody else asks meanwhile: it has the one place
            busy = upload(address)
            assert busy.status_code == 503 and busy.headers["Retry-After"] == "1"
            sending.sendall(b"\r\n--x--\r\n")
            sending.shutdown(socket.SHUT_WR)
            answer(sending)
        assert upload(address).status_code == 400


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /api/v1/receipts/verify",
        b"PATCH /api/v1/models/x",
        b"PUT /api/v1/models/x/versions/1/card",
        b"POST /api/v1/quotes",
        b"POST /api/v1/webhooks",
    ],
)
def test_small_bodies_must_arrive_in_time(tmp_path: Path, request_line: bytes) -> None:
    with opened(tmp_path, body_seconds=0.5) as parts, served(application(parts)) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as sending:
            sending.sendall(
                request_line + b" HTTP/1.1\r\nHost: " + address.encode() + b"\r\nContent-Length: 10\r\n"
                b"Content-Type: application/json\r\n\r\n{"
            )
            assert b" 408 " in answer(sending)


@pytest.mark.parametrize("path", ["/models", "/verify", "/settings/webhooks"])
def test_forms_of_pages_must_arrive_in_time(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.application.UPLOAD_SECONDS", 0.5)
    settings = {"upload_seconds": 0.5, "body_seconds": 0.5, "uploads": 1}
    with opened(tmp_path, **settings) as parts, served(application(parts)) as address:
        for _ in range(2):  # its place is free again
            with begin(address, path) as sending:
                assert b" 408 " in answer(sending)


@pytest.mark.parametrize("what", ["models", "proofs"])
def test_pages_and_the_api_have_their_places_for_uploads_together(tmp_path: Path, what: str) -> None:
    with opened(tmp_path, uploads=1, upload_seconds=30) as parts, served(application(parts)) as address:
        for holds, wants in ((API, PAGES), (PAGES, API)):
            with begin(address, holds[what]) as sending:
                time.sleep(1)  # nobody else asks meanwhile: it has the one place
                with begin(address, wants[what]) as second:
                    assert b" 503 " in answer(second)
                sending.shutdown(socket.SHUT_WR)
                answer(sending)
