"""The sandbox: good work comes back, mistakes are told, and hostile code gets nothing and takes nothing."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from circuits.errors import InputError
from service.sandbox.sandbox import MAX_PROGRESS, Limits, Sandbox

FUNCTIONS = "tests.service.sandboxed_functions"
LIMITS = Limits("the model", 512 << 20, 20, 16 << 20)


def gone(pid: int) -> bool:
    """Whether a process has ended, or does so within some seconds."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox."""
    with Sandbox(LIMITS) as box:
        yield box


def test_good_work_comes_back(box: Sandbox) -> None:
    (box.folder / "given").write_bytes(b"ab")
    told: list[str] = []
    assert box.run(f"{FUNCTIONS}:double", {"number": 4}, told.append) == {"twice": 8}
    assert told == ["doubling"]
    with box.open("doubled", 4) as file:
        assert file.read() == b"abab"
    folder = box.folder
    box.__exit__()
    assert not folder.exists()


def test_mistakes_are_told_without_paths(box: Sandbox) -> None:
    with pytest.raises(InputError, match=r"^model\.onnx has a NaN, and  too$"):
        box.run(f"{FUNCTIONS}:refuse", {})
    with pytest.raises(RuntimeError, match="ZeroDivisionError: oops"):
        box.run(f"{FUNCTIONS}:fail", {})


@pytest.mark.parametrize(
    "function", [f"{FUNCTIONS}:allocate", f"{FUNCTIONS}:allocate_natively"], ids=["numpy", "native"]
)
def test_memory_is_bounded(box: Sandbox, function: str) -> None:
    with pytest.raises(InputError, match=r"^the model needs more than 512 MiB of memory$"):
        box.run(function, {})


def test_time_is_bounded() -> None:
    began = time.monotonic()
    limits = Limits("the model", 512 << 20, 1, 1 << 20)
    expected = r"the model needs more than 1 seconds \(while looping\)"
    with Sandbox(limits) as box, pytest.raises(InputError, match=expected):
        box.run(f"{FUNCTIONS}:loop", {})
    assert time.monotonic() - began < 30


def test_files_are_bounded(box: Sandbox) -> None:
    with pytest.raises(InputError, match=r"^the model makes a file of over 16 MiB$"):
        box.run(f"{FUNCTIONS}:fill", {})
    assert (box.folder / "large").stat().st_size <= LIMITS.file_bytes


def test_depth_is_bounded(box: Sandbox) -> None:
    with pytest.raises(InputError, match=r"^the model is nested too deep$"):
        box.run(f"{FUNCTIONS}:recurse", {})


def test_crashes_are_told(box: Sandbox) -> None:
    # A large program that starts the process is not taken for a process that took much.
    held = bytearray(os.urandom(1 << 10)) * (LIMITS.memory_bytes >> 10)
    with pytest.raises(InputError, match=r"^the model made .* crash \(SIGSEGV\) \(while measuring\)$"):
        box.run(f"{FUNCTIONS}:crash", {})
    assert len(held) == LIMITS.memory_bytes


def test_what_is_said_is_bounded(box: Sandbox) -> None:
    told: list[str] = []
    assert box.run(f"{FUNCTIONS}:chatter", {}, told.append) == {}
    assert len(told) == MAX_PROGRESS
    assert all(len(text) < 300 and text.isprintable() for text in told)
    with pytest.raises(InputError, match=r"bytes|memory"):
        box.run(f"{FUNCTIONS}:babble", {})


def test_only_plain_files_come_back(box: Sandbox) -> None:
    with tempfile.NamedTemporaryFile(dir=box.folder.parent) as secret:
        secret.write(b"receipt key")
        box.run(f"{FUNCTIONS}:forge", {"secret": secret.name})
        (box.folder / "second").hardlink_to(secret.name)  # as it could where there is no Landlock
        for name in ("link", "pipe", "folder", "second", "absent"):
            with pytest.raises(InputError, match=r"^the model gave"):
                box.open(name, 1000)
    with pytest.raises(InputError, match="no plain file of 99 bytes"):
        box.open("large", 99)
    assert len(box.open("large", 100).read()) == 100


def test_the_world_is_out_of_reach(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("receipt key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with secret.open() as held:  # a handle of ours is not handed on
        os.set_inheritable(held.fileno(), True)
        found = box.run(f"{FUNCTIONS}:snoop", {"secret": str(secret)})
    assert found["managed"] == ["thread"]
    assert found["folder"] == []
    assert "AWS_SECRET_ACCESS_KEY" not in found["environment"] and "hush" not in str(found)
    assert found["environment"]["HOME"] == str(box.folder)


def test_what_is_cancelled_dies(box: Sandbox) -> None:
    class Cancelled(Exception):
        pass

    pids: list[int] = []

    def check() -> None:
        if pids:
            raise Cancelled

    with pytest.raises(Cancelled):
        box.run(f"{FUNCTIONS}:sleep", {}, lambda text: pids.append(int(text)), check)
    assert gone(pids[0])


def test_processes_die_with_their_group() -> None:
    pids: list[int] = []
    limits = Limits("the proof", 512 << 20, 2, 1 << 20, processes=True)
    with Sandbox(limits) as box, pytest.raises(InputError, match="more than 2 seconds"):
        box.run(f"{FUNCTIONS}:spawn", {}, lambda text: pids.append(int(text)))
    assert gone(pids[0])


def _work_until_killed(pipe: Connection) -> None:
    with Sandbox(LIMITS) as box:
        box.run(f"{FUNCTIONS}:sleep", {}, pipe.send)


def test_what_a_killed_worker_ran_dies() -> None:
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=_work_until_killed, args=(theirs,))
    worker.start()
    assert ours.poll(60)
    pid = int(ours.recv())
    assert not gone_now(pid)
    worker.kill()
    worker.join()
    assert gone(pid)


def gone_now(pid: int) -> bool:
    """Whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()
