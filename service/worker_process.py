"""A worker in a process of its own, as `service.embedded` starts it: `python -m service.worker_process`.

What it has to know comes in a line on standard input, because others can read a process's arguments and
environment. Standard input stays open as long as whoever started it lives; each further line there says that
there may be something to do. When that ends, or at SIGTERM, the worker finishes the stage in hand, gives its
job back, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from challenger.logs import configure_logs
from circuits.errors import InputError
from service import tracing
from service.database import Kind
from service.handlers import handlers
from service.parts import Parts
from service.settings import Settings
from service.stop_signals import StopSignals
from service.worker import Worker

LOOK_SECONDS = 1.0
"""How often it is looked at whether the worker's thread still runs."""
MOST_HEARD = 4096
"""How many bytes of lines count as one."""
FAILED, UNUSABLE = 1, 2
log = structlog.get_logger()


@dataclass(frozen=True)
class Start:
    """What a worker is started with.

    Parameters
    ----------
    settings
        The service's settings, by name; secrets are in them.
    kinds
        The kinds of jobs to do.
    logs_as_json
        How to log.
    poll_seconds
        How long to wait before looking again when there is nothing to do.
    """

    settings: dict[str, Any]
    kinds: list[str]
    logs_as_json: bool
    poll_seconds: float

    @classmethod
    def of(cls, settings: Settings, kinds: list[Kind], logs_as_json: bool, poll_seconds: float) -> Start:
        """What to start a worker with, with the service's settings."""
        return cls(
            {name: _plain(value) for name, value in settings.model_dump().items()},
            [kind.value for kind in kinds],
            logs_as_json,
            poll_seconds,
        )

    def line(self) -> bytes:
        """The line that the process reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Start:
        """What a line says."""
        return cls(**json.loads(line))


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def main() -> int:
    """Work until told to stop. Returns the process's exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-c is for whoever started this
    line = sys.stdin.buffer.readline()
    if not line:  # it has gone already
        return 0
    start = Start.read(line)
    configure_logs(as_json=start.logs_as_json)
    settings = Settings(**start.settings)
    with StopSignals(signal.SIGTERM) as signals:
        try:
            tracing.start(settings.traces_url, "verinfer-worker")
            parts = Parts.open(settings)
        except InputError as error:
            log.error("worker cannot start", pid=os.getpid(), reason=str(error))
            return UNUSABLE
        with parts:
            chosen = {kind: handler for kind, handler in handlers(parts).items() if kind in start.kinds}
            worker = Worker(
                parts.leases, chosen, start.poll_seconds, job_seconds=settings.job_seconds, owns_process=True
            )
            worker.start()
            threading.Thread(target=_listen, args=(worker,), name="listener", daemon=True).start()
            asked = False
            while worker.running and not asked:
                asked = signals.wait(LOOK_SECONDS)
            worker.stop()
            tracing.stop()
            return 0 if asked else FAILED


def _listen(worker: Worker) -> None:
    """Wake a worker whenever lines come; have the process stop when there will be none any more."""
    while os.read(sys.stdin.fileno(), MOST_HEARD):
        worker.wake()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
