"""A real HTTP proxy in front of a chain, which can lag, stall, break and lie."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import requests

Reply = dict[str, Any]


class Proxy:
    """Passes requests on.

    Attributes
    ----------
    behind
        How many blocks it lags.
    frozen
        The block that it has stopped at.
    stalled
        It takes requests, and never answers.
    broken
        It answers with what is no JSON.
    lie
        Changes replies: given the method, the parameters and the reply.
    asked
        The methods asked for.
    """

    def __init__(self, url: str) -> None:
        self.target = url
        self.behind = 0
        self.frozen: int | None = None
        self.stalled = False
        self.broken = False
        self.lie: Callable[[str, list[Any], Reply], None] | None = None
        self.asked: list[str] = []
        self._release = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                data = proxy.reply(body)
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # whoever asked has given up

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def reply(self, body: Reply) -> bytes:
        method, params = body["method"], body["params"]
        self.asked.append(method)
        if self.stalled:
            self._release.wait(30)
        if self.broken:
            return b"<html>Bad Gateway</html>"
        head = self._head()
        if method == "eth_getBlockByNumber" and head is not None:
            if params[0] == "latest":
                body["params"] = [hex(head), *params[1:]]
            elif int(params[0], 16) > head:
                return json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": None}).encode()
        answer: Reply = self._ask(body)
        if self.lie is not None:
            self.lie(method, params, answer)
        return json.dumps(answer).encode()

    def _head(self) -> int | None:
        if self.frozen is not None:
            return self.frozen
        if not self.behind:
            return None
        latest = self._ask({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
        return max(0, int(latest["result"], 16) - self.behind)

    def _ask(self, body: Reply) -> Reply:
        found: Reply = requests.post(self.target, json=body, timeout=30).json()
        return found

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def other_blocks(method: str, params: list[Any], reply: Reply) -> None:
    """Lie about what the blocks are."""
    if method == "eth_getBlockByNumber" and reply.get("result"):
        reply["result"]["hash"] = "0x" + "ab" * 32


def far_ahead(method: str, params: list[Any], reply: Reply) -> None:
    """Pretend that the chain is much longer than it is."""
    if method == "eth_getBlockByNumber" and params[0] == "latest":
        reply["result"]["number"] = hex(int(reply["result"]["number"], 16) + 1000)


def no_logs(method: str, params: list[Any], reply: Reply) -> None:
    """Hide all events."""
    if method == "eth_getLogs":
        reply["result"] = []


def other_chain(method: str, params: list[Any], reply: Reply) -> None:
    """Claim to be another chain."""
    if method == "eth_chainId":
        reply["result"] = "0x1"


def all_final(method: str, params: list[Any], reply: Reply) -> None:
    """Lie about the state of every claim: all are final."""
    result = reply.get("result")
    if method == "eth_call" and isinstance(result, str) and len(result) == 2 + 4 * 64:
        reply["result"] = "0x" + (2).to_bytes(32).hex() + result[2 + 64 :]


def no_receipts(method: str, params: list[Any], reply: Reply) -> None:
    """Know nothing of transactions."""
    if method == "eth_getTransactionReceipt":
        reply["result"] = None
