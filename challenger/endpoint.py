"""One JSON-RPC endpoint, which may stall, fail, fall behind or lie."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import requests

from circuits.errors import ChainError

MAX_RESPONSE_BYTES = 256 << 20
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds for which an endpoint that stalled is left alone; doubled each time."""


class Fault(StrEnum):
    """What is wrong with an endpoint."""

    STALLED = "stalled"
    FAILING = "failing"
    BEHIND = "behind"
    OTHER_CHAIN = "other chain"
    OTHER_BLOCK = "other block"
    OTHER_ANSWER = "other answer"


@dataclass(frozen=True)
class Answer:
    """What an endpoint said: a result, or the error of a call that a contract refused."""

    result: Any = None
    error: dict[str, Any] | None = None


class NoAnswer(Exception):
    """The endpoint did not answer, or not what was asked."""

    def __init__(self, fault: Fault, cause: str) -> None:
        super().__init__(cause)
        self.fault = fault


class Endpoint:
    """An endpoint and how it has behaved.

    Parameters
    ----------
    url
        Its http or https URL. Paths, queries and user names often hold keys, so `name` is the host alone.
    timeout
        Seconds that it may take for an answer.

    Raises
    ------
    ChainError
        If the URL is none.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChainError("an endpoint's URL is not an http or https URL")
        self.name = parts.netloc.rpartition("@")[2]
        self.fault: Fault | None = None
        self.head = -1
        self.advanced_at = time.monotonic()
        self._url = url
        self._timeout = timeout
        self._session = requests.Session()
        # One thread, so that an endpoint that never ends its answers holds up nobody but itself.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"endpoint-{self.name}")
        self._running: Future[Any] | None = None
        self._pause = FIRST_PAUSE
        self._left_alone_until = 0.0
        self._numbers = itertools.count(1)

    @property
    def resting(self) -> bool:
        """Whether it stalled a moment ago, or still does, and is not to be asked now."""
        busy = self._running is not None and not self._running.done()
        return busy or time.monotonic() < self._left_alone_until

    def start(self, method: str, params: Any) -> Future[Answer]:
        """Ask, without waiting for the answer."""
        future = self._worker.submit(self._request, method, params)
        self._running = future
        return future

    def finish(self, future: Future[Answer], until: float) -> Answer:
        """The answer, waiting for it until a time of the monotonic clock.

        Raises
        ------
        NoAnswer
            If there is none by then, or the endpoint fails.
        """
        try:
            answer = future.result(max(0.0, until - time.monotonic()))
        except (FutureTimeout, requests.Timeout):
            self._left_alone_until = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            raise NoAnswer(Fault.STALLED, f"no answer within {self._timeout:g} s") from None
        except requests.RequestException as error:
            # Its text may quote the URL.
            raise NoAnswer(Fault.FAILING, type(error).__name__) from None
        self._pause = FIRST_PAUSE
        return answer

    def saw_head(self, number: int) -> None:
        """Note the height of its last block."""
        if number > self.head:
            self.advanced_at = time.monotonic()
        self.head = number

    def close(self) -> None:
        """Let its connections go."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _request(self, method: str, params: Any) -> Answer:
        number = next(self._numbers)
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        body = json.dumps(call, default=_hexadecimal)
        headers = {"Content-Type": "application/json"}
        with self._session.post(
            self._url, data=body, headers=headers, timeout=self._timeout, stream=True
        ) as response:
            data = response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True)
        if len(data) > MAX_RESPONSE_BYTES:
            raise NoAnswer(Fault.FAILING, f"an answer of over {MAX_RESPONSE_BYTES} bytes")
        try:
            reply = json.loads(data)
        except (ValueError, RecursionError):
            raise NoAnswer(Fault.FAILING, f"HTTP {response.status_code} and no JSON") from None
        if not isinstance(reply, dict) or reply.get("id") != number:
            raise NoAnswer(Fault.FAILING, f"HTTP {response.status_code} and no JSON-RPC answer")
        error = reply.get("error")
        if error is None and "result" in reply:
            return Answer(reply["result"])
        if isinstance(error, dict) and _is_refusal(error):
            return Answer(error=error)
        message = error.get("message") if isinstance(error, dict) else error
        raise NoAnswer(Fault.FAILING, str(message)[:300])


def _hexadecimal(value: object) -> str:
    """Bytes, as web3 hands some of them on."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no place in a request")
    return f"0x{value.hex()}"


def _is_refusal(error: dict[str, Any]) -> bool:
    """Whether a contract refused, rather than the endpoint."""
    data = error.get("data")
    reverted = isinstance(data, str) and data.startswith("0x")
    return reverted or error.get("code") == 3 or "revert" in str(error.get("message", "")).lower()
