"""Whether a service can do what it is for: its database takes writes, its store keeps bytes, it can sign."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.parts import Parts

GOOD_SECONDS, BAD_SECONDS = 5.0, 1.0
"""For how long an answer counts: whoever asks often makes no work."""
PATIENCE_SECONDS = 3.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Finding:
    """What became of one check. The detail is for whoever runs the service, and has no secrets."""

    name: str
    ok: bool
    detail: str
    seconds: float


class Health:
    """Checks a service's parts. Any number of threads may ask; one check at a time is made."""

    def __init__(self, parts: Parts) -> None:
        self._checks: dict[str, Callable[[], str]] = {
            "database": lambda: _database(parts),
            "artifacts": lambda: _artifacts(parts),
            "receipt_key": lambda: parts.signer.key_id,
        }
        self._thread = ThreadPoolExecutor(1, "health")
        self._lock = threading.Lock()
        self._running: Future[list[Finding]] | None = None
        self._begun = 0.0
        self._findings: list[Finding] = []
        self._until = 0.0

    def findings(self) -> list[Finding]:
        """How it is, or was a moment ago. It waits for the checks, but not for ever: one that takes too long
        has failed.
        """
        with self._lock:
            if time.monotonic() < self._until:
                return self._findings
            if self._running is None:
                self._begun = time.monotonic()
                self._running = self._thread.submit(self._check_all)
            running, left = self._running, self._begun + PATIENCE_SECONDS - time.monotonic()
        try:
            findings = running.result(max(0.0, left))
        except TooLate:
            waited = time.monotonic() - self._begun
            return [Finding("checks", False, f"no answer for {waited:.0f} seconds", waited)]
        with self._lock:
            if self._running is running:
                self._running, self._findings = None, findings
                good = all(finding.ok for finding in findings)
                self._until = time.monotonic() + (GOOD_SECONDS if good else BAD_SECONDS)
            return findings

    def close(self) -> None:
        """Check no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check_all(self) -> list[Finding]:
        return [self._check(name, check) for name, check in self._checks.items()]

    def _check(self, name: str, check: Callable[[], str]) -> Finding:
        began = time.monotonic()
        try:
            ok, detail = True, check()
        except SQLAlchemyError as error:
            ok, detail = False, " ".join(str(getattr(error, "orig", None) or error).split())
        except Exception as error:  # of whichever store there is
            ok, detail = False, f"{type(error).__name__}: {error}"
        finding = Finding(name, ok, detail, time.monotonic() - began)
        if not ok:
            log.error("not ready", check=name, detail=detail)
        return finding


def _database(parts: Parts) -> str:
    """A write that changes nothing: read-only files, standby servers and full disks refuse it."""
    with parts.database.write() as session:
        session.execute(text("UPDATE tenants SET name = name WHERE id = (SELECT min(id) FROM tenants)"))
    dialect: str = parts.database.engine.dialect.name
    return dialect


def _artifacts(parts: Parts) -> str:
    return parts.artifacts.try_out()
