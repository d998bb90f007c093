"""Servers in processes of their own, as their users start them, and what they take of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int

    @property
    def cpu_seconds(self) -> float:
        """What the threads that it has now have used of the processors, to the nanosecond; without its
        children."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    @property
    def rss_bytes(self) -> int:
        """How much memory it has now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Server]:
    """`python -m ARGUMENTS`, which says its address in its log, for as long as the block lasts."""
    log = folder / f"{arguments[0]}.log"
    with log.open("w+") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=written, stderr=written, cwd=ROOT
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not (found := re.search(r"http://[\w.]+:\d+", log.read_text())):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{arguments[0]} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield Server(found[0], process.pid)
        finally:
            process.terminate()
            process.wait()
