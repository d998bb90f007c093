"""A worker process whose jobs never end, in native code that lets other threads run or does not."""

from __future__ import annotations

import ctypes
from datetime import timedelta

from service import worker
from service.database import Database, Kind
from service.leases import Leases
from service.worker import Context, Result, Worker

LEASE = timedelta(seconds=1)
JOB_SECONDS, PATIENCE_SECONDS = 1.0, 0.5


def main(url: str, attempts: int) -> None:
    """Work until killed."""
    worker.PATIENCE_SECONDS = PATIENCE_SECONDS

    def handler(context: Context) -> Result:
        keeps_interpreter = context.lease.request["keeps_interpreter"]
        library = ctypes.PyDLL(None) if keeps_interpreter else ctypes.CDLL(None)
        while True:
            library.sleep(1000)

    leases = Leases(Database(url), LEASE, most_attempts=attempts, backoff=timedelta(0))
    handlers = {Kind.PROVE: handler}
    Worker(leases, handlers, poll_seconds=0.05, job_seconds=JOB_SECONDS, owns_process=True).serve()
