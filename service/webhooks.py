"""Webhooks: where tenants are told that their jobs have ended.

Messages are those of the Standard Webhooks (specification 1.0), signed with a secret that the webhook's owner
gets once. A message is written down in the transaction that ends the job, so there is one for each end, and
none for an end that did not come to be. `service.deliveries` sends them.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from circuits.errors import InputError
from service.database import Database, Delivery, Job, Status, Tenant, Webhook, now
from service.destinations import Destinations
from service.errors import Conflict, NotFound, QuotaExceeded
from service.limits import DEFAULTS, Limits

SECRET_BYTES = 32
OLD_SECRET_FOR = timedelta(hours=24)
"""For how long a replaced secret signs, too."""
TEST = "test"
PAGE = 100
BY_OWNER = "by its owner"


class Event(StrEnum):
    """What a webhook can be told of."""

    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"


@dataclass(frozen=True)
class NewSecret:
    """A secret, and until when the one before signs as well."""

    secret: str
    old_until: datetime


def announce(session: Session, job: Job) -> None:
    """Tell the webhooks of a job's tenant that it has ended, in the transaction that ends it."""
    event = Event(f"job.{_outcome(job)}")
    # Locked against being deleted: the message could not be written then, and the job not be ended.
    open_ones = (
        select(Webhook)
        .where(Webhook.tenant_id == job.tenant_id, Webhook.disabled_at.is_(None))
        .order_by(Webhook.id)
        .with_for_update(read=True, key_share=True)
    )
    for webhook in session.scalars(open_ones).all():
        if event.value in webhook.events:
            _add(session, webhook, event, _described(job), job.id)


class Webhooks:
    """The webhooks of all tenants. Each call names the tenant, and another's webhook looks like none."""

    def __init__(self, database: Database, destinations: Destinations, defaults: Limits = DEFAULTS) -> None:
        self._database = database
        self._destinations = destinations
        self._defaults = defaults

    def add(self, tenant_id: str, url: str, events: Iterable[str] = tuple(Event)) -> Webhook:
        """Make a webhook. Its secret is to be told to its owner this once.

        Raises
        ------
        InputError
            If nothing may be sent to that URL, or one of the events does not exist.
        QuotaExceeded
            If the tenant has as many as it may.
        """
        checked, wanted = str(self._destinations.check_url(url)), _checked_events(events)
        with self._database.write() as session:
            # The tenant's row is locked: of two webhooks at a time, one sees the other.
            tenant = session.get_one(Tenant, tenant_id, with_for_update={"key_share": True})
            most = self._defaults.overlaid(tenant.limits).webhooks
            count = select(func.count()).where(Webhook.tenant_id == tenant_id)
            if most is not None and session.scalars(count).one() >= most:
                raise QuotaExceeded(f"there are {most} webhooks already, which is this tenant's limit")
            webhook = Webhook(
                tenant_id=tenant_id, url=checked, secret=_new_secret(), events=wanted, created_at=now(session)
            )
            session.add(webhook)
        return webhook

    def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        """A tenant's webhook. Raises NotFound."""
        with self._database.read() as session:
            return _owned(session, tenant_id, webhook_id)

    def list(self, tenant_id: str, before: str | None = None, limit: int = PAGE) -> Sequence[Webhook]:
        """A tenant's webhooks, the newest first: the first page, or the one that follows `before`."""
        page = select(Webhook).where(Webhook.tenant_id == tenant_id).order_by(Webhook.id.desc()).limit(limit)
        if before is not None:
            page = page.where(Webhook.id < before)
        with self._database.read() as session:
            return session.scalars(page).all()

    def change(
        self,
        tenant_id: str,
        webhook_id: str,
        url: str | None = None,
        events: Iterable[str] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given of a webhook. Raises NotFound, and what `add` does."""
        checked = None if url is None else str(self._destinations.check_url(url))
        wanted = None if events is None else _checked_events(events)
        with self._database.write() as session:
            webhook = _owned(session, tenant_id, webhook_id, lock=True)
            webhook.url = checked or webhook.url
            webhook.events = webhook.events if wanted is None else wanted
            if enabled is True:
                webhook.disabled_at = webhook.disabled_why = webhook.failing_since = None
            elif enabled is False and webhook.disabled_at is None:
                webhook.disabled_at, webhook.disabled_why = now(session), BY_OWNER
            return webhook

    def delete(self, tenant_id: str, webhook_id: str) -> None:
        """Delete a webhook and its messages. Raises NotFound."""
        with self._database.write() as session:
            webhook = _owned(session, tenant_id, webhook_id, lock=True)
            session.execute(delete(Delivery).where(Delivery.webhook_id == webhook_id))
            session.delete(webhook)

    def replace_secret(self, tenant_id: str, webhook_id: str) -> NewSecret:
        """Give a webhook a new secret. For a day, messages are signed with the old one as well.

        Raises
        ------
        NotFound
            If the tenant has no such webhook.
        """
        with self._database.write() as session:
            webhook = _owned(session, tenant_id, webhook_id, lock=True)
            until = now(session) + OLD_SECRET_FOR
            webhook.old_secret, webhook.old_secret_until = webhook.secret, until
            webhook.secret = _new_secret()
            return NewSecret(webhook.secret, until)

    def test(self, tenant_id: str, webhook_id: str) -> Delivery:
        """Send a message that says nothing.

        Raises
        ------
        NotFound
            If the tenant has no such webhook.
        Conflict
            If it is disabled, or a test waits already.
        """
        with self._database.write() as session:
            webhook = _owned(session, tenant_id, webhook_id, lock=True)
            _check_enabled(webhook)
            waiting = select(Delivery.id).where(
                Delivery.webhook_id == webhook_id, Delivery.event == TEST, Delivery.next_attempt.is_not(None)
            )
            if session.scalars(waiting.limit(1)).first() is not None:
                raise Conflict("a test of this webhook has not ended yet")
            return _add(session, webhook, TEST, {})

    def deliveries(
        self, tenant_id: str, webhook_id: str, before: str | None = None, limit: int = PAGE
    ) -> Sequence[Delivery]:
        """A webhook's messages, the newest first: a page, as `list` has them. Raises NotFound."""
        page = select(Delivery).where(Delivery.webhook_id == webhook_id).order_by(Delivery.id.desc())
        if before is not None:
            page = page.where(Delivery.id < before)
        with self._database.read() as session:
            _owned(session, tenant_id, webhook_id)
            return session.scalars(page.limit(limit)).all()

    def delivery(self, tenant_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """One message. Raises NotFound."""
        with self._database.read() as session:
            _owned(session, tenant_id, webhook_id)
            return _message(session, webhook_id, delivery_id)

    def replay(self, tenant_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a message again, under the same id, so that its receiver can tell.

        Raises
        ------
        NotFound
            If the tenant has no such webhook, or that no such message.
        Conflict
            If the webhook is disabled.
        """
        with self._database.write() as session:
            webhook = _owned(session, tenant_id, webhook_id, lock=True)
            _check_enabled(webhook)
            found = _message(session, webhook_id, delivery_id, lock=True)
            found.attempts, found.next_attempt = 0, now(session)
            found.delivered_at = found.response_status = found.error = None
            return found


def _outcome(job: Job) -> str:
    last = job.execution if job.proof is Status.NONE else job.proof
    # A job whose execution failed has a proof that was cancelled.
    return (Status.FAILED if job.execution is Status.FAILED else last).value


def _described(job: Job) -> dict[str, Any]:
    assert job.finished_at is not None
    return {
        "id": job.id,
        "kind": job.kind.value,
        "tier": job.tier,
        "version_id": job.version_id,
        "execution": job.execution.value,
        "proof": job.proof.value,
        "error": job.error,
        "created_at": _rfc3339(job.created_at),
        "finished_at": _rfc3339(job.finished_at),
    }


def _add(
    session: Session, webhook: Webhook, event: str, data: dict[str, Any], job_id: str | None = None
) -> Delivery:
    at = now(session)
    body = json.dumps({"type": event, "timestamp": _rfc3339(at), "data": data}, separators=(",", ":"))
    added = Delivery(
        webhook_id=webhook.id,
        job_id=job_id,
        event=event,
        body=body.encode(),
        created_at=at,
        next_attempt=at,
    )
    session.add(added)
    session.flush()
    return added


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _checked_events(events: Iterable[str]) -> list[str]:
    wanted, known = sorted(set(events)), [event.value for event in Event]
    for event in wanted:
        if event not in known:
            raise InputError(f"there is no event {event!r:.60}: the events are {', '.join(known)}")
    if not wanted:
        raise InputError(f"a webhook needs an event, of {', '.join(known)}")
    return wanted


def _check_enabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise Conflict(f"the webhook is disabled ({webhook.disabled_why}): enable it first")


def _owned(session: Session, tenant_id: str, webhook_id: str, lock: bool = False) -> Webhook:
    webhook = session.get(Webhook, webhook_id, with_for_update=True if lock else None)
    if webhook is None or webhook.tenant_id != tenant_id:
        raise NotFound(f"there is no webhook {webhook_id!r:.80}")
    return webhook


def _message(session: Session, webhook_id: str, delivery_id: str, lock: bool = False) -> Delivery:
    found = session.get(Delivery, delivery_id, with_for_update=True if lock else None)
    if found is None or found.webhook_id != webhook_id:
        raise NotFound(f"the webhook has no message {delivery_id!r:.80}")
    return found
