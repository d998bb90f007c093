"""What the tests have run in the sandbox: good work, mistakes, and what a hostile file could make of it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from circuits.errors import ModelError

Arguments = dict[str, Any]
Progress = Callable[[str], None]


def double(arguments: Arguments, progress: Progress) -> Arguments:
    """Good work: reads a file, writes a file, says what it does."""
    progress("doubling")
    Path("doubled").write_bytes(Path("given").read_bytes() * 2)
    return {"twice": arguments["number"] * 2}


def refuse(arguments: Arguments, progress: Progress) -> Arguments:
    """A user's mistake, in a message with a path."""
    raise ModelError(f"{Path.cwd() / 'model.onnx'} has a NaN, and {Path.cwd()} too")


def fail(arguments: Arguments, progress: Progress) -> Arguments:
    """A bug."""
    raise ZeroDivisionError("oops")


def allocate(arguments: Arguments, progress: Progress) -> Arguments:
    """Takes memory by numpy, until there is none."""
    kept = [np.ones(1 << 24) for _ in range(800)]
    return {"kept": len(kept)}


def allocate_natively(arguments: Arguments, progress: Progress) -> Arguments:
    """Takes memory from the C library until it has none, and then goes where a null pointer leads."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while pointer := libc.malloc(ctypes.c_size_t(1 << 26)):
        ctypes.memset(pointer, 1, 1 << 26)
    ctypes.memset(0, 1, 1)
    return {}


def crash(arguments: Arguments, progress: Progress) -> Arguments:
    """Native code that reads what is not its own."""
    progress("measuring")
    ctypes.string_at(8)
    return {}


def loop(arguments: Arguments, progress: Progress) -> Arguments:
    """Never ends."""
    progress("looping")
    while True:
        pass


def recurse(arguments: Arguments, progress: Progress) -> Arguments:
    """Calls itself."""
    return recurse(arguments, progress)


def sleep(arguments: Arguments, progress: Progress) -> Arguments:
    """Does nothing, and says who it is: it deafens itself to all signals that it may."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    progress(str(os.getpid()))
    time.sleep(1000)
    return {}


def fill(arguments: Arguments, progress: Progress) -> Arguments:
    """Writes a file without end."""
    with Path("large").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def chatter(arguments: Arguments, progress: Progress) -> Arguments:
    """Says more than anybody wants to hear."""
    for i in range(5000):
        progress(f"{i} " + "\x1b[31m" + "x" * 1000)
    return {}


def babble(arguments: Arguments, progress: Progress) -> Arguments:
    """Answers without end."""
    return {"text": "x" * (1 << 28)}


def forge(arguments: Arguments, progress: Progress) -> Arguments:
    """Leaves what is no file of its own."""
    Path("link").symlink_to(arguments["secret"])
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("large").write_bytes(bytes(100))
    return {}


def snoop(arguments: Arguments, progress: Progress) -> Arguments:
    """Tries what is forbidden; says what it managed."""
    managed = []

    def attempt(name: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except (OSError, ValueError):
            return
        managed.append(name)

    attempt("socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    attempt("unix socket", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    attempt("session", os.setsid)
    attempt("group", lambda: os.setpgid(0, 0))
    attempt("fork", lambda: os.fork() or os._exit(0))
    attempt("spawn", lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    attempt("signal", lambda: os.kill(os.getppid(), 0))
    attempt("secret", lambda: Path(arguments["secret"]).read_bytes())
    attempt("hard link", lambda: os.link(arguments["secret"], "linked"))
    attempt("parent's environment", lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes())
    attempt("outside", lambda: Path(arguments["secret"]).with_name("new").write_text("x"))
    attempt("descriptors", lambda: [os.fstat(fd) for fd in range(5, 6)])
    thread = threading.Thread(target=lambda: managed.append("thread"))
    thread.start()
    thread.join()
    return {"managed": managed, "environment": dict(os.environ), "folder": sorted(os.listdir())}  # noqa: PTH208


def spawn(arguments: Arguments, progress: Progress) -> Arguments:
    """Starts another process, which says who it is and does nothing."""
    command = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
    with subprocess.Popen([sys.executable, "-I", "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        progress(process.stdout.readline().decode().strip())
        process.wait()
    return {}
