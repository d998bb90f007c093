"""`verinfer worker` as a process: it does jobs, logs them, and ends when told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.serving import opened
from tests.service.test_embedded import alive
from tests.service.working import Provable, soon, tell


@pytest.fixture
def provable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provable]:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    with opened(tmp_path / "data") as parts:
        yield Provable(parts, parts.tenant("one"))


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "verinfer.cli", "worker", *map(str, options)]


@contextmanager
def worker(*options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command(*options), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has begun, from any of its threads."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(text) for file in files for text in file.read_text().split()]


def test_jobs_are_done_and_logged_until_it_is_told_to_stop(provable: Provable) -> None:
    with worker("--data", provable.parts.settings.data, "--jobs", 2, "--log", "json") as process:
        ids = provable.freeze_at_work(lambda: children(process.pid), 2)
        tell(children(process.pid), signal.SIGCONT)
        provable.check(ids)
        assert len(children(process.pid)) == 2
        process.terminate()
        assert process.wait(60) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    ends = {line["job"]: line for line in lines if line["event"] == "job ends"}
    assert set(ends) == set(ids) and len({line["worker"] for line in ends.values()}) == 2
    assert {(line["outcome"], line["tenant"]) for line in ends.values()} == {("succeeded", provable.tenant)}
    assert not [line for line in lines if line["level"] in ("warning", "error")]


def test_a_second_signal_ends_it_at_once(provable: Provable) -> None:
    with worker("--data", provable.parts.settings.data) as process:
        provable.freeze_at_work(lambda: children(process.pid), 1)  # as if its stage took for ever
        [child] = children(process.pid)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.terminate()
        assert process.wait(20) == 1 and not alive(child)


def test_kinds_that_are_not_named_are_left_to_others(provable: Provable) -> None:
    [job] = provable.submit()
    with worker("--data", provable.parts.settings.data, "--kind", "compile") as process:
        soon(lambda: len(children(process.pid)) == 1, "it runs")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(6)
        assert provable.job(job).attempts == 0


def test_the_effective_settings_are_shown(tmp_path: Path) -> None:
    environment = os.environ | {"VERINFER_SERVICE_DATABASE": "postgresql://u:hunter2@db/x"}
    shown = subprocess.run(
        command("--show-config", "--jobs", 3),
        capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    settings = tomllib.loads(shown.stdout)
    assert settings["workers"] == 3 and "hunter2" not in shown.stdout and not list(tmp_path.iterdir())


def test_what_it_cannot_work_on_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        command("--data", tmp_path / "file" / "below"), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_worker_needs_no_folder_of_its_own(provable: Provable, tmp_path: Path) -> None:
    """Where database and artifacts are elsewhere, nothing is written: no receipt key, above all."""
    (tmp_path / "elsewhere").mkdir()
    settings = provable.parts.settings
    environment = os.environ | {
        "VERINFER_SERVICE_DATABASE": settings.database_url,
        "VERINFER_SERVICE_ARTIFACTS": settings.artifacts_url,
    }
    ids = provable.submit()
    with subprocess.Popen(
        [sys.executable, "-m", "verinfer.cli", "worker"], cwd=tmp_path / "elsewhere", env=environment
    ) as process:
        try:
            provable.check(ids)
        finally:
            process.terminate()
        assert process.wait(60) == 0
    assert not list((tmp_path / "elsewhere").iterdir())
