"""The handler of `verify` jobs: check a proof against a key. Both are artifacts of the tenant's.

request   {"proof": digest, "key": digest}
result    the verdict; see `service.sandbox.checking.check_proof`
"""

from __future__ import annotations

from service.parts import Parts
from service.sandbox.files import PROOF
from service.sandbox.sandbox import Limits, Sandbox
from service.settings import Settings
from service.stages import VERIFY
from service.worker import Context, Result

CHECK, READ = "service.sandbox.checking:check_proof", "service.sandbox.checking:read_proof"


def verify_limits(settings: Settings) -> Limits:
    """What checking a proof may take. The library that checks ezkl's proofs is a process of its own."""
    return Limits("the proof", settings.verify_bytes, settings.verify_seconds, 512 << 20, processes=True)


class VerifyHandler:
    """Does `verify` jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, context: Context) -> Result:
        """Do a job.

        Raises
        ------
        InputError
            If one is not a proof, or the other no key, or checking takes more than it may.
        """
        return context.stage(VERIFY, lambda: self._verify(context))

    def _verify(self, context: Context) -> Result:
        artifacts, request = self._parts.artifacts, context.lease.request
        with Sandbox(verify_limits(self._parts.settings)) as box:
            artifacts.fetch(context.lease.tenant_id, request["proof"], box.folder / PROOF)
            artifacts.fetch(context.lease.tenant_id, request["key"], box.folder / "key")
            return box.run(CHECK, {"keys": ["key"]}, context.progress, context.check)
