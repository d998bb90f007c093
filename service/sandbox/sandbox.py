"""Running a function of ours on strangers' bytes in a process of its own, confined and ready to be killed.

    with Sandbox(limits) as box:
        (box.folder / "model.onnx").write_bytes(...)
        result = box.run("service.sandbox.compiling:compile_model", {...}, progress, check)
        with box.open("model.circuit") as file: ...

The process is a new Python: no environment, no secrets, no handles of ours, a folder of its own to work in,
and `service.sandbox.confinement` on top. It takes and gives JSON and files. It may have been taken over by
what it reads, so nothing it says is believed: what comes back is bounded, its files are opened only if they
are plain ones, and whoever uses them reads them as a stranger's.
"""

from __future__ import annotations

import json
import math
import os
import re
import selectors
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from circuits.errors import InputError

MAX_RESULT_BYTES = 64 << 20
MAX_TEXT = 2000
MAX_PROGRESS = 200
"""How many lines of progress are passed on."""
TAIL_BYTES = 1 << 14
CHECK_SECONDS = 0.25
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"
_FRAME = re.compile(r'File "[^"\n]*/(?:site|dist)-packages/([A-Za-z0-9_]{1,40})/')


@dataclass(frozen=True)
class Limits:
    """What a run may take.

    Parameters
    ----------
    subject
        What is worked on, in messages: "the model".
    memory_bytes
        The most memory.
    seconds
        The longest that it may take, by the clock.
    file_bytes
        The longest file that it may write.
    processes
        Whether it may start other processes; each may have as much memory.
    threads
        How many threads libraries use, where they can be told.
    """

    subject: str
    memory_bytes: int
    seconds: float
    file_bytes: int
    processes: bool = False
    threads: int = 2


class Sandbox:
    """A folder, and processes that work in it, one at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept = tempfile.TemporaryDirectory(prefix="verinfer-", ignore_cleanup_errors=True)

    def __enter__(self) -> Self:
        """Make the folder."""
        self.folder = Path(self._kept.name).resolve()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the folder."""
        self._kept.cleanup()

    def run(
        self,
        function: str,
        arguments: dict[str, Any],
        progress: Callable[[str], None] = lambda text: None,
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Call a function in a process of its own, and wait for it.

        Parameters
        ----------
        function
            "module:name". It takes the arguments and `progress`, and returns JSON. It is named, since this
            process does not import what it imports.
        arguments
            For the function, as JSON.
        progress
            Is told what the function tells.
        check
            Called often; what it raises ends the process, and is raised here.

        Raises
        ------
        InputError
            What the function raised of that kind, its paths removed; or a limit was reached, or a library
            crashed.
        RuntimeError
            If the function raised anything else, or was killed from outside.
        """
        limits = self._limits
        with tempfile.TemporaryFile() as log:
            process = self._start(log)
            until, ended = time.monotonic() + limits.seconds, False
            step = ""
            try:
                self._ask(process, function, arguments)
                assert process.stdout is not None
                told = 0
                for line in _lines(process.stdout, until, check):
                    message = _message(line)
                    if "died" in message:
                        raise self._death(message, step, _tail(log))
                    if "progress" not in message:
                        return self._outcome(message)
                    step, told = _text(message["progress"], 200), told + 1
                    if told <= MAX_PROGRESS:
                        progress(step)
                ended = time.monotonic() < until
            finally:
                status = _end(process, wait=ended)
            if not ended:
                raise InputError(
                    f"{limits.subject} needs more than {limits.seconds:g} seconds{_during(step)}"
                )
            raise RuntimeError(f"the sandbox ended with {status}: {_tail(log)[-4000:]}")

    def open(self, name: str, largest: int) -> IO[bytes]:
        """A file that a process has left in the folder, for reading.

        Raises
        ------
        InputError
            If there is no plain file of that name, or it has more than `largest` bytes.
        """
        try:
            handle = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{self._limits.subject} gave no {name}: {error.strerror}") from None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > largest:
            os.close(handle)
            raise InputError(f"{self._limits.subject} gave a {name} that is no plain file of {largest} bytes")
        return os.fdopen(handle, "rb")

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            **dict.fromkeys(THREADS, str(self._limits.threads)),
        }
        # -I: neither the environment nor the working folder says what is imported.
        command = "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
        command += "from service.sandbox.process import main; main()"
        return subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=self.folder,
            env=environment,
            start_new_session=True,
        )

    def _ask(self, process: subprocess.Popen[bytes], function: str, arguments: dict[str, Any]) -> None:
        limits = self._limits
        request = {
            "function": function,
            "arguments": arguments,
            "memory_bytes": limits.memory_bytes,
            "cpu_seconds": math.ceil(limits.seconds * max(limits.threads, os.cpu_count() or 1)),
            "file_bytes": limits.file_bytes,
            "processes": limits.processes,
            "parent": os.getpid(),
        }
        assert process.stdin is not None
        try:
            with process.stdin:
                for value in (sys.path, request):
                    process.stdin.write(json.dumps(value).encode() + b"\n")
        except BrokenPipeError:
            pass  # it has died already; its status tells why

    def _outcome(self, message: dict[str, Any]) -> dict[str, Any]:
        limits = self._limits
        if isinstance(message.get("result"), dict):
            return dict(message["result"])
        if "refused" in message:
            raise InputError(_text(message["refused"], MAX_TEXT))
        if message.get("limit") == "memory":
            raise InputError(_too_much(limits))
        if message.get("limit") == "file":
            raise InputError(f"{limits.subject} makes a file of over {limits.file_bytes >> 20:,} MiB")
        if message.get("limit") == "depth":
            raise InputError(f"{limits.subject} is nested too deep")
        raise RuntimeError(f"in the sandbox: {_text(message.get('failed', message), 1 << 16)}")

    def _death(self, message: dict[str, Any], step: str, log: str) -> Exception:
        """What to say of a function whose process ended without a word."""
        limits = self._limits
        try:
            status, peak, used = (int(message[name]) for name in ("died", "peak_bytes", "seconds"))
            name = signal.Signals(-status).name if status < 0 else ""
        except (KeyError, TypeError, ValueError, OverflowError):
            return RuntimeError("the sandbox says what is no message")
        if status == -signal.SIGXCPU:
            return InputError(f"{limits.subject} needs too much time on processors{_during(step)}")
        if peak > 0.8 * limits.memory_bytes or "bad_alloc" in log or "MemoryError" in log:
            return InputError(_too_much(limits))
        if status == -signal.SIGKILL or status >= 0:
            return RuntimeError(f"in the sandbox: ended with {status} after {used} s: {log[-4000:]}")
        library = _FRAME.search(log)
        return InputError(
            f"{limits.subject} made {library[1] if library else 'native code'} crash ({name}){_during(step)}"
        )


def _lines(stream: IO[bytes], until: float, check: Callable[[], None]) -> Iterator[bytes]:
    """The lines that come until the stream's end, or the time's."""
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            check()
            if not selector.select(min(left, CHECK_SECONDS)):
                continue
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                return
            start = len(data)
            data += chunk
            if len(data) > MAX_RESULT_BYTES:
                raise InputError(f"what the sandbox says has over {MAX_RESULT_BYTES} bytes")
            while (end := data.find(b"\n", start)) >= 0:
                yield bytes(data[:end])
                del data[: end + 1]
                start = 0


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise RuntimeError("the sandbox says what is no message")
    return message


def _end(process: subprocess.Popen[bytes], wait: bool) -> int:
    """End a process and all that it began. Returns its status.

    Parameters
    ----------
    wait
        Whether it is ending by itself.
    """
    if wait:
        _await(process.pid, 5.0)
    # The group is named by the process, which is there until it is waited for.
    os.killpg(process.pid, signal.SIGKILL)
    status = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return status


def _await(pid: int, seconds: float) -> None:
    """Wait until a child has ended, and leave it to be waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.005)


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - TAIL_BYTES))
    return log.read(TAIL_BYTES).decode(errors="replace")


def _text(value: object, most: int) -> str:
    """A stranger's text, of plain characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = text.encode(errors="replace").decode()
    text = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    return text if len(text) <= most else text[:most] + "…"


def _during(step: str) -> str:
    return f" (while {step})" if step else ""


def _too_much(limits: Limits) -> str:
    return f"{limits.subject} needs more than {limits.memory_bytes / (1 << 20):,.0f} MiB of memory"
