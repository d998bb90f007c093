"""What the service refuses, and why."""

from __future__ import annotations

from circuits.errors import InputError, VerinferError


class NotFound(InputError):
    """There is no such thing, or it is another tenant's, which looks the same from outside."""


class Conflict(InputError):
    """The request contradicts what is already there."""


class QuotaExceeded(InputError):
    """The tenant has as much as its limits allow."""


class RateLimited(VerinferError):
    """Too many requests in too short a time. Nothing was done."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
        """When to come back."""


class TooLarge(InputError):
    """More bytes than the service takes."""


class DamagedArtifact(VerinferError):
    """Stored bytes are not those that were put there."""


class LeaseLost(VerinferError):
    """A worker no longer holds the job that it works on: another may have it by now."""
