"""What a tenant may have and do at most.

A tenant's own limits are in its row, as JSON (`verinfer tenant limits` writes them); for those that it does
not have, the settings' count.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select

from circuits.errors import InputError
from service.database import Database, Tenant
from service.errors import NotFound

REMEMBERED_SECONDS = 5.0
"""For how long a changed limit may still not count in a process that has just read it."""
MAX_REMEMBERED = 10_000
L = TypeVar("L", bound="Limits")


class Limits(BaseModel):
    """The limits of a tenant. None: there is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    weight: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        description="how many jobs may run for each one of a tenant of weight 1",
    )
    open_jobs: int | None = Field(default=100_000, ge=0, description="jobs that wait or run at a time")
    running_jobs: int | None = Field(default=None, ge=0, description="jobs that run at a time")
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="requests in each second, in the long run, to each server process",
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=10**6,
        description="requests at once, after a pause; by default those of one second",
    )
    models: int | None = Field(default=1000, ge=0, description="models")
    stored_bytes: int | None = Field(default=None, ge=0, description="bytes of all files kept for the tenant")
    max_upload_bytes: int | None = Field(default=None, ge=0, description="bytes of one upload")
    webhooks: int | None = Field(default=20, ge=0, description="webhooks")

    @property
    def most_at_once(self) -> int:
        """How many requests may come at once, where `requests_per_second` is set."""
        if self.burst is not None or self.requests_per_second is None:
            return self.burst or 1
        return max(1, math.ceil(self.requests_per_second))

    def overlaid(self, own: Mapping[str, Any]) -> Self:
        """These limits, but for those that a tenant has of its own. Raises InputError."""
        return self if not own else _checked(type(self), self.model_dump() | dict(own))

    @classmethod
    def check(cls, own: Mapping[str, Any]) -> None:
        """Raise InputError unless these are limits."""
        _checked(cls, dict(own))


DEFAULTS = Limits()
"""Those of a service whose settings do not say otherwise."""


class TenantLimits:
    """The limits that count for each tenant. They are remembered for a moment: not every request asks the
    database.
    """

    def __init__(
        self,
        database: Database,
        defaults: Limits = DEFAULTS,
        remembered_seconds: float = REMEMBERED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._defaults = defaults
        self._seconds = remembered_seconds
        self._clock = clock
        self._remembered: dict[str, tuple[float, Limits]] = {}
        self._lock = threading.Lock()

    def remembered(self, tenant_id: str) -> Limits | None:
        """A tenant's limits, if the database was asked just now; this waits for nothing."""
        until, limits = self._remembered.get(tenant_id, (0.0, None))
        return limits if self._clock() < until else None

    def of(self, tenant_id: str) -> Limits:
        """A tenant's limits. Raises NotFound."""
        found = self.remembered(tenant_id)
        if found is not None:
            return found
        asked = self._clock()
        with self._database.read() as session:
            own = session.scalar(select(Tenant.limits).where(Tenant.id == tenant_id))
        if own is None:
            raise NotFound(f"there is no tenant {tenant_id!r:.80}")
        limits = self._defaults.overlaid(own)
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[tenant_id] = (asked + self._seconds, limits)
        return limits


def _checked(kind: type[L], values: dict[str, Any]) -> L:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        mistakes = []
        for mistake in error.errors(include_url=False, include_context=False):
            name = ".".join(map(str, mistake["loc"]))
            unknown = mistake["type"] == "extra_forbidden"
            mistakes.append(
                f"there is no limit {name!r:.60}: {known}" if unknown else f"{name}: {mistake['msg']}"
            )
        raise InputError("; ".join(mistakes)) from None
