"""Steps of ezkl in their own process: failures are named, crashes contained, the display moves."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from prover.ezkl import process
from prover.ezkl.process import EzklError, run
from prover.progress import Display, silent


def test_a_failing_step_is_named() -> None:
    missing = {"model": "/nowhere.onnx", "compiled": "/nowhere", "settings": "/nowhere"}
    begun: list[str] = []
    with pytest.raises(EzklError, match="failed while compiling the circuit: RuntimeError"):
        run([("compiling the circuit", "compile", missing)], begun.append)
    assert begun == ["compiling the circuit"]


def test_a_panic_is_contained() -> None:
    with pytest.raises(EzklError, match="failed while proving"):
        run([("proving", "mock", {"witness": "/dev/null", "compiled": "/dev/null"})], silent)


def test_a_process_that_dies_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    dying = tmp_path / "worker.py"
    dying.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(process, "_WORKER", dying)
    with pytest.raises(EzklError, match="failed while proving: its process was ended by SIGKILL"):
        run([("proving", "prove", {})], silent)
    dying.write_text("raise SystemExit('no ezkl here')")
    with pytest.raises(EzklError, match="ended with code 1 no ezkl here"):
        run([("proving", "prove", {})], silent)


PARENT = """
import sys
from prover.ezkl.process import run
endless = dict.fromkeys(("model", "compiled", "settings"), sys.argv[1])
run([("compiling", "compile", endless)], print)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
def test_a_step_dies_with_whoever_waits_for_it(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)  # ezkl waits for ever for somebody to write
    with subprocess.Popen([sys.executable, "-uc", PARENT, str(endless)], stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None and parent.stdout.readline() == b"compiling\n"
            [child] = map(int, Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split())
        finally:
            parent.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < until, "it works on"
        time.sleep(0.05)


def test_the_display_moves_while_a_step_runs_and_keeps_a_line_for_each() -> None:
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=80)) as display:
        display("first")
        display("first")
        time.sleep(1.2)
        before_second = text.getvalue()
        display("second")
    assert "0:00:01" in before_second, "the clock stood still"
    assert text.getvalue().count("first: 1.") == 1 and "second: 0." in text.getvalue()


def test_a_failed_step_leaves_no_line() -> None:
    text = io.StringIO()
    with pytest.raises(ZeroDivisionError), Display(Console(file=text, width=80)) as display:
        display("first")
        raise ZeroDivisionError
    assert "first:" not in text.getvalue()
