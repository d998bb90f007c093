"""The handler of `setup` jobs: make a version's keys for a backend, which the job's tier names.

request   {}
result    {"verifying_key": digest, "proving_key": null}

A version has one key for each backend, for good: its proofs are checked against that one. What a backend
needs besides to prove (ezkl: a proving key) lies in the cache of the machine that made it, and is made again
where it is missing.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import structlog
from sqlalchemy import select

from circuits.errors import InputError
from circuits.file import load
from prover.backend import FindSrs
from prover.backends import BACKENDS, backend
from prover.memory import require
from service.database import Model, Tenant, Version, VersionKey
from service.parts import Parts
from service.worker import Context, Result
from verifier.srs import SrsStore, StoredSrs

KEY_TYPE = "application/vnd.verinfer.key"
log = structlog.get_logger(__name__)


class SetupHandler:
    """Does `setup` jobs.

    Parameters
    ----------
    srs
        Where the reference strings are; by default in this user's folder.
    """

    def __init__(self, parts: Parts, srs: SrsStore | None = None) -> None:
        self._parts, self._srs = parts, srs or SrsStore()

    def __call__(self, context: Context) -> Result:
        """Do a job.

        Raises
        ------
        InputError
            If the version is not the tenant's own, the backend does not take its circuit, or there is no
            reference string for it.
        """
        lease = context.lease
        done = context.stage(
            "setup",
            lambda: {"key": set_up(self._parts, context, lease.version_id or "", lease.tier, self._srs)},
        )
        return {"verifying_key": done["key"], "proving_key": None}


def set_up(parts: Parts, context: Context, version_id: str, name: str, srs: SrsStore | None = None) -> str:
    """Make a version's key for a backend, unless there is one. Returns its digest; raises as the handler."""
    tenant = context.lease.tenant_id
    check_backend(name)
    with parts.database.read() as session:
        found = session.execute(
            select(Version.circuit, VersionKey.verifying_key)
            .join(Model, Model.id == Version.model_id)
            .outerjoin(VersionKey, (VersionKey.version_id == Version.id) & (VersionKey.backend == name))
            .where(Version.id == version_id, Model.tenant_id == tenant)
        ).one_or_none()
    if found is None:
        raise InputError("there is no such version of a model of your own")
    circuit_digest, key = found
    if key is not None:
        return str(key)
    with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
        circuit = load(parts.artifacts.fetch(tenant, circuit_digest, Path(folder) / "model.circuit"))
    prover = backend(name)
    prover.check(circuit)
    if name != "sumcheck":  # which asks for itself, before it takes any
        require(prover.estimate(circuit).peak_rss_bytes, f"a proof by {name}")
    made = prover.setup(circuit, _finder(srs or SrsStore()), context.progress)
    digest = parts.artifacts.put(tenant, io.BytesIO(made.key.encode()), KEY_TYPE)
    with parts.database.write() as session:
        # Locked: of two keys at a time, one is kept.
        session.get_one(Tenant, tenant, with_for_update={"key_share": True})
        kept = session.get(VersionKey, (version_id, name))
        if kept is not None:
            return kept.verifying_key
        if session.get(Version, version_id) is None:
            raise InputError("the model was deleted meanwhile")
        session.add(VersionKey(version_id=version_id, backend=name, verifying_key=digest))
    return digest


def check_backend(name: str) -> None:
    """Raise InputError if there is no backend of that name."""
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r:.40}; known are: {', '.join(BACKENDS)}")


def _finder(store: SrsStore) -> FindSrs:
    def find(k: int) -> StoredSrs:
        try:
            return store.find(k)
        except InputError as error:
            log.warning("no reference string", points=f"2^{k}", reason=str(error))
            raise InputError(
                f"this service has no reference string of 2^{k} points, which the model needs: its operator "
                "imports one of a ceremony by `verinfer srs import FILE`, or, for development only, makes "
                f"one by `verinfer srs generate --k {k}`"
            ) from None

    return find
