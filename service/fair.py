"""Whose job comes next: the tenant's with the fewest running, for its weight; then who has waited longest.

However many jobs a tenant has queued, another's first job is the next to begin, or nearly so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """A tenant with a job that could begin now.

    Parameters
    ----------
    running
        How many of its jobs run.
    weight
        How many it may have for each one of a tenant of weight 1: the limit `weight`.
    most_running
        How many may run at a time: the limit `running_jobs`.
    served_at
        When one of its jobs last began.
    """

    tenant_id: str
    running: int
    weight: float
    most_running: int | None
    served_at: datetime | None

    @property
    def room(self) -> float:
        """How many more may run."""
        return math.inf if self.most_running is None else max(0, self.most_running - self.running)


def in_turn(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that may have a job begun, the first in line first."""
    able = [candidate for candidate in candidates if candidate.room > 0]
    return sorted(able, key=lambda c: ((c.running + 1) / c.weight, c.served_at or NEVER, c.tenant_id))
