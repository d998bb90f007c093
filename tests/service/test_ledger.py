"""What tenants have used: each thing once, whatever fails; and who is told of it."""

from __future__ import annotations

import csv
import io
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, text

import service.ledger
from service.api_keys import create_key
from service.application import application
from service.artifacts import Artifacts
from service.database import Database, Kind, LedgerEntry, Status
from service.errors import LeaseLost
from service.jobs import Jobs, Order
from service.leases import Leases
from service.ledger import DONE, UNITS, Meter, What, record
from service.parts import LOCAL_TENANT
from service.stages import EXECUTE
from service.usage import COLUMNS, PAGE, usage, usage_csv
from service.worker import Context, Worker
from tests.service.conftest import add_tenant
from tests.service.serving import add_model, compiled, images, opened, served
from tests.service.test_access import ask

BEGIN, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
ORDER = Order(Kind.PROVE, "sumcheck", {})


def used(database: Database, tenant: str) -> dict[str, float]:
    """All that a tenant has ever used."""
    return {item.what: item.quantity for item in usage(database, tenant, BEGIN, END)}


def test_every_kind_of_job_and_every_count_is_known() -> None:
    assert set(DONE) == set(Kind) and set(UNITS) == set(What)


def test_a_job_that_was_tried_again_counts_once(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database, most_attempts=1)
    job = jobs.submit(tenant, ORDER)
    first = leases.claim("a", list(Kind))
    assert first is not None
    leases.finish_stage(first, EXECUTE, {}, 2.5)
    leases.try_again(first, "no luck")
    assert used(database, tenant) == {"seconds": 2.5}
    jobs.retry(tenant, job.id)
    second = leases.claim("b", list(Kind))
    assert second is not None
    with pytest.raises(LeaseLost):
        leases.finish_stage(first, "prove", {}, 100.0)
    leases.finish_stage(second, "prove", {}, 4.0)
    leases.succeed(second, {})
    with pytest.raises(LeaseLost):
        leases.succeed(second, {})
    assert used(database, tenant) == {"proofs": 1, "seconds": 6.5}
    with database.read() as session:
        assert {entry.job_id for entry in session.scalars(select(LedgerEntry))} == {job.id}


def test_a_claim_is_no_proof(database: Database, tenant: str) -> None:
    Jobs(database).submit(tenant, Order(Kind.PROVE, "optimistic", {}))
    leases = Leases(database)
    lease = leases.claim("a", list(Kind))
    assert lease is not None
    leases.finish_stage(lease, EXECUTE, {}, 0.5)
    leases.succeed(lease, {})
    assert used(database, tenant) == {"claims": 1, "seconds": 0.5}


@pytest.mark.parametrize("how", [Status.FAILED, Status.CANCELLED])
def test_what_did_not_succeed_counts_no_proof(database: Database, tenant: str, how: Status) -> None:
    Jobs(database).submit(tenant, ORDER)
    leases = Leases(database)
    lease = leases.claim("a", list(Kind))
    assert lease is not None
    if how is Status.FAILED:
        leases.fail(lease, "no")
    else:
        leases.cancel(lease)
    assert used(database, tenant) == {}


def test_workers_say_what_stages_take(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    job = jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {}))
    clock = iter([10.0, 12.5])

    def handler(context: Context) -> dict[str, Any]:
        return context.stage("check", dict)

    worker = Worker(Leases(database), {Kind.VERIFY: handler}, poll_seconds=0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.worker.time", SimpleNamespace(monotonic=lambda: next(clock, 0.0)))
        lease = worker._leases.claim("a", [Kind.VERIFY])
        assert lease is not None
        context = Context(worker._leases, lease, worker._thread.stopping)
        worker._leases.succeed(lease, handler(context))
    assert jobs.get(tenant, job.id).execution is Status.SUCCEEDED
    assert used(database, tenant) == {"verifications": 1, "seconds": 2.5}


def test_stored_bytes_count_when_a_tenant_first_puts_them(database: Database, tmp_path: Path) -> None:
    one, two = add_tenant(database, "one"), add_tenant(database, "two")
    artifacts = Artifacts(database, str(tmp_path), 1 << 20)
    for tenant in (one, one, two):
        artifacts.put(tenant, io.BytesIO(b"12345"), "text/plain")
    artifacts.put(one, io.BytesIO(b"123"), "text/plain")
    assert used(database, one) == {"bytes_stored": 8} and used(database, two) == {"bytes_stored": 5}


def test_a_meter_counts_all(database: Database) -> None:
    tenants = [add_tenant(database, name) for name in ("one", "two")]
    meter = Meter(database, seconds=0.01)
    meter.start()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(500):
            pool.submit(meter.count, tenants[0], {What.REQUESTS: 1, What.SAMPLES: 3})
            pool.submit(meter.count, tenants[1], {What.REQUESTS: 1})
    meter.stop()
    assert used(database, tenants[0]) == {"requests": 500, "samples": 1500}
    assert used(database, tenants[1]) == {"requests": 500}
    with database.read() as session:
        assert len(session.scalars(select(LedgerEntry)).all()) <= 6  # three, and three if an hour just began


def test_the_hours_of_a_meter(database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 1, 1, 22, 59, 58, tzinfo=UTC)
    monkeypatch.setattr(service.ledger, "now", lambda session: at)
    meter = Meter(database)
    for _ in range(4):
        meter.count(tenant, {What.REQUESTS: 1})
        meter.flush()
        meter.flush()
        at += timedelta(seconds=1)
    with database.read() as session:
        rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.at)).all()
    assert [(row.at.hour, row.quantity) for row in rows] == [(22, 2), (23, 2)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_that_fails_loses_nothing_and_counts_nothing_twice(
    database: Database, tenant: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away before the commit, or just after it, when nobody knows whether it was done."""
    meter = Meter(database)
    meter.count(tenant, {What.REQUESTS: 2})
    merge = service.ledger.Session.merge
    with monkeypatch.context() as patch:
        if when == "before":

            def refused(session: Any, *arguments: Any) -> None:
                raise ConnectionError

            patch.setattr(service.ledger.Session, "merge", refused)
        else:
            patch.setattr(meter, "_unwritten", Unclearable())
        with pytest.raises(ConnectionError):
            meter.flush()
        kept = dict(meter._unwritten)
    meter._unwritten = kept
    assert service.ledger.Session.merge is merge
    meter.count(tenant, {What.REQUESTS: 1})
    monkeypatch.setattr(service.ledger, "now", lambda session: datetime.now(UTC) + timedelta(hours=2))
    meter.stop()
    assert used(database, tenant) == {"requests": 3}


class Unclearable(dict[str, Any]):
    """The answer to a commit gets lost."""

    def clear(self) -> None:
        raise ConnectionError


def infer(where: str, circuit: Any) -> tuple[int, dict[str, str], Any]:
    """Ask for an answer."""
    data = images(2).tolist()
    tensor = {"name": "image", "shape": [2, 1, 8, 8], "datatype": "FP32", "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    return ask(where, "/v2/models/digits/infer", "", "POST", body)


def test_serving_goes_on_while_the_ledger_cannot_be_written(url: str, tmp_path: Path, digits: Path) -> None:
    circuit = compiled(digits)
    with opened(tmp_path, database=url) as parts:
        tenant = parts.tenant(LOCAL_TENANT)
        add_model(parts, tenant, circuit)
        before = used(parts.database, tenant)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service.ledger, "FLUSH_SECONDS", 0.05)
            app = application(parts)
        with served(app) as where:
            assert infer(where, circuit)[0] == 200
            with parts.database.write() as session:
                session.execute(text("ALTER TABLE ledger RENAME TO elsewhere"))
            assert {infer(where, circuit)[0] for _ in range(5)} == {200}
            assert ask(where, "/v2/models/digits/infer", "", "POST", b"{}")[0] == 400
            with parts.database.write() as session:
                session.execute(text("ALTER TABLE elsewhere RENAME TO ledger"))
        found = used(parts.database, tenant)
        assert before.keys() == {"bytes_stored"}
        assert (found["requests"], found["samples"]) == (6, 12)
        assert found["bytes_in"] > 6 * 128 and found["bytes_out"] > 6 * 100


def test_usage_over_http(url: str, tmp_path: Path) -> None:
    with opened(tmp_path, database=url, access="keys") as parts, served(application(parts)) as where:
        one, two = (add_tenant(parts.database, name) for name in ("one", "two"))
        key = create_key(parts.database, one, "a", ["account"])
        infer_only = create_key(parts.database, one, "b", ["infer", "jobs", "models"])
        with parts.database.write() as session:
            for tenant, hours, what, quantity in (
                (one, 0, What.PROOFS, 1),
                (one, 23.5, What.PROOFS, 1),
                (one, 24, What.PROOFS, 5),
                (one, 1, What.SECONDS, 0.25),
                (two, 1, What.PROOFS, 100),
            ):
                record(session, tenant, what, quantity)
                session.flush()
                entry = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id.desc())).first()
                assert entry is not None
                entry.at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)

        def items(query: str) -> list[tuple[Any, ...]]:
            status, _, answer = ask(where, f"/api/v1/usage?{query}", key)
            assert status == 200, answer
            return [(item["day"], item["what"], item["quantity"], item["unit"]) for item in answer["items"]]

        assert items("from=2026-03-01&to=2026-03-03") == [
            ("2026-03-01", "proofs", 2, "proof"),
            ("2026-03-01", "seconds", 0.25, "second"),
            ("2026-03-02", "proofs", 5, "proof"),
        ]
        assert items("from=2026-03-01&to=2026-03-02&group=what") == [
            (None, "proofs", 2, "proof"),
            (None, "seconds", 0.25, "second"),
        ]
        # The day is that of UTC, and the moment is one whatever the zone that it is told in.
        assert items("from=2026-03-02T02:00:00%2B02:00&to=2026-03-03") == [
            ("2026-03-02", "proofs", 5, "proof")
        ]
        assert items("from=2025-01-01&to=2025-01-02") == [] == items("")
        for query, status in (
            ("from=2026-03-02&to=2026-03-01", 400),
            ("from=0001-01-01T00:00:00%2B23:00", 400),
            ("from=0001-01-01", 400),
            ("to=0001-01-01", 400),
            ("to=9999-12-31T23:59:59-23:00", 400),
            ("from=2026-03-01T01:00:00", 422),
            ("from=yesterday", 422),
            ("group=hour", 422),
        ):
            assert ask(where, f"/api/v1/usage?{query}", key)[0] == status, query
        assert ask(where, "/api/v1/usage?group=what&from=0001-01-02", key)[0] == 200
        assert ask(where, "/api/v1/usage", infer_only)[0] == 403
        assert ask(where, "/api/v1/usage.csv")[0] == 401


def rows(pieces: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(pieces), newline="")))


def test_usage_as_csv(database: Database, tenant: str) -> None:
    other, job = add_tenant(database, "other"), Jobs(database).submit(tenant, ORDER)
    with database.write() as session:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        for i in range(2 * PAGE + 5):  # many of one moment: none is left out where a page ends
            session.add(
                LedgerEntry(tenant_id=tenant, what="proofs", quantity=i, unit="proof", at=at, job_id=job.id)
            )
        session.add(LedgerEntry(tenant_id=other, what="proofs", quantity=1, unit="proof", at=at))
        hostile = '=HYPERLINK("http://x", 1)'
        at += timedelta(seconds=1)
        session.add(LedgerEntry(tenant_id=tenant, what=hostile, quantity=0.5, unit="\t@cmd", at=at))
    found = rows(usage_csv(database, tenant, BEGIN, END))
    assert found[0] == list(COLUMNS) and len(found) == 2 * PAGE + 7
    assert sorted(int(row[2]) for row in found[1:-1]) == list(range(2 * PAGE + 5))
    assert found[1][:2] == ["2026-03-01T00:00:00+00:00", "proofs"] and found[1][4] == job.id
    assert found[-1] == ["2026-03-01T00:00:01+00:00", "'" + hostile, "0.5", "'\t@cmd", ""]
    assert len(rows(usage_csv(database, tenant, at, END))) == 2


def test_csv_over_http(tmp_path: Path) -> None:
    with opened(tmp_path) as parts, served(application(parts)) as where:
        parts.artifacts.put(parts.tenant(LOCAL_TENANT), io.BytesIO(b"12345"), "text/plain")
        with urllib.request.urlopen(f"http://{where}/api/v1/usage.csv") as response:
            assert response.headers["content-type"] == "text/csv; charset=utf-8"
            assert response.headers["content-disposition"].startswith('attachment; filename="usage-20')
            assert [row[1:] for row in rows([response.read().decode()])[1:]] == [
                ["bytes_stored", "5", "byte", ""]
            ]
