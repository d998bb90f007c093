"""What workers do for each kind of job."""

from __future__ import annotations

from service.database import Kind
from service.handlers.compile import CompileHandler
from service.handlers.prove import ProveHandler
from service.handlers.setup import SetupHandler
from service.handlers.verify import VerifyHandler
from service.parts import Parts
from service.worker import Handler


def handlers(parts: Parts) -> dict[Kind, Handler]:
    """The handlers of a worker with these parts, one for each kind of job."""
    return {
        Kind.COMPILE: CompileHandler(parts),
        Kind.SETUP: SetupHandler(parts),
        Kind.PROVE: ProveHandler(parts.database, parts.artifacts),
        Kind.VERIFY: VerifyHandler(parts),
    }
