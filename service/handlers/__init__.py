"""What workers do for each kind of job."""

from __future__ import annotations

from service.database import Kind
from service.handlers.compile import CompileHandler
from service.handlers.prove import ProveHandler
from service.handlers.setup import SetupHandler
from service.handlers.verify import VerifyHandler
from service.parts import Parts
from service.submitting import Tier
from service.worker import Context, Handler, Result


def settling(parts: Parts) -> Handler:
    """The handler of `prove` jobs: by a proof, or by a claim where the settings have a chain."""
    settings = parts.settings
    prove = ProveHandler(
        parts.database, parts.artifacts, threads=settings.job_threads, device=settings.device
    )
    if not settings.has_chain:
        return prove
    # Loaded where there is a chain: what speaks to one takes longer to load than all else of a worker.
    from service.handlers.claim import ClaimHandler

    claim = ClaimHandler(parts)

    def handle(context: Context) -> Result:
        return (claim if context.lease.tier == Tier.OPTIMISTIC else prove)(context)

    return handle


def handlers(parts: Parts) -> dict[Kind, Handler]:
    """The handlers of a worker with these parts, one for each kind of job."""
    return {
        Kind.COMPILE: CompileHandler(parts),
        Kind.SETUP: SetupHandler(parts),
        Kind.PROVE: settling(parts),
        Kind.VERIFY: VerifyHandler(parts),
    }
