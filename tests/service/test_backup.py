"""Backups of services that work meanwhile, restored into either kind of database; killed, altered."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import inspect, select

from circuits.errors import InputError
from service.backup import MANIFEST, backup, restore
from service.database import (
    ApiKey,
    ArtifactOwner,
    Base,
    Database,
    Delivery,
    Job,
    JobEvent,
    Kind,
    LedgerEntry,
    Model,
    PageSession,
    SharedProof,
    Status,
    Version,
    VersionKey,
    Webhook,
)
from service.errors import DamagedArtifact
from service.jobs import Order
from service.parts import Parts
from service.receipts import ReceiptSigner
from service.settings import Settings
from service.stages import EXECUTE
from tests.service.backing_up import backing_up, restoring
from tests.service.conftest import add_tenant
from tests.service.processes import process


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """Of a service on each kind of database."""
    return Settings(data=tmp_path / "data", database=url)


@pytest.fixture(params=["same", "other"])
def elsewhere(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Settings:
    """Of a service that is not there yet, on the same kind of database and on the other."""
    wanted = url.startswith("sqlite") == (request.param == "same")
    place = str(tmp_path / "elsewhere.db")
    if not wanted:
        place = request.getfixturevalue("second_postgres_database")
    return Settings(data=tmp_path / "elsewhere", database=place)


@pytest.fixture
def second_postgres_database(postgres: str) -> str:
    """The URL of one more empty database."""
    name = f"restored{time.monotonic_ns()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.replace("/postgres?", f"/{name}?")


def put(parts: Parts, tenant: str, data: bytes) -> str:
    return parts.artifacts.put(tenant, io.BytesIO(data), "application/json")


def finished_job(parts: Parts, tenant: str, data: bytes) -> str:
    """A job that has read one artifact and made another."""
    request = {"input": put(parts, tenant, data)}
    job = parts.jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", request))
    lease = parts.leases.claim("worker", [Kind.PROVE])
    assert lease is not None
    parts.leases.finish_stage(lease, EXECUTE, {}, 0.5)
    # It may be another's job, where several are at work.
    parts.leases.succeed(lease, {"output": put(parts, lease.tenant_id, b"output of " + data)})
    return job.id


def furnish(parts: Parts) -> str:
    """A row in every table, with all that is peculiar about its columns. Returns a tenant's id."""
    assert parts.signer.public_key  # the key is made when it is first needed
    tenant = add_tenant(parts.database, "one", open_jobs=5, models=None)
    job = finished_job(parts, tenant, b'{"input_ints": [[1]]}')
    circuit = put(parts, tenant, b"a circuit")
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    with parts.database.write() as session:
        model = Model(tenant_id=tenant, name="m", created_at=at, public=True)
        session.add(model)
        session.flush()
        made = Version(model_id=model.id, number=1, circuit_id="0x1", circuit=circuit, created_at=at)
        made.card = "é\n\u2028"
        session.add(made)
        session.flush()
        session.add(VersionKey(version_id=made.id, backend="sumcheck", verifying_key=circuit))
        key = ApiKey(tenant_id=tenant, name="k", digest="d", scopes=["infer"], created_at=at, expires_at=at)
        session.add(key)
        session.flush()
        session.add(PageSession(digest="s", key_id=key.id, created_at=at, expires_at=at))
        shared = SharedProof(
            job_id=job, proof=circuit, verifying_key=circuit, summary={"x": None}, shared_at=at
        )
        session.add(shared)
        webhook = Webhook(tenant_id=tenant, url="https://x", secret="s", events=["job.failed"], created_at=at)
        session.add(webhook)
        session.flush()
        session.add(Delivery(webhook_id=webhook.id, job_id=job, event="x", body=b"\x00\xff\n", created_at=at))
    return tenant


def everything(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables."""
    tables = {}
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            mapper = next(m for m in Base.registry.mappers if m.local_table is table)
            rows = session.scalars(select(mapper.class_)).all()
            names = [attribute.key for attribute in mapper.column_attrs]
            tables[table.name] = sorted(repr([getattr(row, name) for name in names]) for row in rows)
    return tables


def test_what_is_restored_is_what_was_there(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with Parts.open(settings) as parts:
        tenant = furnish(parts)
        orphan = put(parts, tenant, b"nobody's")
        parts.artifacts.release(tenant, orphan)
        before = everything(parts.database)
        manifest = backup(settings, folder, receipt_key=True)
        signed = parts.signer.public_key
    assert all(before[name] for name in before), "a table is empty, so it is not tested"
    before["artifacts"] = [row for row in before["artifacts"] if orphan not in row]
    assert {entry.name: entry.rows for entry in manifest.tables} == {
        name: len(rows) for name, rows in before.items()
    }
    assert folder.stat().st_mode & 0o077 == 0
    assert all(
        path.stat().st_mode & 0o077 == 0 for path in [folder / "receipt-key.pem", *folder.glob("tables/*")]
    )
    assert restore(elsewhere, folder) == manifest
    with Parts.open(elsewhere) as parts:
        assert everything(parts.database) == before
        assert parts.signer.public_key == signed
        assert elsewhere.receipt_key_path.stat().st_mode & 0o777 == 0o600
        with parts.database.read() as session:
            digests = session.scalars(select(ArtifactOwner.digest)).all()
            [job] = session.scalars(select(Job))
            assert (job.result, job.error) == (
                {"output": hashlib.sha256(b'output of {"input_ints": [[1]]}').hexdigest()},
                None,
            )
        for digest in digests:
            assert hashlib.sha256(b"".join(parts.artifacts.read(tenant, digest))).hexdigest() == digest
        finished_job(parts, tenant, b"another")  # it works on


def test_a_backup_under_load_is_of_one_moment(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    folder, stop = tmp_path / "backup", threading.Event()
    failed: list[BaseException] = []
    with Parts.open(settings) as parts:
        tenants = [add_tenant(parts.database, name) for name in ("one", "two", "three")]

        def work(tenant: str) -> None:
            number = 0
            try:
                while not stop.is_set():
                    finished_job(parts, tenant, f"{tenant} {number}".encode())
                    number += 1
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(tenant,)) for tenant in tenants]
        for thread in threads:
            thread.start()
        time.sleep(1)
        counts = [backup(settings, tmp_path / f"backup{i}").artifacts for i in range(3)]
        backup(settings, folder)
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == [] and counts == sorted(counts) and counts[-1] > counts[0] > 0
    restore(elsewhere, folder)
    with Parts.open(elsewhere) as parts, parts.database.read() as session:
        jobs = session.scalars(select(Job)).all()
        ended = {job.id: job for job in jobs if job.finished_at is not None}
        assert len(ended) > 3
        for job in jobs:
            assert b"".join(parts.artifacts.read(job.tenant_id, job.request["input"]))
        for job in ended.values():
            assert job.proof is Status.SUCCEEDED and job.result is not None
            assert b"".join(parts.artifacts.read(job.tenant_id, job.result["output"]))
        # What one transaction writes is there as a whole.
        entries = session.scalars(select(LedgerEntry.job_id).where(LedgerEntry.what == "proofs")).all()
        events = session.scalars(select(JobEvent.job_id).where(JobEvent.event == "finished")).all()
        assert sorted(map(str, entries)) == sorted(events) == sorted(ended)


def killed(target: Callable[..., None], settings: Settings, folder: Path, when: Callable[[], bool]) -> None:
    """Start a process, and kill it at a moment in the midst."""
    given = {"data": settings.data, "database": settings.database_url}
    victim = process(target, given, str(folder))
    victim.start()
    until = time.monotonic() + 60
    while not when():
        assert victim.is_alive() and time.monotonic() < until, "it ended too early"
        time.sleep(0.005)
    victim.kill()
    victim.join()
    assert victim.exitcode == -9


def test_killed_in_the_midst_of_either(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    with Parts.open(settings) as parts:
        tenant = furnish(parts)
        for number in range(100):
            put(parts, tenant, b"%d" % number)
        before = everything(parts.database)
    half, whole = tmp_path / "half", tmp_path / "whole"
    killed(backing_up, settings, half, lambda: len(list(half.glob("artifacts/*/*"))) > 5)
    with pytest.raises(InputError, match="no whole backup"):
        restore(elsewhere, half)
    assert not elsewhere.data.exists()
    with pytest.raises(InputError, match="is not empty"):
        backup(settings, half)
    backup(settings, whole)
    stored = elsewhere.data / "artifacts"
    killed(restoring, elsewhere, whole, lambda: len(list(stored.glob("sha256/*/*"))) > 5)
    database = Database(elsewhere.database_url)
    assert inspect(database.engine).get_table_names() == [], "there is half a service"
    database.close()
    with pytest.raises(InputError, match="there are artifacts"):
        restore(elsewhere, whole)
    shutil.rmtree(stored)
    restore(elsewhere, whole)
    with Parts.open(elsewhere) as parts:
        assert everything(parts.database) == before


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Settings, Path]]:
    """Where a service is to be restored, and its backup; what follows is the same with every database."""
    settings = Settings(data=tmp_path / "data")
    with Parts.open(settings) as parts:
        furnish(parts)
    backup(settings, tmp_path / "backup", receipt_key=True)
    yield Settings(data=tmp_path / "elsewhere"), tmp_path / "backup"
    assert not (tmp_path / "elsewhere" / "service.db").exists() or not inspect(
        Database(str(tmp_path / "elsewhere" / "service.db")).engine
    ).has_table("tenants"), "there is a service after all"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "no whole backup"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "no manifest"),
        (lambda folder: edit(folder / MANIFEST, lambda m: m.update(format=2)), "no manifest"),
        (lambda folder: edit(folder / MANIFEST, lambda m: m.update(more=1)), "no manifest"),
        (
            lambda folder: edit(folder / MANIFEST, lambda m: m.update(revision="9999")),
            "made by a newer program",
        ),
        (
            lambda folder: edit(folder / MANIFEST, lambda m: m["tables"][0].update(name="../../x")),
            "cannot be",
        ),
        (lambda folder: edit(folder / MANIFEST, lambda m: m["tables"].pop()), "other tables"),
        (lambda folder: (folder / "tables" / "jobs.jsonl").unlink(), "lacks"),
        (lambda folder: (folder / "tables" / "jobs.jsonl").open("a").write("{}\n"), "not as it was"),
        (lambda folder: (folder / "receipt-key.pem").write_text("another"), "not as it was"),
        (lambda folder: next(folder.glob("artifacts/*/*")).unlink(), "lacks the artifact"),
        (lambda folder: next(folder.glob("artifacts/*/*")).write_bytes(b"x"), "not those"),
    ],
    ids=range(12),
)
def test_what_was_altered_is_refused(
    made: tuple[Settings, Path], alter: Callable[[Path], object], message: str
) -> None:
    settings, folder = made
    alter(folder)
    with pytest.raises((InputError, DamagedArtifact), match=message):
        restore(settings, folder)
    assert not (settings.data.parent / "x").exists()


def test_rows_that_lead_out_of_the_backup(made: tuple[Settings, Path]) -> None:
    """The digests of a backup that somebody made up fit it. A path is still no digest."""
    settings, folder = made
    path = folder / "tables" / "artifacts.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    owners = folder / "tables" / "artifact_owners.jsonl"
    names = owners.read_text()
    for table, text in (
        (path, path.read_text().replace(lines[0]["digest"], "../../../etc/passwd")),
        (owners, names.replace(lines[0]["digest"], "../../../etc/passwd")),
    ):
        table.write_text(text)
        new = hashlib.sha256(text.encode()).hexdigest()

        def change(manifest: dict[str, Any], name: str = table.stem, new: str = new) -> None:
            next(entry for entry in manifest["tables"] if entry["name"] == name)["sha256"] = new

        edit(folder / MANIFEST, change)
    with pytest.raises(InputError, match=r"no SHA-256|rows that refer to none"):
        restore(settings, folder)


def test_only_an_empty_place_is_restored_to(tmp_path: Path) -> None:
    settings, folder = Settings(data=tmp_path / "data"), tmp_path / "backup"
    with Parts.open(settings) as parts:
        furnish(parts)
        before = everything(parts.database)
    backup(settings, folder, receipt_key=True)
    for kept, message in (
        (("service.db", "artifacts", "receipt-key.pem"), "there are artifacts"),
        (("service.db", "receipt-key.pem"), "there is a receipt key"),
        (("service.db",), "is not empty"),
        (("receipt-key.pem",), "there is a receipt key"),
    ):
        place = tmp_path / "-".join(kept)
        place.mkdir()
        for name in kept:
            copy = shutil.copytree if name == "artifacts" else shutil.copy
            copy(settings.data / name, place / name)
        with pytest.raises(InputError, match=message):
            restore(Settings(data=place), folder)
    with Parts.open(Settings(data=tmp_path / "service.db-artifacts-receipt-key.pem")) as parts:
        assert everything(parts.database) == before


def test_there_is_no_backup_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no service here"):
        backup(Settings(data=tmp_path / "nothing"), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_artifact_is_not_backed_up(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    with Parts.open(settings) as parts:
        furnish(parts)
    next((settings.data / "artifacts").glob("sha256/*/*")).write_bytes(b"rot")
    with pytest.raises(DamagedArtifact, match="not those that were put there"):
        backup(settings, tmp_path / "backup")
    assert not (tmp_path / "backup" / MANIFEST).exists()


def test_without_the_receipt_key(tmp_path: Path) -> None:
    settings, elsewhere = Settings(data=tmp_path / "data"), Settings(data=tmp_path / "elsewhere")
    with Parts.open(settings) as parts:
        furnish(parts)
        key = parts.signer.public_key
    backup(settings, tmp_path / "backup")
    pem = settings.receipt_key_path.read_bytes()
    assert all(pem not in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    elsewhere.data.mkdir()
    shutil.copy(settings.receipt_key_path, elsewhere.receipt_key_path)
    restore(elsewhere, tmp_path / "backup")
    assert ReceiptSigner.load(elsewhere.receipt_key_path).public_key == key
