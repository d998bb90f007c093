"""The handler of `setup` jobs: make a version's keys for a backend, which the job's tier names.

request   {"choices": {...} (see `service.key_choices`)}, or {} where nothing was chosen
result    {"verifying_key": digest, "proving_key": null}

A version has one key for each backend, for good: its proofs are checked against that one. What a backend
needs besides to prove (ezkl: a proving key) lies in the cache of the machine that made it, and is made again
where it is missing.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from circuits.errors import InputError
from circuits.file import load
from prover.backends import BACKENDS, backend
from prover.memory import require
from service.handlers.prove import KEY_TYPE
from service.key_choices import DEFAULT_CHOICES, KeyChoices, check_choices
from service.parts import Parts
from service.reference_strings import finder
from service.stages import SETUP
from service.version_keys import find_subject, keep_key, require_choices
from service.worker import Context, Result
from verifier.srs import SrsStore


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
            If the version is not the tenant's own, the backend does not take its circuit, there is no
            reference string for it, or the version has a key that was made with other choices.
        """
        lease = context.lease
        version, chosen = lease.version_id or "", lease.request.get("choices")
        choices = None if chosen is None else KeyChoices.model_validate(chosen)
        done = context.stage(
            SETUP,
            lambda: {"key": set_up(self._parts, context, version, lease.tier, choices, self._srs)},
        )
        return {"verifying_key": done["key"], "proving_key": None}


def set_up(
    parts: Parts,
    context: Context,
    version_id: str,
    name: str,
    choices: KeyChoices | None,
    srs: SrsStore | None = None,
) -> str:
    """Make a version's key for a backend, unless there is one; with no choices, any will do.

    Returns its digest; raises as the handler.
    """
    tenant = context.lease.tenant_id
    check_backend(name)
    subject = find_subject(parts.database, version_id, name)
    if subject.owner != tenant:
        raise InputError("the model is another tenant's: its owner sets it up")
    require_choices(subject, choices)
    if subject.verifying_key is not None:
        return subject.verifying_key
    with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
        circuit = load(parts.artifacts.fetch(tenant, subject.circuit, Path(folder) / "model.circuit"))
    wanted, prover = choices or DEFAULT_CHOICES, backend(name)
    check_choices(name, wanted)
    prover.check(circuit)
    needed = prover.estimate(circuit).peak_rss_bytes
    context.require_memory(needed)
    if name != "sumcheck":  # which asks for itself, before it takes any
        require(needed, f"a proof by {name}")
    made = prover.setup(circuit, finder(srs or SrsStore()), context.progress, wanted.of_setup)
    digest = parts.artifacts.put(tenant, io.BytesIO(made.key.encode()), KEY_TYPE)
    kept = keep_key(subject, parts.database, digest, wanted)
    # A proof that was asked for meanwhile may have brought a key of its own.
    require_choices(find_subject(parts.database, version_id, name), choices)
    return kept


def check_backend(name: str) -> None:
    """Raise InputError if there is no backend of that name."""
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r:.40}; known are: {', '.join(BACKENDS)}")
