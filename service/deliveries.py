"""Sending the messages of webhooks, until they arrive or enough has been tried.

A message is taken by putting off its next attempt for a while, and its attempt's number is written down: of
several processes one sends it, and if that one dies, it is sent again. So a message arrives at least once.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, TypeVar

import aiohttp
import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from standardwebhooks import Webhook as Signature

from circuits.errors import InputError
from service import metrics
from service.checked_resolver import CheckedResolver
from service.database import Database, Delivery, Webhook, now
from service.destinations import Destinations, NotAllowed, Resolve, system_resolve
from service.own_thread import OwnThread

AT_A_TIME = 32
OF_A_TENANT = 4
"""How many messages of one tenant are being sent at a time: its slow receivers delay no other's messages."""
ATTEMPT_SECONDS = 15.0
TAKEN_FOR = timedelta(seconds=60)
"""When a message that a process took and never brought to an end is sent again."""
MOST_ATTEMPTS = 14
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=12)
"""Each pause is four times the one before. In all, a message is tried for a little over three days."""
FAILING_FOR = timedelta(days=2)
"""A webhook is disabled when a message is given up, and for so long none has arrived."""
POLL_SECONDS = 1.0
MAX_HEADER_BYTES = 8190
T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True)
class Message:
    """A message in the hands of a process."""

    id: str
    webhook_id: str
    tenant_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    body: bytes
    attempt: int

    def headers(self) -> dict[str, str]:
        """What the Standard Webhooks want beside the body: signed now, with each secret."""
        at = datetime.now(UTC).replace(microsecond=0)
        signatures = [Signature(secret).sign(self.id, at, self.body.decode()) for secret in self.secrets]
        return {
            "Content-Type": "application/json",
            "User-Agent": f"verinfer/{version('verinfer')}",
            "webhook-id": self.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt: the receiver's status, or why there is none."""

    status: int | None
    error: str | None


class Deliverer:
    """Sends messages in a thread until it is stopped.

    Parameters
    ----------
    destinations
        Where messages may be sent.
    resolve
        What finds the addresses of names.
    """

    def __init__(
        self,
        database: Database,
        destinations: Destinations,
        resolve: Resolve = system_resolve,
        poll_seconds: float = POLL_SECONDS,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._resolve = resolve
        self._poll_seconds = poll_seconds
        self._attempt_seconds = attempt_seconds
        self._thread = OwnThread("deliverer", self._begin)
        self._wake: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more messages, and wait for those that are being sent."""
        self._thread.stopping.set()
        with suppress(RuntimeError):  # the loop has ended
            self._wake()
        self._thread.stop()

    def _begin(self) -> None:
        # Names are looked up in threads of their own: those that take long keep nobody else waiting.
        resolving = ThreadPoolExecutor(AT_A_TIME, "resolve")
        try:
            asyncio.run(self._run(resolving))
        finally:
            resolving.shutdown(wait=False, cancel_futures=True)

    async def _run(self, resolving: ThreadPoolExecutor) -> None:
        with ThreadPoolExecutor(2, "deliver") as threads:
            connector = aiohttp.TCPConnector(
                resolver=CheckedResolver(self._destinations, self._resolve, resolving),
                socket_factory=self._destinations.make_socket,
                ssl=ssl.create_default_context(),
                use_dns_cache=False,
                force_close=True,
                limit=0,
            )
            async with aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._attempt_seconds),
                auto_decompress=False,
                trust_env=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            ) as http:
                await self._serve(http, threads)

    async def _serve(self, http: aiohttp.ClientSession, threads: ThreadPoolExecutor) -> None:
        sending: dict[asyncio.Task[None], str] = {}
        woken = asyncio.Event()
        # In this order: who stops before there is anything to wake has set `stopping` before it is read.
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        waking = asyncio.create_task(woken.wait())
        while not self._thread.stopping.is_set():
            if len(sending) < AT_A_TIME:
                busy = Counter(sending.values())
                for message in await self._in_thread(threads, partial(self._take, busy)) or ():
                    task = asyncio.create_task(self._send(http, threads, message))
                    sending[task] = message.tenant_id
            await asyncio.wait(
                {waking, *sending}, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            sending = {task: tenant for task, tenant in sending.items() if not task.done()}
        if sending:
            await asyncio.wait(sending)

    async def _send(self, http: aiohttp.ClientSession, threads: ThreadPoolExecutor, message: Message) -> None:
        outcome = await self._attempt(http, message)
        log.info(
            "webhook", message=message.id, webhook=message.webhook_id, attempt=message.attempt,
            status=outcome.status, error=outcome.error,
        )  # fmt: skip
        metrics.delivery_tried(outcome.status, outcome.error is None)
        await self._in_thread(threads, partial(self._finish, message, outcome))

    async def _attempt(self, http: aiohttp.ClientSession, message: Message) -> Outcome:
        try:
            url = self._destinations.check_url(message.url)  # the settings may have changed
            # The time counts for looking the name up, too.
            async with (
                asyncio.timeout(self._attempt_seconds),
                http.post(url, data=message.body, headers=message.headers(), allow_redirects=False) as answer,
            ):
                # What else it says is not read.
                return Outcome(answer.status, _complaint(answer.status))
        except InputError as error:
            return Outcome(None, str(error))
        except TimeoutError:
            return Outcome(None, f"it took longer than {self._attempt_seconds:g} seconds")
        except aiohttp.ClientConnectorCertificateError:
            return Outcome(None, "its TLS certificate is not valid for it")
        except aiohttp.ClientConnectorError as error:
            return Outcome(None, _why_not_connected(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(None, f"it gave no answer in HTTP ({type(error).__name__})")
        except Exception:
            log.error("failed", at="deliverer", trace=traceback.format_exc())
            return Outcome(None, "an error of the service's own")

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        except DBAPIError as error:
            log.warning("the database failed", at="deliverer", error=str(error.orig))
        except Exception:
            log.error("failed", at="deliverer", trace=traceback.format_exc())
        return None

    def _take(self, busy: Counter[str]) -> tuple[Message, ...]:
        """Take messages that are due, of tenants that have not too many under way. Changes `busy`."""
        with self._database.read() as session:
            due = _due(now(session), _full(busy)).with_only_columns(Delivery.id)
            if session.scalars(due.limit(1)).first() is None:
                return ()
        taken: list[Message] = []
        with self._database.write() as session:
            while (room := AT_A_TIME - busy.total()) > 0:
                at = now(session)
                # The oldest come first; those over their tenant's share wait until some have gone.
                due = _due(at, _full(busy)).limit(room).with_for_update(skip_locked=True, of=Delivery)
                found = session.execute(due).all()
                for delivery, webhook in found:
                    if busy[webhook.tenant_id] >= OF_A_TENANT:
                        continue
                    busy[webhook.tenant_id] += 1
                    delivery.attempts += 1
                    delivery.next_attempt = at + TAKEN_FOR
                    taken.append(_message(delivery, webhook, at))
                session.flush()
                if len(found) < room:
                    break
        return tuple(taken)

    def _finish(self, message: Message, outcome: Outcome) -> None:
        with self._database.write() as session:
            # In this order, in which whoever deletes a webhook locks them, too.
            webhook = session.get(Webhook, message.webhook_id, with_for_update=True)
            delivery = session.get(Delivery, message.id, with_for_update=True)
            if webhook is None or delivery is None or delivery.attempts != message.attempt:
                return  # deleted, or sent by another meanwhile
            delivery.response_status, delivery.error = outcome.status, outcome.error
            if outcome.error is None:
                delivery.delivered_at, delivery.next_attempt = now(session), None
                webhook.failing_since = None
            else:
                _put_off(session, webhook, delivery)


def _put_off(session: Session, webhook: Webhook, delivery: Delivery) -> None:
    at = now(session)
    webhook.failing_since = webhook.failing_since or at
    if delivery.response_status == HTTPStatus.GONE:
        delivery.next_attempt = None
        _disable(webhook, at, "its receiver said that it is gone (410)")
    elif delivery.attempts >= MOST_ATTEMPTS:
        delivery.next_attempt = None
        if at - webhook.failing_since >= FAILING_FOR:
            _disable(webhook, at, "no message arrived for days")
    else:
        delivery.next_attempt = at + pause_after(delivery.attempts)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after some attempts."""
    pause: timedelta = min(FIRST_PAUSE * 4 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)


def _disable(webhook: Webhook, at: datetime, why: str) -> None:
    if webhook.disabled_at is None:
        webhook.disabled_at, webhook.disabled_why = at, why


def _message(delivery: Delivery, webhook: Webhook, at: datetime) -> Message:
    secrets, until = [webhook.secret], webhook.old_secret_until
    if webhook.old_secret is not None and until is not None and at < until:
        secrets.append(webhook.old_secret)
    return Message(
        id=delivery.id,
        webhook_id=webhook.id,
        tenant_id=webhook.tenant_id,
        url=webhook.url,
        secrets=tuple(secrets),
        body=delivery.body,
        attempt=delivery.attempts,
    )


def _due(at: datetime, full: list[str]) -> Any:
    conditions: list[ColumnElement[bool]] = [
        Delivery.next_attempt <= at,
        Webhook.disabled_at.is_(None),
        Webhook.tenant_id.not_in(full),
    ]
    return (
        select(Delivery, Webhook)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(*conditions)
        .order_by(Delivery.next_attempt, Delivery.id)
    )


def _full(busy: Counter[str]) -> list[str]:
    return [tenant for tenant, count in busy.items() if count >= OF_A_TENANT]


def _complaint(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"it answered {status}, and redirects are not followed"
    return f"it answered {status}"


def _why_not_connected(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error.os_error, NotAllowed):
        return str(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name has no address"
    return "there is no connection to it"
