"""Webhooks: what is announced, how it is sent and signed, and what becomes of receivers that fail."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import WebhookVerificationError

import service.deliveries
from circuits.errors import InputError
from service import metrics
from service.database import Database, Delivery, Job, Kind, Webhook
from service.deliveries import MOST_ATTEMPTS, Deliverer, pause_after
from service.errors import Conflict, NotFound, QuotaExceeded
from service.jobs import Jobs, Order
from service.leases import Leases
from service.stages import EXECUTE
from service.webhooks import OLD_SECRET_FOR, Event, Webhooks
from tests.service.conftest import add_tenant
from tests.service.destinations import LOCAL
from tests.service.patience import PATIENCE
from tests.service.receiver import receiving, status

ORDER = Order(Kind.PROVE, "sumcheck", {})


@pytest.fixture
def webhooks(database: Database) -> Webhooks:
    return Webhooks(database, LOCAL)


@contextmanager
def delivering(database: Database, **options: Any) -> Iterator[Deliverer]:
    """Messages are sent for as long as the block lasts."""
    deliverer = Deliverer(database, LOCAL, poll_seconds=0.02, **options)
    deliverer.start()
    try:
        yield deliverer
    finally:
        deliverer.stop()


def ended(database: Database, tenant: str, how: str = "succeed") -> Job:
    """A job that has ended."""
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, ORDER)
    if how == "cancel":
        return jobs.cancel(tenant, job.id)
    lease = leases.claim("worker", list(Kind))
    assert lease is not None
    if how == "succeed":
        leases.finish_stage(lease, EXECUTE, {})
        leases.succeed(lease, {})
    else:
        leases.fail(lease, "it does not fit")
    return jobs.get(tenant, job.id)


def counted() -> Counter[str]:
    """The attempts to send so far, by outcome."""
    found = Counter[str]()
    for outcome in ("delivered", "refused", "unanswered"):
        value = metrics.DELIVERIES.get_sample_value("verinfer_deliveries_total", {"outcome": outcome})
        found[outcome] = int(value or 0)
    return found


def messages(database: Database) -> list[Delivery]:
    with database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come to be"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("how", "event"),
    [("succeed", Event.SUCCEEDED), ("fail", Event.FAILED), ("cancel", Event.CANCELLED)],
)
def test_the_end_of_a_job_is_announced(
    database: Database, tenant: str, webhooks: Webhooks, how: str, event: Event
) -> None:
    with receiving() as receiver, delivering(database):
        webhook = webhooks.add(tenant, receiver.url)
        others = [other for other in Event if other is not event]
        webhooks.add(tenant, receiver.url + "/others", others)
        webhooks.add(add_tenant(database, "two"), receiver.url + "/two")
        disabled = webhooks.add(tenant, receiver.url + "/disabled")
        webhooks.change(tenant, disabled.id, enabled=False)
        job = ended(database, tenant, how)
        [received] = receiver.wait()
        until(lambda: messages(database)[0].delivered_at is not None)
        assert [message.webhook_id for message in messages(database)] == [webhook.id]
    said = received.verified(webhook.secret)
    assert received.path == "/hook" and received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert said["type"] == event and said["data"]["id"] == job.id
    assert job.finished_at is not None and said["data"]["finished_at"].endswith("Z")
    assert datetime.fromisoformat(said["data"]["finished_at"]) == job.finished_at
    assert said["data"]["error"] == job.error and said["data"]["proof"] == job.proof.value
    [message] = messages(database)
    assert (message.id, message.job_id, message.attempts) == (received.headers["webhook-id"], job.id, 1)
    assert (message.response_status, message.next_attempt, message.error) == (204, None, None)
    # What another signs, or what was altered on the way, is not taken for it.
    with pytest.raises(WebhookVerificationError):
        received.verified(webhooks.add(tenant, receiver.url).secret)
    received.body = received.body.replace(job.id.encode(), b"another")
    with pytest.raises(WebhookVerificationError):
        received.verified(webhook.secret)


def test_an_end_that_does_not_come_to_be_is_not_announced(
    database: Database, tenant: str, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.add(tenant, "http://127.0.0.1:1/")
    job = Jobs(database).submit(tenant, ORDER)
    with monkeypatch.context() as patch:
        # After the announcement, in the same transaction.
        def crash(*arguments: Any) -> None:
            raise ConnectionError

        patch.setattr("service.jobs.add_event", crash)
        with pytest.raises(ConnectionError):
            Jobs(database).cancel(tenant, job.id)
    assert messages(database) == []
    Jobs(database).cancel(tenant, job.id)
    assert len(messages(database)) == 1
    Jobs(database).retry(tenant, job.id)
    Jobs(database).cancel(tenant, job.id)
    assert len(messages(database)) == 2


def test_a_replaced_secret_signs_for_a_day(database: Database, tenant: str, webhooks: Webhooks) -> None:
    with receiving() as receiver, delivering(database):
        made = webhooks.add(tenant, receiver.url)
        new = webhooks.replace_secret(tenant, made.id)
        assert abs(new.old_until - datetime.now(UTC) - OLD_SECRET_FOR) < timedelta(minutes=1)
        webhooks.test(tenant, made.id)
        [first] = receiver.wait()
        assert first.verified(made.secret) == first.verified(new.secret)
        assert first.verified(new.secret)["type"] == "test"
        with database.write() as session:
            session.get_one(Webhook, made.id).old_secret_until = datetime.now(UTC)
        until(lambda: messages(database)[0].delivered_at is not None)
        webhooks.test(tenant, made.id)
        second = receiver.wait(2)[1]
        second.verified(new.secret)
        with pytest.raises(WebhookVerificationError):
            second.verified(made.secret)
    assert made.secret.startswith("whsec_") and new.secret != made.secret


def test_what_fails_is_sent_again(
    database: Database, tenant: str, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.deliveries, "pause_after", lambda attempts: timedelta(milliseconds=30))
    before = counted()
    with receiving(status(500), status(404), status(200)) as receiver, delivering(database):
        webhook = webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        receiver.wait(3)
        until(lambda: messages(database)[0].delivered_at is not None)
        time.sleep(0.2)
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len(receiver.received) == 3
    found = webhooks.get(tenant, webhook.id)
    assert (found.failing_since, found.disabled_at) == (None, None)
    [message] = messages(database)
    assert (message.attempts, message.response_status, message.error) == (3, 200, None)
    assert counted() - before == Counter(refused=2, delivered=1)


def test_who_gives_no_answer_is_counted_apart(database: Database, tenant: str, webhooks: Webhooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    before = counted()
    webhooks.add(tenant, f"http://127.0.0.1:{port}/")
    ended(database, tenant)
    with delivering(database):
        until(lambda: messages(database)[0].error is not None)
    assert counted() - before == Counter(unanswered=1)
    assert b'verinfer_deliveries_total{outcome="unanswered"}' in metrics.text(metrics.DELIVERIES)


def test_pauses_grow_to_half_a_day_and_all_take_some_days() -> None:
    pauses = [[pause_after(attempt) for attempt in range(1, MOST_ATTEMPTS)] for _ in range(200)]
    assert {4 <= one[0].total_seconds() <= 6 for one in pauses} == {True}
    assert len({one[0] for one in pauses}) > 100
    for one in pauses:
        assert timedelta(days=2, hours=12) < sum(one, timedelta(0)) < timedelta(days=4)
        assert max(one) <= timedelta(hours=14.4)
    assert pause_after(10**9) <= timedelta(hours=14.4)


def test_a_receiver_that_is_gone_is_asked_no_more(
    database: Database, tenant: str, webhooks: Webhooks
) -> None:
    with receiving(status(410)) as receiver, delivering(database):
        webhook = webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        until(lambda: webhooks.get(tenant, webhook.id).disabled_at is not None)
        ended(database, tenant)
        time.sleep(0.2)
        assert len(receiver.received) == 1 and len(messages(database)) == 1
        [message] = messages(database)
        assert (message.next_attempt, message.delivered_at) == (None, None)
        assert "410" in (webhooks.get(tenant, webhook.id).disabled_why or "")
        for refused in (
            lambda: webhooks.test(tenant, webhook.id),
            lambda: webhooks.replay(tenant, webhook.id, message.id),
        ):
            with pytest.raises(Conflict, match="enable it first"):
                refused()
        receiver.answers = [status(200)]
        webhooks.change(tenant, webhook.id, enabled=True)
        webhooks.replay(tenant, webhook.id, message.id)
        receiver.wait(2)
        until(lambda: messages(database)[0].delivered_at is not None)
        assert len({received.headers["webhook-id"] for received in receiver.received}) == 1


@pytest.mark.parametrize(("days", "disabled"), [(1, False), (3, True)])
def test_a_receiver_that_fails_for_days_is_disabled(
    database: Database, tenant: str, webhooks: Webhooks, days: int, disabled: bool
) -> None:
    with receiving(status(500)) as receiver:
        webhook = webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        with database.write() as session:
            session.get_one(Webhook, webhook.id).failing_since = datetime.now(UTC) - timedelta(days=days)
            session.get_one(Delivery, messages(database)[0].id).attempts = MOST_ATTEMPTS - 1
        with delivering(database):
            until(lambda: messages(database)[0].response_status == 500)
            time.sleep(0.1)
    [message] = messages(database)
    assert (message.attempts, message.next_attempt, len(receiver.received)) == (MOST_ATTEMPTS, None, 1)
    assert (webhooks.get(tenant, webhook.id).disabled_at is not None) == disabled


def test_several_processes_send_each_message_once(
    database: Database, tenant: str, webhooks: Webhooks
) -> None:
    with receiving() as receiver:
        webhooks.add(tenant, receiver.url)
        webhooks.add(tenant, receiver.url)
        for _ in range(20):
            ended(database, tenant, "cancel")
        with delivering(database), delivering(database), delivering(database):
            until(lambda: all(message.delivered_at is not None for message in messages(database)))
            time.sleep(0.1)
    ids = [received.headers["webhook-id"] for received in receiver.received]
    assert len(ids) == 40 == len(set(ids))
    assert {message.attempts for message in messages(database)} == {1}


def test_what_a_process_took_and_never_ended_is_sent_again(
    database: Database, tenant: str, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:

    with receiving() as receiver:
        webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        monkeypatch.setattr(service.deliveries, "TAKEN_FOR", timedelta(seconds=0.5))
        dead = Deliverer(database, LOCAL)
        [taken] = dead._take(Counter())
        monkeypatch.undo()
        with delivering(database):
            time.sleep(0.2)
            assert receiver.received == []
            receiver.wait()
            until(lambda: messages(database)[0].delivered_at is not None)
        # The dead one was only slow. What it found out comes too late.
        dead._finish(taken, service.deliveries.Outcome(500, "it answered 500"))
    [message] = messages(database)
    assert (message.attempts, message.response_status) == (2, 204)
    assert message.delivered_at is not None and message.next_attempt is None


def test_a_webhook_deleted_while_its_message_is_sent(
    database: Database, tenant: str, webhooks: Webhooks
) -> None:
    def slow(connection: Any) -> None:
        webhooks.delete(tenant, webhook.id)
        status(200)(connection)

    with receiving(slow) as receiver, delivering(database):
        webhook = webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        receiver.wait()
        until(lambda: messages(database) == [])
    assert webhooks.list(tenant) == []


def test_a_stopped_deliverer_has_ended_what_it_began(
    database: Database, tenant: str, webhooks: Webhooks
) -> None:
    def slow(connection: Any) -> None:
        time.sleep(0.5)
        status(200)(connection)

    with receiving(slow) as receiver:
        webhooks.add(tenant, receiver.url)
        ended(database, tenant)
        with delivering(database):
            receiver.wait()
        assert messages(database)[0].delivered_at is not None


def test_a_deliverer_with_nothing_to_send_stops_at_once(database: Database) -> None:
    deliverer = Deliverer(database, LOCAL, poll_seconds=3600)
    for pause in (0, 0.2):  # before it has looked, and while it waits to look again
        deliverer.start()
        time.sleep(pause)
        stopping = threading.Thread(target=deliverer.stop, daemon=True)
        stopping.start()
        stopping.join(PATIENCE)
        assert not stopping.is_alive()


def test_webhooks_are_each_tenants_own(database: Database, tenant: str, webhooks: Webhooks) -> None:
    other = add_tenant(database, "two")
    webhook = webhooks.add(tenant, "http://127.0.0.1:1/x")
    ended(database, tenant)
    [message] = messages(database)
    mine = webhooks.add(other, "http://127.0.0.1:1/x")
    for foreign in (
        lambda: webhooks.get(other, webhook.id),
        lambda: webhooks.change(other, webhook.id, enabled=False),
        lambda: webhooks.delete(other, webhook.id),
        lambda: webhooks.replace_secret(other, webhook.id),
        lambda: webhooks.test(other, webhook.id),
        lambda: webhooks.deliveries(other, webhook.id),
        lambda: webhooks.delivery(other, webhook.id, message.id),
        lambda: webhooks.delivery(other, mine.id, message.id),
        lambda: webhooks.replay(other, mine.id, message.id),
    ):
        with pytest.raises(NotFound):
            foreign()
    assert [one.id for one in webhooks.list(other)] == [mine.id]
    unchanged = webhooks.get(tenant, webhook.id)
    assert (unchanged.secret, unchanged.disabled_at) == (webhook.secret, None)


def test_a_tenant_has_as_many_webhooks_as_it_may(database: Database, webhooks: Webhooks) -> None:
    tenant = add_tenant(database, "limited", webhooks=2)
    made = [webhooks.add(tenant, "http://127.0.0.1:1/x") for _ in range(2)]
    with pytest.raises(QuotaExceeded, match="2 webhooks"):
        webhooks.add(tenant, "http://127.0.0.1:1/x")
    webhooks.delete(tenant, made[0].id)
    webhooks.add(tenant, "http://127.0.0.1:1/x", ["job.failed", "job.failed"])
    with pytest.raises(InputError, match=r"no event 'job\.began'"):
        webhooks.add(tenant, "http://127.0.0.1:1/x", ["job.began"])
    with pytest.raises(InputError, match="needs an event"):
        webhooks.change(tenant, made[1].id, events=[])


def test_a_test_waits_for_the_one_before(database: Database, tenant: str, webhooks: Webhooks) -> None:
    webhook = webhooks.add(tenant, "http://127.0.0.1:1/x")
    webhooks.test(tenant, webhook.id)
    with pytest.raises(Conflict, match="not ended yet"):
        webhooks.test(tenant, webhook.id)
    assert json.loads(messages(database)[0].body)["data"] == {}


def test_a_slow_tenant_delays_no_other(database: Database, tenant: str, webhooks: Webhooks) -> None:
    def tarpit(connection: Any) -> None:
        time.sleep(5)

    other = add_tenant(database, "two")
    with receiving(tarpit) as slow, receiving() as quick:
        webhooks.add(tenant, slow.url)
        webhooks.add(other, quick.url)
        for _ in range(40):
            ended(database, tenant, "cancel")
        ended(database, other)
        with delivering(database, attempt_seconds=1.0):
            quick.wait(1, 3)
            assert slow.connections <= 8
