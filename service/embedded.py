"""Workers as processes below another process: those of `verinfer serve`, and those of `verinfer worker`.

They are processes because a proof keeps Python's interpreter busy for long, and may take more memory than
there is: neither shall harm the server. Who dies is replaced, after a wait that grows while they die young.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import structlog

from prover.cuda.choice import is_gpu
from prover.memory import whole_bytes
from service import metrics
from service.database import Kind
from service.settings import PREFIX, Settings
from service.worker import POLL_SECONDS
from service.worker_process import Start

YOUNG_SECONDS = 30.0
"""Who dies younger died of something that will be there again."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
log = structlog.get_logger()


class Workers:
    """Worker processes, as many as the settings have workers.

    Parameters
    ----------
    kinds
        The kinds of jobs that they do; by default all.
    logs_as_json
        How they log, on this process's standard error.
    poll_seconds
        How long each waits before looking again when there is nothing to do, unless `wake` is called.
    """

    def __init__(
        self,
        settings: Settings,
        kinds: Iterable[Kind] = tuple(Kind),
        *,
        logs_as_json: bool = False,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._count = settings.workers
        self._patience = settings.drain_seconds
        self._threads = settings.job_threads or max(1, _processors() // max(1, self._count))
        memory = settings.job_memory or _share_of_memory(settings.device, self._count)
        bounded = settings.model_copy(update={"job_threads": self._threads, "job_memory": memory})
        self._line = Start.of(bounded, list(kinds), logs_as_json, poll_seconds).line()
        self._counts = metrics.Files()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._keepers: list[threading.Thread] = []

    def start(self) -> None:
        """Start them, and keep them running."""
        metrics.keep_files(self._counts)
        for _ in range(self._count):
            keeper = threading.Thread(target=self._keep, name="worker keeper", daemon=True)
            self._keepers.append(keeper)
            keeper.start()

    def stop(self) -> None:
        """Have them finish the stage in hand, give their jobs back and end. Waits for them as long as the
        settings have it; who works even longer is killed, and its job is begun again elsewhere.
        """
        with self._lock:
            self._stopping.set()
            for process in self._processes:
                process.terminate()
        until = time.monotonic() + self._patience
        for keeper in self._keepers:
            keeper.join(max(0.0, until - time.monotonic()))
        self.kill()
        for keeper in self._keepers:
            keeper.join()
        metrics.drop_files(self._counts)

    def kill(self) -> None:
        """End them at once."""
        with self._lock:
            self._stopping.set()
            for process in self._processes:
                process.kill()

    def wake(self) -> None:
        """Have them look at once for something to do."""
        with self._lock:
            for process in self._processes:
                assert process.stdin is not None
                # It is full where a worker has not listened for long, and broken where it has just died.
                with suppress(BlockingIOError, BrokenPipeError):
                    os.write(process.stdin.fileno(), b"\n")

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        with self._lock:
            return [process.pid for process in self._processes]

    def _keep(self) -> None:
        """Have one worker run, whatever becomes of it, until all are to stop."""
        wait = FIRST_WAIT
        while (process := self._begin()) is not None:
            began = time.monotonic()
            code = process.wait()
            with self._lock:
                self._processes.remove(process)
            assert process.stdin is not None
            process.stdin.close()
            if self._stopping.is_set():
                return
            # Who died of a job that took too long dies of no other: that job has ended.
            healthy = time.monotonic() - began > YOUNG_SECONDS or code == -signal.SIGALRM
            wait = FIRST_WAIT if healthy else min(2 * wait, LONGEST_WAIT)
            log.error("worker ended", pid=process.pid, exit_code=code, next_in_seconds=wait)
            self._stopping.wait(wait)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        """A new worker; none if all are to stop."""
        with self._lock:
            if self._stopping.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "service.worker_process"],
                stdin=subprocess.PIPE,
                env=_environment(self._threads) | metrics.environment(self._counts),
            )
            self._processes.append(process)
            assert process.stdin is not None
            try:
                process.stdin.write(self._line)
                process.stdin.flush()
            except BrokenPipeError:  # it has died already
                log.warning("worker died at once", pid=process.pid)
            os.set_blocking(process.stdin.fileno(), False)
        return process


def _environment(threads: int) -> dict[str, str]:
    """This process's environment without the settings, which go another way, and with bounds for the
    libraries that would take a thread for each processor.
    """
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    bounded = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return kept | dict.fromkeys(bounded, str(threads))


def _share_of_memory(device: str, jobs: int) -> int | None:
    """What each of some jobs at a time may take. On a GPU estimates, which are of processors, say nothing."""
    whole = None if is_gpu(device) else whole_bytes()
    return None if whole is None else whole // max(1, jobs)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
