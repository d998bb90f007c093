"""Webhooks over HTTP."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json

from service.api.access import Access
from service.api.bodies import small_bodies
from service.api_keys import Scope
from service.database import Delivery, Webhook
from service.destinations import MAX_URL
from service.webhooks import Event, Webhooks

T = TypeVar("T")
MAX_PAGE = 100
Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Before = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="the `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


class Page(BaseModel, Generic[T]):
    """Some of a list, the newest first."""

    items: list[T]
    next: str | None = Field(description="the `before` of the page that follows, if there is one")


class WebhookOrder(BaseModel):
    """A webhook to be made."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=MAX_URL)
    events: list[Event] = Field(default=list(Event), min_length=1, max_length=len(Event))


class WebhookChange(BaseModel):
    """What is to be changed of a webhook; the rest stays."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(default=None, max_length=MAX_URL)
    events: list[Event] | None = Field(default=None, min_length=1, max_length=len(Event))
    enabled: bool | None = None


class WebhookItem(BaseModel):
    """A webhook. Its secret is not told again."""

    id: str
    url: str
    events: list[str]
    created_at: datetime
    enabled: bool
    disabled_at: datetime | None
    disabled_why: str | None
    failing_since: datetime | None = Field(description="since when no message has arrived")


class WebhookMade(WebhookItem):
    """A new webhook, with the secret that its messages are signed with."""

    secret: str


class SecretReplaced(BaseModel):
    """A webhook's new secret."""

    secret: str
    old_secret_until: datetime = Field(description="until then, messages are signed with the old one, too")


class State(StrEnum):
    """What has become of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryItem(BaseModel):
    """A message to a webhook; its id is what the header `webhook-id` says."""

    id: str
    event: str
    job: str | None
    state: State
    created_at: datetime
    attempts: int
    next_attempt: datetime | None
    delivered_at: datetime | None
    response_status: int | None = Field(description="what the last attempt was answered with")
    error: str | None = Field(description="why the last attempt failed")


class DeliveryWhole(DeliveryItem):
    """A message with what it says."""

    body: JsonValue


def webhooks_router(webhooks: Webhooks, access: Access, body_seconds: float) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], route_class=small_bodies(body_seconds))
    who = access.tenant(Scope.ACCOUNT)

    @router.post("", status_code=201)
    def make(order: WebhookOrder, tenant: str = Depends(who)) -> WebhookMade:
        """Make a webhook. The answer has its secret, this once."""
        made = webhooks.add(tenant, order.url, order.events)
        return WebhookMade(secret=made.secret, **_item(made).model_dump())

    @router.get("")
    def all_of_them(
        before: Before = None, limit: Limit = MAX_PAGE, tenant: str = Depends(who)
    ) -> Page[WebhookItem]:
        """The webhooks, the newest first."""
        found = webhooks.list(tenant, before, limit)
        return Page(items=[_item(one) for one in found], next=_next(found, limit))

    @router.get("/{webhook}")
    def one(webhook: Id, tenant: str = Depends(who)) -> WebhookItem:
        """A webhook."""
        return _item(webhooks.get(tenant, webhook))

    @router.patch("/{webhook}")
    def change(webhook: Id, wanted: WebhookChange, tenant: str = Depends(who)) -> WebhookItem:
        """Change a webhook; enabling one that was disabled has its waiting messages sent."""
        return _item(webhooks.change(tenant, webhook, wanted.url, wanted.events, wanted.enabled))

    @router.delete("/{webhook}", status_code=204)
    def delete(webhook: Id, tenant: str = Depends(who)) -> None:
        """Delete a webhook, and its messages."""
        webhooks.delete(tenant, webhook)

    @router.post("/{webhook}/secret")
    def replace_secret(webhook: Id, tenant: str = Depends(who)) -> SecretReplaced:
        """Replace a webhook's secret. The answer has the new one, this once."""
        made = webhooks.replace_secret(tenant, webhook)
        return SecretReplaced(secret=made.secret, old_secret_until=made.old_until)

    @router.post("/{webhook}/test", status_code=202)
    def test(webhook: Id, tenant: str = Depends(who)) -> DeliveryItem:
        """Have a message sent that says nothing."""
        return _delivery(webhooks.test(tenant, webhook))

    @router.get("/{webhook}/deliveries")
    def deliveries(
        webhook: Id, before: Before = None, limit: Limit = MAX_PAGE, tenant: str = Depends(who)
    ) -> Page[DeliveryItem]:
        """A webhook's messages, the newest first."""
        found = webhooks.deliveries(tenant, webhook, before, limit)
        return Page(items=[_delivery(one) for one in found], next=_next(found, limit))

    @router.get("/{webhook}/deliveries/{delivery}")
    def delivery(webhook: Id, delivery: Id, tenant: str = Depends(who)) -> DeliveryWhole:
        """A message."""
        found = webhooks.delivery(tenant, webhook, delivery)
        return DeliveryWhole(body=from_json(found.body), **_delivery(found).model_dump())

    @router.post("/{webhook}/deliveries/{delivery}/replay", status_code=202)
    def replay(webhook: Id, delivery: Id, tenant: str = Depends(who)) -> DeliveryItem:
        """Have a message sent again, under the same id."""
        return _delivery(webhooks.replay(tenant, webhook, delivery))

    return router


def _item(webhook: Webhook) -> WebhookItem:
    return WebhookItem(
        id=webhook.id,
        url=webhook.url,
        events=webhook.events,
        created_at=webhook.created_at,
        enabled=webhook.disabled_at is None,
        disabled_at=webhook.disabled_at,
        disabled_why=webhook.disabled_why,
        failing_since=webhook.failing_since,
    )


def _delivery(delivery: Delivery) -> DeliveryItem:
    waiting = State.FAILED if delivery.next_attempt is None else State.WAITING
    return DeliveryItem(
        id=delivery.id,
        event=delivery.event,
        job=delivery.job_id,
        state=waiting if delivery.delivered_at is None else State.DELIVERED,
        created_at=delivery.created_at,
        attempts=delivery.attempts,
        next_attempt=delivery.next_attempt,
        delivered_at=delivery.delivered_at,
        response_status=delivery.response_status,
        error=delivery.error,
    )


def _next(found: Any, limit: int) -> str | None:
    return found[-1].id if len(found) == limit else None
