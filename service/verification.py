"""Checking proofs for whoever asks, in the sandbox, some at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import or_, select

from circuits.errors import InputError
from service.database import Model, Tenant, Version, VersionKey
from service.errors import NotFound
from service.handlers.verify import CHECK, READ, verify_limits
from service.parts import Parts
from service.sandbox.files import PROOF
from service.sandbox.sandbox import Sandbox

MAX_KEYS = 8
"""How many keys of the service's own a proof is compared with."""


class TooMany(Exception):
    """As many proofs are being checked as may."""


@dataclass(frozen=True)
class Known:
    """A version whose key a proof was checked against."""

    model: str
    """NAME@TENANT."""
    version: int


@dataclass(frozen=True)
class Checked:
    """What a check has found.

    Parameters
    ----------
    verdict
        See `service.sandbox.checking.check_proof`.
    known
        Whose key it was, if it was not given.
    """

    verdict: dict[str, Any]
    known: Known | None

    @property
    def says(self) -> str:
        """What it means, in a sentence."""
        verdict = self.verdict
        if not verdict["valid"]:
            return f"The proof does not hold: {verdict['reason'].removeprefix('the proof is invalid: ')}."
        named = f"0x{verdict['circuit_id']}"
        which = f"the circuit {named}"
        if self.known is not None:
            which = f"version {self.known.version} of {self.known.model}, the circuit {named},"
        inputs = (
            "the inputs that it states" if verdict["inputs"] == "public" else "an input that it commits to"
        )
        text = f"The proof holds: {which} gives these outputs on {inputs}"
        if verdict["recipient"] is not None:
            text += f", said to {verdict['recipient']} only"
        if verdict["insecure_srs"]:
            text += "; but somebody may know the secret of its reference string, so it convinces nobody else"
        return text + "."


class Verification:
    """Checks proofs, so many at a time."""

    def __init__(self, parts: Parts, at_a_time: int) -> None:
        self._parts = parts
        self._room = threading.BoundedSemaphore(at_a_time)

    def check(self, viewer: str | None, proof: BinaryIO, key: BinaryIO | None) -> Checked:
        """Check a proof against a key, or against those of models that the viewer may use.

        Raises
        ------
        TooMany
            If there is no room now.
        NotFound
            If no key is given, and no such model has the proof's circuit.
        InputError
            If one is not a proof, or the other no key, or checking takes more than it may.
        """
        if not self._room.acquire(blocking=False):
            raise TooMany
        try:
            with Sandbox(verify_limits(self._parts.settings)) as box:
                with (box.folder / PROOF).open("wb") as file:
                    shutil.copyfileobj(proof, file)
                if key is not None:
                    with (box.folder / "key").open("wb") as file:
                        shutil.copyfileobj(key, file)
                    return Checked(box.run(CHECK, {"keys": ["key"]}), None)
                named = box.run(READ, {})
                candidates = self._candidates(viewer, str(named["circuit_id"]), str(named["backend"]))
                names = [f"key{i}" for i in range(len(candidates))]
                for name, (_, owner, digest) in zip(names, candidates, strict=True):
                    self._parts.artifacts.fetch(owner, digest, box.folder / name)
                verdict = box.run(CHECK, {"keys": names})
                return Checked(verdict, candidates[_index(verdict, len(names))][0])
        finally:
            self._room.release()

    def _candidates(
        self, viewer: str | None, circuit_id: str, backend: str
    ) -> Sequence[tuple[Known, str, str]]:
        """Versions that have the circuit: what they are called, whose they are, and the digests of their
        keys; each key once.
        """
        with self._parts.database.read() as session:
            rows = session.execute(
                select(Model.name, Tenant.name, Version.number, Model.tenant_id, VersionKey.verifying_key)
                .join(Version, Version.model_id == Model.id)
                .join(VersionKey, VersionKey.version_id == Version.id)
                .join(Tenant, Tenant.id == Model.tenant_id)
                .where(Version.circuit_id == circuit_id, VersionKey.backend == backend)
                .where(or_(Model.public, Model.tenant_id == viewer))
                # The viewer's own, then the oldest: who copies a model does not take its name here.
                .order_by((Model.tenant_id == viewer).desc(), Version.id)
                .limit(100)
            ).all()
        found = {
            key: (Known(f"{name}@{owner}", number), owner_id, key)
            for name, owner, number, owner_id, key in reversed(rows)
        }
        if not found:
            raise NotFound(
                f"the proof is about the circuit 0x{circuit_id:.64}, and you may use no model here that has "
                "it and a key: send the verifying key too"
            )
        return list(reversed(found.values()))[:MAX_KEYS]


def _index(verdict: dict[str, Any], count: int) -> int:
    index = verdict.get("key")
    if not isinstance(index, int) or not 0 <= index < count:
        raise InputError("the check went wrong")
    return index
