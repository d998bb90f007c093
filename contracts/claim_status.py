"""What becomes of a claim, as `contracts/src/types/Claim.sol` has it."""

from __future__ import annotations

from enum import IntEnum


class ClaimStatus(IntEnum):
    """What has become of a claim."""

    NONE = 0
    """There is no such claim."""
    PROVISIONAL = 1
    """It can still fall."""
    FINAL = 2
    """It stands."""
    REVOKED = 3
    """It was false, or its asserter did not answer."""
