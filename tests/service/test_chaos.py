"""A real server and real workers, killed at random while clients ask over HTTP and ask again.

Every job that was accepted ends, with one result; no artifact is half-written; no row is left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.database import Artifact, ArtifactOwner, Job, JobEvent, JobStage, Status
from tests.service.serving import opened
from tests.service.working import Provable, soon
from verifier.proof import Proof

LEASE = 2.0
CLIENTS, PAUSE = 3, 0.3
"""How many ask at a time, and how long each waits between its requests."""
MOST_OPEN = 8
"""Clients wait while so many jobs have not ended: else they would ask for more than is done between kills."""


class Programs:
    """The processes of a service, which are replaced when they are killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"127.0.0.1:{free.getsockname()[1]}"
        self._commands = [
            ["serve", "--port", self.url.rpartition(":")[2], "--data", str(folder)],
            ["worker", "--data", str(folder)],
        ]
        self._running: list[subprocess.Popen[bytes]] = [self._start(command) for command in self._commands]
        self.killed = {"server": 0, "worker": 0, "process of either": 0}

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        log = (self._folder.parent / "programs.log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "verinfer.cli", *command, "--log", "json"], stdout=log, stderr=log
            )

    def kill_one(self, chance: random.Random) -> None:
        """Kill the server, the worker, or one of the processes below them, and start what does not come back
        by itself."""
        which = chance.choice(["server", "worker", "process of either"])
        if which == "process of either":
            below = [pid for program in self._running for pid in children(program.pid)]
            if not below:
                return
            os.kill(chance.choice(below), signal.SIGKILL)
        else:
            number = ["server", "worker"].index(which)
            self._running[number].kill()
            self._running[number].wait()
            self._running[number] = self._start(self._commands[number])
        self.killed[which] += 1

    def stop(self) -> None:
        """End all of them, in peace."""
        try:
            # Who is told to end while it starts ends at once, and says by its exit code that it was told.
            _, worker = self._running
            soon(lambda: answers(self.url) and children(worker.pid) != [], "both have started")
            for program in self._running:
                program.terminate()
            assert [program.wait(120) for program in self._running] == [0, 0]
        finally:
            for program in self._running:
                program.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has begun."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(text) for text in file.read_text().split()]
    return found


class Clients:
    """Ask for proofs, each under an idempotency key, until they are accepted; and now and then once more."""

    def __init__(self, url: str, tensor: dict[str, Any], open_jobs: Callable[[], int]) -> None:
        self._url = url
        self._open_jobs = open_jobs
        self._tensor = tensor
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.jobs: dict[str, tuple[str, int]] = {}
        """By key: the job, and the first number of its input."""
        self.again = 0
        """How many requests were sent again, for want of an answer or to see what happens."""
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more; what was asked is accepted first."""
        self._over.set()
        for thread in self._threads:
            thread.join(180)
            assert not thread.is_alive()

    def _ask(self, number: int) -> None:
        chance = random.Random(number)
        count = 0
        while not self._over.wait(PAUSE):
            if self._open_jobs() >= MOST_OPEN:
                continue
            key, first = f"{number}-{count}", chance.randrange(256)
            count += 1
            job = self._accepted(key, first)
            with self._lock:
                self.jobs[key] = (job, first)
            if chance.random() < 0.2:
                with self._lock:
                    self.again += 1
                if self._accepted(key, first) != job:
                    self.errors.append(f"{key} is two jobs")

    def _accepted(self, key: str, first: int) -> str:
        tensor = self._tensor | {"data": [first, 17, 255, 128]}
        parameters = {"tier": "sumcheck", "alone": True}
        body = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
        while True:
            asked = urllib.request.Request(
                f"http://{self._url}/v2/models/m/infer", body, {"Idempotency-Key": key}
            )
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    job: str = json.load(answer)["parameters"]["job"]
                    return job
            except urllib.error.HTTPError as error:
                if error.code not in (500, 502, 503):
                    self.errors.append(f"{error.code}: {error.read()[:200]!r}")
            except (OSError, http.client.HTTPException, ValueError):
                pass
            with self._lock:
                self.again += 1
            time.sleep(0.2)


@pytest.fixture
def provable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provable]:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_SERVICE_LEASE_SECONDS", str(LEASE))
    with opened(tmp_path / "data", lease_seconds=LEASE) as parts:
        yield Provable(parts, parts.tenant("local"))


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.long)])
def test_nothing_that_was_accepted_is_lost(kills: int, provable: Provable, tmp_path: Path) -> None:
    chance = random.Random(kills + 1)
    began = time.monotonic()
    programs = Programs(tmp_path / "data")
    try:
        soon(lambda: answers(programs.url), "the server answers")
        [described] = described_model(programs.url)["inputs"]
        tensor = {"name": described["name"], "datatype": described["datatype"], "shape": [1, 4]}
        clients = Clients(programs.url, tensor, lambda: open_jobs(provable))
        while sum(programs.killed.values()) < kills:
            time.sleep(chance.uniform(0.5, 5.0))
            # Most of the time there is somebody in the midst of a job; programs take long to start.
            wait_for_work(provable)
            programs.kill_one(chance)
        clients.stop()
        jobs = [job for job, _ in clients.jobs.values()]
        provable.wait(jobs)
        seconds = time.monotonic() - began
    finally:
        programs.stop()
    assert clients.errors == []
    given_up = check(provable, clients)
    attempts = sum(provable.job(job).attempts for job in jobs)
    assert kills < 50 or attempts > len(jobs), "no job was ever interrupted"
    figures = {"kills": programs.killed, "jobs": len(jobs), "attempts": attempts, "given_up": given_up}
    print(json.dumps(figures | {"requests_again": clients.again, "seconds": round(seconds)}))


def check(provable: Provable, clients: Clients) -> int:
    """Everything is as if nothing had been killed. Returns how many jobs were given up, and said so."""
    parts, wanted = provable.parts, dict(clients.jobs.values())
    assert len(wanted) == len(clients.jobs), "two keys are one job"
    finished = select(JobEvent.job_id, func.count()).where(JobEvent.event == "finished")
    with parts.database.read() as session:
        jobs = {job.id: job for job in session.scalars(select(Job))}
        ends = {row[0]: row[1] for row in session.execute(finished.group_by(JobEvent.job_id))}
        stages = session.execute(select(JobStage.job_id, func.count()).group_by(JobStage.job_id)).all()
    # A request may have been accepted whose answer was lost with the server; its key was sent again.
    assert jobs.keys() == wanted.keys() and ends == dict.fromkeys(wanted, 1)
    assert all(job.lease_owner is None and job.lease_until is None for job in jobs.values())
    well = (Status.SUCCEEDED, Status.SUCCEEDED)
    done = [job for job in jobs.values() if (job.execution, job.proof) == well]
    for job in jobs.values():
        assert job in done or (job.error or "").startswith("given up after"), job.error
    assert {job.id: 3 for job in done} == {job: count for job, count in stages if jobs[job] in done}
    provable.check([job.id for job in done])
    for job in done:
        assert job.result is not None
        proof = Proof.decode(b"".join(parts.artifacts.read(provable.tenant, job.result["proof"])))
        assert proof.inputs[0] == wanted[job.id], "the proof is another job's"
    with parts.database.read() as session:
        owned = set(session.scalars(select(ArtifactOwner.digest)))
        rows = set(session.scalars(select(Artifact.digest)))
    assert owned <= rows
    parts.artifacts.delete_unreferenced(timedelta(seconds=-1))
    store = Path(parts.settings.artifacts_url)
    files = [path for path in store.rglob("*") if path.is_file()]
    assert not list((store / "incoming").iterdir())
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)
    with parts.database.read() as session:
        assert {path.name for path in files} == set(session.scalars(select(Artifact.digest)))
    return len(jobs) - len(done)


def wait_for_work(provable: Provable, patience: float = 15.0) -> None:
    """Wait until somebody has a job, but not for ever: it may be the server that is gone."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with provable.parts.database.read() as session:
            if session.scalar(select(Job.id).where(Job.lease_owner.is_not(None)).limit(1)) is not None:
                return
        time.sleep(0.05)


def open_jobs(provable: Provable) -> int:
    """How many jobs have not ended."""
    with provable.parts.database.read() as session:
        return session.scalars(select(func.count()).where(Job.finished_at.is_(None))).one()


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"http://{url}/v2/health/ready", timeout=5).status == 200
    except OSError:
        return False


def described_model(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{url}/v2/models/m", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
