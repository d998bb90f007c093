"""What a proof says, for people: the circuit, inputs and outputs, and what a check of it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select

from circuits.circuit import Circuit, Port
from service.artifacts import Artifacts
from service.database import Database, Job, Kind, Model, Tenant, Version, VersionKey
from service.pages.values import Shown, Tensor, show
from verifier.circuit_header import PortEntry
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import shown_recipient
from verifier.statement import samples_of, split_by_port

MOST_SAMPLES = 20
"""How many samples of a batch are shown."""


@dataclass(frozen=True)
class Names:
    """What this service knows of a proof's circuit beside the proof, as far as the visitor may know it."""

    model: str | None
    version: str | None
    key: str
    """The digest of the verifying key that the proof is for."""
    owner: str
    """The tenant that has it."""
    version_id: str | None


def find_names(database: Database, artifacts: Artifacts, proof: Proof, tenant: str | None) -> Names | None:
    """The version that a proof is about, with the key it is for, among those that a tenant may use, or,
    without a tenant, everybody."""
    rows = (
        select(Model, Tenant.name, Version, VersionKey.verifying_key)
        .join(Version, Version.model_id == Model.id)
        .join(Tenant, Tenant.id == Model.tenant_id)
        .join(VersionKey, VersionKey.version_id == Version.id)
        .where(
            Version.circuit_id == proof.circuit_id.hex(),
            VersionKey.backend == proof.backend,
            or_(Model.tenant_id == tenant, Model.public),
        )
        .order_by(Version.created_at.desc())
    )
    with database.read() as session:
        found = session.execute(rows).all()
    for model, owner, version, digest in found:
        key = VerifyingKey.decode(b"".join(artifacts.read(model.tenant_id, digest)))
        if key.digest == proof.key_digest:
            name = model.name if model.tenant_id == tenant else f"{model.name}@{owner}"
            return Names(name, str(version.number), digest, model.tenant_id, version.id)
    return None


def job_of(database: Database, tenant: str, version_id: str, digest: str) -> str | None:
    """The newest job of a tenant's that made a proof; None if none did."""
    made = (
        select(Job.id)
        .where(
            Job.tenant_id == tenant,
            Job.version_id == version_id,
            Job.kind == Kind.PROVE,
            Job.result["proof"].as_string() == digest,
        )
        .order_by(Job.id.desc())
        .limit(1)
    )
    with database.read() as session:
        return session.scalar(made)


@dataclass(frozen=True)
class SampleShown:
    """One sample of a statement; `inputs` is empty where the proof names a commitment to them."""

    inputs: tuple[Shown, ...]
    outputs: tuple[Shown, ...]


@dataclass(frozen=True)
class Evidence:
    """A proof as a page shows it."""

    backend: str
    circuit_id: str
    key_digest: str
    size: int
    insecure: bool
    recipient: str | None
    committed: str | None
    count: int
    samples: tuple[SampleShown, ...]


def read_evidence(data: bytes, proof: Proof, key: VerifyingKey, circuit: Circuit | None) -> Evidence:
    """What a proof says. Nothing of it was checked.

    Parameters
    ----------
    circuit
        That of the key, if it is at hand: it has the names of inputs and outputs.

    Raises
    ------
    BoundError
        If it does not say as much as the key's circuit has inputs and outputs.
    """
    header, statement = key.circuit, proof.statement
    count = samples_of(statement, header)
    taken = _tensors(
        header.inputs, key.scales[: len(header.inputs)], () if circuit is None else circuit.inputs, "input"
    )
    given = _tensors(
        header.outputs, key.scales[len(header.inputs) :], () if circuit is None else circuit.outputs, "output"
    )
    committed = statement.committed
    samples = []
    for place in range(min(count, MOST_SAMPLES)):
        inputs = () if committed else _sample(taken, header.inputs, statement.inputs, place, count)
        samples.append(SampleShown(inputs, _sample(given, header.outputs, statement.outputs, place, count)))
    return Evidence(
        proof.backend,
        "0x" + proof.circuit_id.hex(),
        "0x" + proof.key_digest.hex(),
        len(data),
        proof.insecure_srs or key.insecure_srs,
        shown_recipient(statement.recipient),
        None if committed is None else "0x" + committed.root.hex(),
        count,
        tuple(samples),
    )


def _tensors(
    entries: Sequence[PortEntry], scales: Sequence[float], ports: Sequence[Port], kind: str
) -> list[Tensor]:
    names = [port.name for port in ports]
    single = len(entries) == 1
    found = []
    for place, (entry, scale) in enumerate(zip(entries, scales, strict=True)):
        name = names[place] if names else kind if single else f"{kind} {place}"
        found.append(Tensor(name, entry.shape, entry.lo, entry.hi, scale, "int" if scale == 1 else "real"))
    return found


def _sample(
    tensors: Sequence[Tensor], entries: Sequence[PortEntry], values: Sequence[int], place: int, count: int
) -> tuple[Shown, ...]:
    each = len(values) // count
    split = split_by_port("public", values[place * each : (place + 1) * each], entries)
    return tuple(show(tensor, list(part)) for tensor, part in zip(tensors, split, strict=True))
