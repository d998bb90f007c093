"""What a transaction may cost: EIP-1559 fees, raised when it waits too long, and never over a cap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GWEI: Final = 10**9


@dataclass(frozen=True)
class Fees:
    """What is paid for each unit of gas, in wei: at most `max_fee`, of which `priority` goes to the block's
    maker."""

    max_fee: int
    priority: int


@dataclass(frozen=True)
class FeePolicy:
    """How much is offered, and when it is raised.

    Attributes
    ----------
    cap
        The most that is ever offered for a unit of gas, in wei.
    patient_blocks
        How many blocks a transaction may wait before it is replaced by one that offers more.
    urgent_seconds
        With less than this left before its move is overdue, it is replaced in every block.
    """

    cap: int = 500 * GWEI
    patient_blocks: int = 3
    urgent_seconds: int = 180

    def suggest(self, base_fee: int, priority: int) -> Fees:
        """Fees that last while the base fee doubles."""
        priority = min(priority, self.cap)
        return Fees(min(2 * base_fee + priority, self.cap), priority)

    def raised(self, old: Fees, suggested: Fees) -> Fees | None:
        """Fees for a replacement, an eighth more at least, as nodes ask; None if that is over the cap."""
        max_fee = max(_eighth_more(old.max_fee), suggested.max_fee)
        priority = max(_eighth_more(old.priority), suggested.priority)
        return Fees(max_fee, min(priority, max_fee)) if max_fee <= self.cap else None

    def hurries(self, waited: int, left: int | None) -> bool:
        """Whether to replace a transaction that has waited so many blocks, with so many seconds left."""
        urgent = left is not None and left < self.urgent_seconds
        return waited >= (1 if urgent else self.patient_blocks)


def _eighth_more(amount: int) -> int:
    return -(-amount * 9 // 8) + 1
