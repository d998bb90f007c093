"""Artifacts as answers, in pieces: no file is held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fastapi.responses import StreamingResponse

from service.artifacts import Artifacts


def download(
    artifacts: Artifacts, tenant: str, digest: str, filename: str, media_type: str
) -> StreamingResponse:
    """An answer with a tenant's artifact, to be saved as a file. Damage beyond the first piece cuts it off.

    Parameters
    ----------
    filename
        Of letters, digits, '.', '-' and '_'.

    Raises
    ------
    NotFound
        If the tenant has no such artifact.
    DamagedArtifact
        If the stored bytes are others, or gone.
    """
    described = artifacts.describe(tenant, digest)
    pieces: Iterator[bytes] = artifacts.read(tenant, digest)
    first = next(pieces, b"")
    headers = {
        "Content-Length": str(described.size),
        "Content-Disposition": f'attachment; filename="{filename}"',
        "ETag": f'"{digest}"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(chain([first], pieces), 200, headers, media_type)
