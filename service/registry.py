"""Models and their versions as rows: adding, finding, listing, changing and deleting them.

A model is called NAME by the tenant that owns it, and NAME@TENANT by everybody if it is public. What a viewer
may not see looks like nothing. A viewer is a tenant's id, or None for who has no account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, exists, false, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from circuits.errors import InputError
from service.cards import read_card
from service.database import (
    ArtifactOwner,
    Database,
    Job,
    JobStage,
    Model,
    Status,
    Tenant,
    Version,
    VersionKey,
    now,
)
from service.errors import Conflict, NotFound, QuotaExceeded
from service.key_choices import KeyChoices
from service.limits import DEFAULTS, Limits
from service.stages import COMPILE, READ

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
PAGE = 50
BEFORE_REGISTERING = (COMPILE, READ)
"""The stages of a job that compiles which do not know of its version."""


@dataclass(frozen=True)
class KeyView:
    """A version's key for a backend: the verifying key's digest, and how it was made."""

    verifying_key: str
    choices: KeyChoices


@dataclass(frozen=True)
class VersionView:
    """A version. Artifacts are given by their digests, and are the owner's."""

    id: str
    number: int
    circuit_id: str
    circuit: str
    source: str | None
    calibration: str | None
    layers: str | None
    drawing: str | None
    summary: dict[str, Any]
    card: str
    created_at: datetime
    keys: dict[str, KeyView]
    """Those of each backend that is set up."""


@dataclass(frozen=True)
class ModelView:
    """A model, and its newest version."""

    id: str
    name: str
    owner: str
    """The tenant's name."""
    owner_id: str
    public: bool
    created_at: datetime
    newest: VersionView

    @property
    def full_name(self) -> str:
        """What everybody calls it."""
        return f"{self.name}@{self.owner}"


@dataclass(frozen=True)
class Addition:
    """A version to be added.

    Parameters
    ----------
    circuit
        The digest of an artifact of the tenant's; so `source`, `calibration`, `layers` and `drawing`.
    card
        None takes over the card of the version before.
    public
        None leaves it as it is; a new model is private.
    made_by
        The job that adds it: a job adds one version, however often it asks.
    """

    circuit: str
    circuit_id: str
    summary: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    calibration: str | None = None
    card: str | None = None
    public: bool | None = None
    made_by: str | None = None


def check_name(name: str) -> None:
    """Raise InputError if a model cannot be called so."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r:.120} is no name for a model: letters, digits, '.', '_' and '-'")


class Registry:
    """The models of all tenants.

    Parameters
    ----------
    defaults
        The limits of tenants that have none of their own.
    """

    def __init__(self, database: Database, defaults: Limits = DEFAULTS) -> None:
        self._database = database
        self._defaults = defaults

    def add(self, tenant: str, name: str, new: Addition) -> tuple[str, str]:
        """Add a version to a tenant's model, which is made if there is none.

        Returns
        -------
        tuple[str, str]
            The version's id and number. Where the newest version has that circuit already, that one.

        Raises
        ------
        InputError
            If that is no name for a model, or the card is none.
        QuotaExceeded
            If the tenant has as many models as it may.
        """
        check_name(name)
        if new.card is not None:
            read_card(new.card)
        with self._database.write() as session:
            # The tenant's row is locked: of two versions at a time, one has the next number.
            owner = session.get_one(Tenant, tenant, with_for_update={"key_share": True})
            if new.made_by is not None:
                made = session.scalar(select(Version).where(Version.made_by == new.made_by))
                if made is not None:
                    return made.id, str(made.number)
            model = session.scalar(select(Model).where(Model.tenant_id == tenant, Model.name == name))
            if model is None:
                self._check_room(session, owner)
                model = Model(tenant_id=tenant, name=name, created_at=now(session))
                session.add(model)
                session.flush()
            if new.public is not None:
                model.public = new.public
            version = _next(session, model, new)
            session.flush()
            return version.id, str(version.number)

    def check_room(self, tenant: str, name: str) -> None:
        """Raise QuotaExceeded if the tenant has no such model and may have no more."""
        with self._database.read() as session:
            has = select(Model.id).where(Model.tenant_id == tenant, Model.name == name)
            if session.scalar(has) is None:
                self._check_room(session, session.get_one(Tenant, tenant))

    def _check_room(self, session: Session, tenant: Tenant) -> None:
        most = self._defaults.overlaid(tenant.limits).models
        if most is None:
            return
        if session.scalars(select(func.count()).where(Model.tenant_id == tenant.id)).one() >= most:
            raise QuotaExceeded(f"there are {most} models, which is this tenant's limit: delete one")

    def find(self, viewer: str | None, name: str, number: str | None = None) -> tuple[ModelView, VersionView]:
        """A model, and one of its versions, by default the newest.

        Raises
        ------
        NotFound
            If the viewer may see no such model, or it has no such version.
        """
        with self._database.read() as session:
            model, owner = _visible(session, viewer, name)
            [newest] = _views(session, session.scalars(_versions(model.id).limit(1)).all())
            view = _model_view(model, owner, newest)
            if number is None or number == str(newest.number):
                return view, newest
            found: Sequence[Version] = ()
            if number.isascii() and number.isdigit() and len(number) < 10:
                found = session.scalars(_versions(model.id).where(Version.number == int(number))).all()
            if not found:
                raise NotFound(f"the model {name!r:.120} has no version {number!r:.40}")
            return view, _views(session, found)[0]

    def versions(
        self, viewer: str | None, name: str, before: int | None = None, limit: int = PAGE
    ) -> Sequence[VersionView]:
        """A model's versions, the newest first: the first page, or those before a number. Raises NotFound."""
        with self._database.read() as session:
            model, _ = _visible(session, viewer, name)
            page = _versions(model.id).limit(limit)
            if before is not None:
                page = page.where(Version.number < before)
            return _views(session, session.scalars(page).all())

    def list(
        self, viewer: str | None, others: bool = False, before: str | None = None, limit: int = PAGE
    ) -> Sequence[ModelView]:
        """The viewer's models, or those of others that are public, the newest first.

        Parameters
        ----------
        before
            The id of the last model of the page before.
        """
        mine = Model.tenant_id == viewer if viewer is not None else false()
        wanted = and_(Model.public, ~mine) if others else mine
        versioned = exists().where(Version.model_id == Model.id)
        page = (
            select(Model, Tenant)
            .join(Tenant, Tenant.id == Model.tenant_id)
            .where(wanted, versioned)
            .order_by(Model.id.desc())
            .limit(limit)
        )
        if before is not None:
            page = page.where(Model.id < before)
        with self._database.read() as session:
            rows = session.execute(page).all()
            models = [model.id for model, _ in rows]
            newest = (
                select(Version.model_id, func.max(Version.number))
                .where(Version.model_id.in_(models))
                .group_by(Version.model_id)
            )
            chosen = tuple_(Version.model_id, Version.number).in_(newest)
            versions = session.scalars(select(Version).where(chosen)).all()
            views = _views(session, versions)
            of = {version.model_id: view for version, view in zip(versions, views, strict=True)}
            return [_model_view(model, owner, of[model.id]) for model, owner in rows]

    def publish(self, tenant: str, name: str, public: bool) -> ModelView:
        """Make a tenant's own model public, or private. Raises NotFound."""
        with self._database.write() as session:
            _own(session, tenant, name).public = public
        return self.find(tenant, name)[0]

    def put_card(self, tenant: str, name: str, number: str | None, card: str) -> VersionView:
        """Give a version of a tenant's own model another card.

        Raises
        ------
        NotFound
            If there is none.
        InputError
            If it is no card.
        """
        read_card(card)
        _, view = self.find(tenant, name, number)
        with self._database.write() as session:
            _own(session, tenant, name)
            session.get_one(Version, view.id).card = card
        return self.find(tenant, name, str(view.number))[1]

    def describe(self, version_id: str, layers: str, drawing: str) -> None:
        """Keep what was written down of a version: the digests of its layers and drawing."""
        with self._database.write() as session:
            version = session.get(Version, version_id)
            if version is not None:  # else it was deleted meanwhile
                version.layers, version.drawing = layers, drawing

    def delete(self, tenant: str, name: str) -> None:
        """Delete a tenant's own model with all of its versions and keys.

        Proofs stay checkable: a model that has any is not deleted.

        Raises
        ------
        NotFound
            If there is none.
        Conflict
            If proofs were made with it, or are being made.
        """
        with self._database.write() as session:
            session.get_one(Tenant, tenant, with_for_update={"key_share": True})
            model = _own(session, tenant, name)
            # Who adds a job about a version refers to its row: locked, there will be none.
            versions = session.scalars(_versions(model.id).with_for_update()).all()
            ids = [version.id for version in versions]
            keys = session.scalars(select(VersionKey).where(VersionKey.version_id.in_(ids))).all()
            _check_unused(session, ids)
            session.execute(update(Job).where(Job.version_id.in_(ids)).values(version_id=None))
            digests = {
                digest
                for version in versions
                for digest in (
                    version.circuit,
                    version.source,
                    version.calibration,
                    version.layers,
                    version.drawing,
                )
            } | {digest for key in keys for digest in (key.verifying_key, key.proving_key)}
            session.execute(delete(VersionKey).where(VersionKey.version_id.in_(ids)))
            session.execute(delete(Version).where(Version.id.in_(ids)))
            session.delete(model)
            session.flush()
            _release(session, tenant, {digest for digest in digests if digest is not None})

    def release(self, tenant: str, digests: set[str]) -> None:
        """Keep artifacts no longer for a tenant, but for those that its versions or open jobs need."""
        with self._database.write() as session:
            _release(session, tenant, digests)


def withdraw(session: Session, job: Job) -> None:
    """Undo what a locked job that compiled has registered, and forget that it did: who tries the job again
    registers anew. A version that somebody has asked for jobs about stays, as does what the job changed of a
    version that was there before.
    """
    # As in `Registry.add`: nobody adds another version to the model meanwhile.
    session.get_one(Tenant, job.tenant_id, with_for_update={"key_share": True})
    # Who adds a job about a version refers to its row: locked, there will be none.
    version = session.scalar(select(Version).where(Version.made_by == job.id).with_for_update())
    if version is None or session.scalar(select(Job.id).where(Job.version_id == version.id).limit(1)):
        return
    session.execute(delete(VersionKey).where(VersionKey.version_id == version.id))
    session.delete(version)
    session.flush()
    left = exists().where(Version.model_id == version.model_id)
    session.execute(delete(Model).where(Model.id == version.model_id, ~left))
    kept = JobStage.stage.in_(BEFORE_REGISTERING)
    session.execute(delete(JobStage).where(JobStage.job_id == job.id, ~kept))


def _next(session: Session, model: Model, new: Addition) -> Version:
    newest = session.scalar(_versions(model.id).limit(1))
    if newest is not None and newest.circuit == new.circuit:
        newest.card = newest.card if new.card is None else new.card
        newest.summary = new.summary or newest.summary
        return newest
    inherited = "" if newest is None else newest.card
    added = Version(
        model_id=model.id,
        number=1 if newest is None else newest.number + 1,
        circuit_id=new.circuit_id,
        circuit=new.circuit,
        source=new.source,
        calibration=new.calibration,
        card=inherited if new.card is None else new.card,
        summary=new.summary,
        made_by=new.made_by,
        created_at=now(session),
    )
    session.add(added)
    return added


def _versions(model_id: str) -> Select[Version]:
    return select(Version).where(Version.model_id == model_id).order_by(Version.number.desc())


def _visible(session: Session, viewer: str | None, name: str) -> tuple[Model, Tenant]:
    own, at, owner = name.partition("@")
    mine = Model.tenant_id == viewer if viewer is not None else false()
    allowed = and_(Tenant.name == owner, or_(mine, Model.public)) if at else mine
    found = session.execute(
        select(Model, Tenant)
        .join(Tenant, Tenant.id == Model.tenant_id)
        .where(Model.name == own, allowed, exists().where(Version.model_id == Model.id))
    ).one_or_none()
    if found is None:
        raise NotFound(
            f"there is no model {name!r:.120}" + ("" if at else "; those of others are NAME@TENANT")
        )
    return found[0], found[1]


def _own(session: Session, tenant: str, name: str) -> Model:
    """A tenant's own model, locked."""
    model, _ = _visible(session, tenant, name)
    if model.tenant_id != tenant:
        raise NotFound(f"there is no model {name!r:.120} of your own")
    return session.get_one(Model, model.id, with_for_update=True)


def _views(session: Session, versions: Sequence[Version]) -> list[VersionView]:
    keys: dict[str, dict[str, KeyView]] = {version.id: {} for version in versions}
    for key in session.scalars(select(VersionKey).where(VersionKey.version_id.in_(list(keys)))):
        view = KeyView(key.verifying_key, KeyChoices.model_validate(key.choices))
        keys[key.version_id][key.backend] = view
    return [
        VersionView(
            one.id, one.number, one.circuit_id, one.circuit, one.source, one.calibration, one.layers,
            one.drawing, one.summary, one.card, one.created_at, keys[one.id],
        )
        for one in versions
    ]  # fmt: skip


def _model_view(model: Model, owner: Tenant, newest: VersionView) -> ModelView:
    return ModelView(model.id, model.name, owner.name, owner.id, model.public, model.created_at, newest)


def _check_unused(session: Session, versions: Sequence[str]) -> None:
    """Raise Conflict if somebody has proofs by one of some versions, or a job about one that is not done."""
    about = Job.version_id.in_(versions)
    for what, which in (
        ("jobs wait or run", and_(about, Job.finished_at.is_(None))),
        ("proofs were made", and_(about, Job.proof == Status.SUCCEEDED)),
    ):
        count = session.scalars(select(func.count()).select_from(Job).where(which)).one()
        if count:
            raise Conflict(
                f"{count} {what} with the model, which need it to be checked: make it private instead"
            )


def _release(session: Session, tenant: str, digests: set[str]) -> None:
    """See `Registry.release`."""
    for table, columns in (
        (Version, ("circuit", "source", "calibration", "layers", "drawing")),
        (VersionKey, ("verifying_key", "proving_key")),
    ):
        for name in columns:
            column = getattr(table, name)
            needed = select(column).where(column.in_(digests))
            versions = select(Version.id).join(Model, Model.id == Version.model_id)
            versions = versions.where(Model.tenant_id == tenant)
            key: Any = Version.id if table is Version else VersionKey.version_id
            digests = digests - set(session.scalars(needed.where(key.in_(versions))))
    waiting = select(Job.request).where(Job.tenant_id == tenant, Job.finished_at.is_(None))
    requests = json.dumps(session.scalars(waiting).all())
    digests = {digest for digest in digests if digest not in requests}
    session.execute(
        delete(ArtifactOwner).where(ArtifactOwner.tenant_id == tenant, ArtifactOwner.digest.in_(digests))
    )
