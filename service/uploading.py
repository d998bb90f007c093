"""From what a tenant has sent to the job that makes a model of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from circuits.errors import InputError
from service.cards import read_card
from service.database import Job, Kind, Tenant
from service.handlers.compile import DATA_TYPE, SOURCE_TYPE, Options
from service.handlers.setup import check_backend
from service.jobs import Order
from service.key_choices import KeyChoices, check_choices
from service.parts import Parts
from service.registry import check_name

NO_TIER = "none"


@dataclass(frozen=True)
class Upload:
    """What was sent.

    Parameters
    ----------
    source
        An ONNX model, or a circuit.
    calibration
        Samples of its inputs: .npz, .npy or JSON.
    public, card
        None leaves them as they are.
    setup
        The backends to make keys for.
    choices
        How, by backend; by default with nothing chosen.
    """

    name: str
    source: BinaryIO
    calibration: BinaryIO | None
    options: Options
    public: bool | None
    card: str | None
    setup: tuple[str, ...]
    choices: Mapping[str, KeyChoices] = field(default_factory=dict)


def upload_limit(parts: Parts, tenant: str) -> int:
    """How many bytes a tenant may send at a time."""
    with parts.database.read() as session:
        own = parts.settings.limits.overlaid(session.get_one(Tenant, tenant).limits).max_upload_bytes
    return parts.settings.max_upload_bytes if own is None else min(own, parts.settings.max_upload_bytes)


def submit_upload(parts: Parts, tenant: str, upload: Upload, idempotency_key: str | None) -> Job:
    """Keep what was sent, and the job that makes a version of it.

    Raises
    ------
    InputError
        If the name, the card or a backend is none, or something is chosen that a backend has not, or of a
        backend that no key is made for.
    QuotaExceeded
        If the tenant may not have another model, as many bytes, or another job.
    Conflict
        If the key was used for another request.
    """
    check_name(upload.name)
    parts.registry.check_room(tenant, upload.name)
    if upload.card is not None:
        read_card(upload.card)
    for backend in upload.setup:
        check_backend(backend)
    for backend, choices in upload.choices.items():
        if backend not in upload.setup:
            raise InputError(f"there are choices for {backend!r:.40}, and no key is made for it")
        check_choices(backend, choices)
    kept: set[str] = set()
    try:
        source = parts.artifacts.put(tenant, upload.source, SOURCE_TYPE)
        kept.add(source)
        calibration = None
        if upload.calibration is not None:
            calibration = parts.artifacts.put(tenant, upload.calibration, DATA_TYPE)
            kept.add(calibration)
        request = {
            "model": upload.name,
            "source": source,
            "calibration": calibration,
            "options": upload.options.model_dump(by_alias=True),
            "public": upload.public,
            "card": upload.card,
            "setup": list(upload.setup),
        }
        if upload.choices:
            request["choices"] = {backend: one.model_dump() for backend, one in upload.choices.items()}
        return parts.jobs.submit(tenant, Order(Kind.COMPILE, NO_TIER, request), idempotency_key)
    except InputError:
        parts.registry.release(tenant, kept)
        raise
