"""The backends there are, by name; one is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module

from circuits.errors import InputError
from prover.backend import Backend

BACKENDS = {
    "sumcheck": ("prover.sumcheck.backend", "SumcheckBackend"),
    "ezkl": ("prover.ezkl.backend", "EzklBackend"),
}
"""The module and the class of each backend."""
DEFAULT = "sumcheck"


def backend(name: str, threads: int | None = None, device: str = "cpu") -> Backend:
    """The backend called `name`.

    Parameters
    ----------
    threads
        How many threads it may use; by default one for each processor.
    device
        What it computes on: "cpu"; "cuda" or "cuda:N", a GPU; or "auto", a GPU if it can use one.

    Raises
    ------
    InputError
        If there is none, it cannot use the device, or the device is not there.
    """
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r}; known are: {', '.join(BACKENDS)}")
    module, made_by = BACKENDS[name]
    made: Backend = getattr(import_module(module), made_by)(threads=threads, device=device)
    return made
