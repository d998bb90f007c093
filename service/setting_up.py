"""From what an owner wishes of a version's keys to the job that makes them."""

from __future__ import annotations

from service.database import Database, Kind
from service.handlers.setup import check_backend
from service.jobs import Order
from service.key_choices import KeyChoices, check_choices
from service.version_keys import find_subject, require_choices


def setup_order(database: Database, version_id: str, backend: str, choices: KeyChoices | None) -> Order:
    """What to submit; with no choices, any key of the backend will do.

    Raises
    ------
    InputError
        If there is no such backend, or it has not what was chosen.
    Conflict
        If the version has a key of the backend that was made otherwise.
    """
    check_backend(backend)
    if choices is None:
        return Order(Kind.SETUP, backend, {}, version_id)
    check_choices(backend, choices)
    require_choices(find_subject(database, version_id, backend), choices)
    return Order(Kind.SETUP, backend, {"choices": choices.model_dump()}, version_id)
