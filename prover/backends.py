"""The backends there are, by name; one is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module

from circuits.errors import InputError
from prover.backend import Backend
from prover.keys import KeyCache

BACKENDS = {"ezkl": ("prover.ezkl.backend", "EzklBackend")}
"""The module and the class of each backend."""
DEFAULT = "ezkl"


def backend(name: str, cache: KeyCache | None = None) -> Backend:
    """The backend called `name`, its proving keys in `cache`, by default this user's.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r}; known are: {', '.join(BACKENDS)}")
    module, made_by = BACKENDS[name]
    made: Backend = getattr(import_module(module), made_by)(cache)
    return made
