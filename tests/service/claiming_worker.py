"""A worker process that posts claims, with pauses around the steps that a crash must not come between."""

from __future__ import annotations

import random
import time
from datetime import timedelta

from challenger.records import TransactionRow, VariantRow
from challenger.sender import Sender
from service.database import Kind
from service.handlers import settling
from service.leases import Leases
from service.parts import Parts
from service.settings import Settings
from service.worker import Worker

LEASE = timedelta(seconds=1)


def main(settings: Settings) -> None:
    """Work until killed."""
    send = Sender._broadcast

    def slow_send(self: Sender, row: TransactionRow, variant: VariantRow) -> None:
        time.sleep(random.uniform(0, 0.3))
        send(self, row, variant)
        time.sleep(random.uniform(0, 0.3))

    Sender._broadcast = slow_send  # type: ignore[method-assign]
    with Parts.open(settings) as parts:
        leases = Leases(parts.database, LEASE, most_attempts=1000, backoff=timedelta(milliseconds=10))
        Worker(leases, {Kind.PROVE: settling(parts)}, poll_seconds=0.05).serve()
