"""Where the circuits of models come from."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from circuits.circuit import Circuit
from circuits.errors import InputError
from service.batching import Batcher
from service.errors import NotFound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True)
class Served:
    """A version of a model, ready to answer."""

    name: str
    version: str
    versions: tuple[str, ...]
    """All that there are, oldest first."""
    circuit: Circuit

    @cached_property
    def batcher(self) -> Batcher:
        """What runs the circuit."""
        return Batcher(self.circuit)


class Models(Protocol):
    """The models that tenants may use."""

    def find(self, tenant: str, name: str, version: str | None) -> Served:
        """A version of a model, by default the newest; the same object for as long as it is in use.

        Raises
        ------
        NotFound
            If the tenant has no such model, or it has no such version.
        """


class FolderModels:
    """The models in a folder, `NAME/VERSION.circuit` with versions 1, 2, ...; every tenant may use them.

    The folder is listed once. Names in requests are looked up in that list, and open no path of their own.

    Parameters
    ----------
    folder
        Where the models are.

    Raises
    ------
    InputError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            files = sorted(folder.resolve(strict=True).glob("*/*.circuit"))
        except OSError as error:
            raise InputError(f"cannot read the models in {folder}: {error.strerror or error}") from None
        self._files: dict[str, dict[str, Path]] = {}
        for file in files:
            if NAME.fullmatch(file.parent.name) and NUMBER.fullmatch(file.stem):
                self._files.setdefault(file.parent.name, {})[file.stem] = file
        self._served: dict[tuple[str, str], Served] = {}
        self._lock = threading.Lock()

    def find(self, tenant: str, name: str, version: str | None) -> Served:
        """See `Models.find`; a circuit is read when first asked for."""
        files = self._files.get(name)
        if files is None:
            raise NotFound(f"there is no model {name!r:.120}")
        versions = tuple(sorted(files, key=int))
        chosen = versions[-1] if version is None else version
        if chosen not in files:
            raise NotFound(f"the model {name!r} has no version {chosen!r:.40}, only {', '.join(versions)}")
        with self._lock:
            served = self._served.get((name, chosen))
            if served is None:
                served = Served(name, chosen, versions, Circuit.load(files[chosen]))
                self._served[name, chosen] = served
        return served
