"""The models of tenants, and their circuits ready to answer.

A model is called NAME by the tenant that owns it, and NAME@TENANT, with the tenant's name, by everybody if it
is public.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from circuits.circuit import Circuit
from circuits.file import load
from service.artifacts import Artifacts
from service.batching import Batcher
from service.database import Database, Model, Tenant, Version
from service.errors import NotFound
from service.limits import DEFAULTS, Limits
from service.registry import Addition, Registry, check_name
from service.summary import summary_of

CIRCUIT_TYPE = "application/vnd.verinfer.circuit"
FOUND_SECONDS = 1.0
"""For how long a name is known to mean a version: a newer version is served at most so much later."""
MAX_FOUND = 10_000
MAX_LOADED_BYTES = 2 << 30
"""How many bytes of circuit files are kept ready; those that were asked for longest ago go first."""


@dataclass(frozen=True)
class Served:
    """A version of a model, ready to answer."""

    version_id: str
    name: str
    version: str
    versions: tuple[str, ...]
    """All that there are, oldest first."""
    circuit: Circuit
    batcher: Batcher[Any]
    """Gathers what is asked of the circuit."""


@dataclass(frozen=True)
class _Found:
    """What a name means."""

    version_id: str
    owner: str
    digest: str
    number: str
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class _Loaded:
    circuit: Circuit
    batcher: Batcher[Any]
    size: int


class Models:
    """The models that tenants may use.

    Parameters
    ----------
    max_loaded_bytes
        How many bytes of circuit files may be ready at a time.
    defaults
        The limits of tenants that have none of their own.
    """

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        max_loaded_bytes: int = MAX_LOADED_BYTES,
        clock: Callable[[], float] = time.monotonic,
        defaults: Limits = DEFAULTS,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._registry = Registry(database, defaults)
        self._max_loaded_bytes = max_loaded_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str, str | None], tuple[float, Served]] = {}
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    def find(self, tenant: str, name: str, version: str | None = None) -> Served:
        """A version of a model, by default the newest, with its circuit loaded.

        Raises
        ------
        NotFound
            If the tenant may use no such model, or it has no such version.
        """
        key = (tenant, name, version)
        try:
            with self._database.read() as session:
                found = _look_up(session, tenant, name, version)
        except NotFound:
            with self._lock:
                self._found.pop(key, None)
            raise
        loaded = self._load(found)
        served = Served(found.version_id, name, found.number, found.numbers, loaded.circuit, loaded.batcher)
        with self._lock:
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            self._found[key] = (self._clock() + FOUND_SECONDS, served)
        return served

    def ready(self, tenant: str, name: str, version: str | None = None) -> Served | None:
        """What `find` has just found, without asking the database; None if `find` is to be called."""
        key = (tenant, name, version)
        with self._lock:
            until, served = self._found.get(key, (0.0, None))
            at = self._clock()
            if served is None or at < until:
                return served
            # One caller looks it up anew; the others go on with what is known.
            self._found[key] = (at + FOUND_SECONDS, served)
        return None

    def add(self, tenant: str, name: str, circuit: Path) -> tuple[str, str]:
        """Make a circuit file the newest version of a tenant's model, which is made if there is none.

        Returns
        -------
        tuple[str, str]
            The version's id and number. Where the newest version has that circuit already, that one.

        Raises
        ------
        InputError
            If that is no name for a model, or the file is no circuit.
        QuotaExceeded
            If it would be a model more than the tenant may have.
        """
        check_name(name)
        loaded = load(circuit)
        with circuit.open("rb") as file:
            digest = self._artifacts.put(tenant, file, CIRCUIT_TYPE)
        new = Addition(digest, loaded.circuit_id.hex(), summary_of(loaded).model_dump())
        added = self._registry.add(tenant, name, new)
        self._forget(name)
        return added

    def _forget(self, name: str) -> None:
        """Look a name up anew when it is next asked for."""
        with self._lock:
            for key in [key for key in self._found if key[1].partition("@")[0] == name]:
                del self._found[key]

    def _load(self, found: _Found) -> _Loaded:
        with self._lock:
            loaded = self._loaded.get(found.digest)
            if loaded is not None:
                self._loaded.move_to_end(found.digest)
                return loaded
        with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
            path = self._artifacts.fetch(found.owner, found.digest, Path(folder) / "model.circuit")
            size, circuit = path.stat().st_size, load(path)
        with self._lock:
            # Another thread may have loaded it meanwhile: all share one.
            loaded = self._loaded.setdefault(found.digest, _Loaded(circuit, Batcher(), size))
            while len(self._loaded) > 1 and self._loaded_bytes() > self._max_loaded_bytes:
                self._loaded.popitem(last=False)
        return loaded

    def _loaded_bytes(self) -> int:
        return sum(loaded.size for loaded in self._loaded.values())


def _look_up(session: Session, tenant: str, name: str, version: str | None) -> _Found:
    own, _, owner = name.partition("@")
    owned = Model.tenant_id == tenant
    if "@" in name:
        owned = (Tenant.name == owner) & or_(owned, Model.public)
    model = session.scalar(
        select(Model).join(Tenant, Tenant.id == Model.tenant_id).where(Model.name == own, owned)
    )
    versions = [] if model is None else session.scalars(
        select(Version).where(Version.model_id == model.id).order_by(Version.number)
    ).all()  # fmt: skip
    if model is None or not versions:
        raise NotFound(f"there is no model {name!r:.120}")
    numbers = tuple(str(one.number) for one in versions)
    chosen = numbers[-1] if version is None else version
    if chosen not in numbers:
        raise NotFound(f"the model {name!r:.120} has no version {chosen!r:.40}")
    one = versions[numbers.index(chosen)]
    return _Found(one.id, model.tenant_id, one.circuit, chosen, numbers)
