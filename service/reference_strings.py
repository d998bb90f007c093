"""Where the service's backends find their reference strings."""

from __future__ import annotations

import structlog

from circuits.errors import FormatError, InputError
from prover.backend import FindSrs
from verifier.srs import SrsStore, StoredSrs

log = structlog.get_logger(__name__)


def finder(store: SrsStore, srs_id: bytes | None = None) -> FindSrs:
    """How a backend gets its string: from a store; with `srs_id`, that one only.

    It raises InputError if there is none, in words for a tenant: where the store lies is in the log.
    """

    def find(k: int) -> StoredSrs:
        try:
            return store.find(k, srs_id)
        except FormatError:
            raise
        except InputError as error:
            log.warning("no reference string", points=f"2^{k}", reason=str(error))
            raise InputError(
                f"the service has no reference string of 2^{k} points: its operator imports one with "
                f"`verinfer srs import`, or makes one for development with `verinfer srs generate --k {k}`"
            ) from None

    return find
