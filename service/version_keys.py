"""Which keys a version has, by backend. The first ones that are kept stay: proofs name their key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from circuits.errors import InputError
from service.database import Database, Model, Version, VersionKey
from service.errors import Conflict, NotFound
from service.key_choices import DEFAULT_CHOICES, KeyChoices

WITHOUT_SETUP = {"sumcheck"}
"""The backends whose keys are made on the way to a first proof."""


@dataclass(frozen=True)
class Subject:
    """What a proof of a version is about.

    Parameters
    ----------
    owner
        The tenant whose model it is, who has all of these artifacts.
    circuit
        The digest of the circuit's file.
    verifying_key
        The digest of the backend's key; None if there is none yet.
    choices
        How that key was made.
    """

    owner: str
    version_id: str
    backend: str
    circuit: str
    verifying_key: str | None
    choices: KeyChoices = DEFAULT_CHOICES


def find_subject(database: Database, version_id: str | None, backend: str) -> Subject:
    """What a proof of a version by a backend is about.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    with database.read() as session:
        found = session.execute(
            select(Model.tenant_id, Version.circuit, VersionKey.verifying_key, VersionKey.choices)
            .join(Version, Version.model_id == Model.id)
            .outerjoin(VersionKey, (VersionKey.version_id == Version.id) & (VersionKey.backend == backend))
            .where(Version.id == version_id)
        ).one_or_none()
    if found is None:
        raise NotFound(f"there is no version {version_id}")
    owner, circuit, key, choices = found
    return Subject(owner, str(version_id), backend, circuit, key, KeyChoices.model_validate(choices or {}))


def keep_key(
    subject: Subject, database: Database, verifying_key: str, choices: KeyChoices = DEFAULT_CHOICES
) -> str:
    """Say which key a version has, unless somebody has said so already.

    Parameters
    ----------
    verifying_key
        The digest of an artifact of the model's owner.
    choices
        How it was made.

    Returns
    -------
    str
        The digest of the verifying key that the version has.
    """
    values = {
        "version_id": subject.version_id,
        "backend": subject.backend,
        "verifying_key": verifying_key,
        "choices": choices.model_dump(),
    }
    with database.write() as session:
        insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
        session.execute(insert(VersionKey).values(values).on_conflict_do_nothing())
        found = select(VersionKey.verifying_key).filter_by(
            version_id=subject.version_id, backend=subject.backend
        )
        return session.scalars(found).one()


def require_choices(subject: Subject, choices: KeyChoices | None) -> None:
    """Raise Conflict if a version has a key that was made otherwise than is wished; None wishes nothing."""
    if subject.verifying_key is not None and choices not in (None, subject.choices):
        raise Conflict(
            f"the version has a key for {subject.backend} that was made with other choices, and keeps it: "
            "its proofs name it. Upload the model under another name"
        )


def require_samples(subject: Subject, samples: int) -> None:
    """Raise InputError if a version's key does not take so many samples in one proof."""
    if subject.choices.commit_inputs and samples != 1:
        raise InputError(
            f"there are {samples} samples, and the version's key for {subject.backend} commits to inputs: "
            "a proof by it is of one"
        )


def require_key(backend: str, verifying_key: str | None) -> None:
    """Raise InputError if a proof would lack a key that takes too long to be made on the way."""
    if verifying_key is None and backend not in WITHOUT_SETUP:
        raise InputError(f"the model's version has no key for {backend}: set it up first")
