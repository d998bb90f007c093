"""Proofs that everybody may see: their tenants have said so. Each is named by its SHA-256.

A proof shows the inputs and outputs of all its samples. One that was made for several jobs is made public
only where the tenant has said that it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from service.database import Artifact, Job, Model, SharedProof, Tenant, Version, now
from service.errors import Conflict, NotFound
from service.job_views import show_job
from service.parts import Parts
from service.version_keys import find_subject
from verifier.proof import Proof
from verifier.recipient import shown_recipient

MAX_VALUES = 1000
"""How many inputs, and outputs, are told; of more, only the proof itself tells."""


@dataclass(frozen=True)
class Shared:
    """A public proof.

    Parameters
    ----------
    digest, size
        The proof's SHA-256 in hexadecimal, and its length in bytes.
    tenant
        Who made it public, by id; has both artifacts.
    verifying_key
        The digest of the key that it is for.
    model, version
        What it is about, as NAME@TENANT, where the model is public; else None.
    proved_at, shared_at
        When the job ended, and when it was made public.
    circuit_id
        As 0x...
    samples
        How many the proof is about.
    inputs, outputs
        Their integers, one after another; None where there are too many, or the proof commits to its inputs.
    insecure_srs
        Whether somebody may know the secret of the reference string: then it convinces nobody else.
    recipient
        The address for which alone it holds; None if it is for anyone.
    """

    digest: str
    size: int
    tenant: str
    verifying_key: str
    tier: str
    model: str | None
    version: str | None
    proved_at: datetime
    shared_at: datetime
    circuit_id: str
    samples: int
    inputs: list[int] | None
    outputs: list[int] | None
    insecure_srs: bool
    recipient: str | None

    @property
    def sentence(self) -> str:
        """What the proof says, to a person."""
        what = f"{self.model}, version {self.version}," if self.model else f"the circuit {self.circuit_id}"
        on = "this input" if self.samples == 1 else f"these {self.samples} inputs"
        gives = "this output" if self.samples == 1 else "these outputs"
        return f"On {on}, {what} gives {gives}."


def share(parts: Parts, tenant: str, job_id: str, with_others: bool = False) -> str:
    """Make a job's proof public. Returns its digest.

    Parameters
    ----------
    with_others
        Do so even if it shows the samples of other jobs of the tenant's as well.

    Raises
    ------
    NotFound
        If the tenant has no such job.
    Conflict
        If the job has no proof, or one that shows the samples of others.
    """
    shown = show_job(parts.database, tenant, job_id)
    result = shown.job.result
    if shown.proof is None or result is None:
        raise Conflict("the job has no proof to share" + ("" if shown.job.finished_at else " yet"))
    if result["samples"] != result["proof_samples"] and not with_others:
        raise Conflict(
            f"the proof shows {result['proof_samples']} samples, and {result['samples']} are this job's: the "
            "others are of jobs that were proved with it. Share it `with_others`, or submit the job again "
            "with `alone`"
        )
    proof = Proof.decode(b"".join(parts.artifacts.read(tenant, shown.proof)))
    summary = {
        "circuit_id": f"0x{proof.circuit_id.hex()}",
        "samples": result["proof_samples"],
        "inputs": None if proof.committed else _values(proof.inputs),
        "outputs": _values(proof.outputs),
        "insecure_srs": proof.insecure_srs,
        "recipient": shown_recipient(proof.recipient),
    }
    owner = find_subject(parts.database, shown.job.version_id, shown.job.tier).owner
    # Whatever becomes of the model, the proof can be checked.
    parts.artifacts.keep_for(tenant, owner, result["verifying_key"])
    with parts.database.write() as session:
        values = {
            "job_id": job_id,
            "proof": shown.proof,
            "verifying_key": result["verifying_key"],
            "summary": summary,
            "shared_at": now(session),
        }
        insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
        session.execute(insert(SharedProof).values(values).on_conflict_do_nothing())
    return shown.proof


def unshare(parts: Parts, tenant: str, job_id: str) -> None:
    """Make a job's proof public no longer. Whoever has it, has it.

    Raises
    ------
    NotFound
        If the tenant has no such job, or its proof is not public.
    """
    parts.jobs.get(tenant, job_id)
    with parts.database.write() as session:
        gone = session.execute(
            delete(SharedProof).where(SharedProof.job_id == job_id).returning(SharedProof.job_id)
        )
        if gone.one_or_none() is None:
            raise NotFound(f"the proof of job {job_id} is not public")


def shared(parts: Parts, digest: str) -> Shared | None:
    """The public proof of a digest; None if there is none. Who asks needs no account."""
    found = (
        select(SharedProof, Job, Artifact.size, Model, Version.number, Tenant.name)
        .join(Job, Job.id == SharedProof.job_id)
        .join(Artifact, Artifact.digest == SharedProof.proof)
        .join(Version, Version.id == Job.version_id)
        .join(Model, Model.id == Version.model_id)
        .join(Tenant, Tenant.id == Model.tenant_id)
        .where(SharedProof.proof == digest)
        # Equal proofs may have been shared more than once.
        .order_by(SharedProof.shared_at, SharedProof.job_id)
        .limit(1)
    )
    with parts.database.read() as session:
        row = session.execute(found).one_or_none()
    if row is None:
        return None
    public, job, size, model, number, owner = row
    assert job.finished_at is not None  # it has a proof
    summary: dict[str, Any] = public.summary
    return Shared(
        digest,
        size,
        job.tenant_id,
        public.verifying_key,
        job.tier,
        f"{model.name}@{owner}" if model.public else None,
        str(number) if model.public else None,
        job.finished_at,
        public.shared_at,
        summary["circuit_id"],
        summary["samples"],
        summary["inputs"],
        summary["outputs"],
        summary["insecure_srs"],
        summary["recipient"],
    )


def _values(values: Sequence[int]) -> list[int] | None:
    return list(values) if len(values) <= MAX_VALUES else None
