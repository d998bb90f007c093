"""Runs the command line in forks of one process that has imported everything already.

    python -m tests.verinfer.fork_server

reads one JSON object a line (`Request`) and answers each with one (`Response`). A fork is a process of its
own: exit codes, resource limits and the two output streams are real, and only the imports are saved.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """A command to run: arguments without the program's name, working folder, limits."""

    args: list[str]
    folder: str
    memory: int = 4 << 30
    """The address space in bytes."""
    seconds: int = 60
    """The process is killed when it has run for so long."""
    file_bytes: int = -1
    """The largest file it may write; -1 for any."""
    stdout: str = ""
    """A file to write to instead of one that is read back."""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """What became of the command; a negative code is the signal that killed it."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_bytes: int


def main() -> None:
    """Serve until the input ends."""
    from circuits import compile  # noqa: F401  imported once for all forks
    from prover import backends  # noqa: F401
    from verinfer.commands import claim, contract, dispute, inspect, prove, run, setup, srs, verify, watch  # noqa: F401  # noqa: F401
    from verinfer.commands import compile as compile_command  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(asdict(_serve(Request(**json.loads(line))))), flush=True)


def _serve(request: Request) -> Response:
    with tempfile.TemporaryDirectory() as folder:
        streams = Path(folder, "out"), Path(folder, "err")
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _become(request, Path(request.stdout or streams[0]), streams[1])
        _, status, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - began
        out, err = (stream.read_text("utf-8", "replace") if stream.exists() else "" for stream in streams)
    return Response(os.waitstatus_to_exitcode(status), out, err, seconds, usage.ru_maxrss << 10)


def _become(request: Request, out: Path, err: Path) -> None:
    """Turn this fork into the command, and end it."""
    code = 70
    try:
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request.folder)
        os.environ.update(request.environment)
        signal.alarm(request.seconds)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (request.memory, request.memory))
        if request.file_bytes >= 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request.file_bytes, request.file_bytes))
        sys.argv = ["verinfer", *request.args]
        from verinfer.cli import main as command

        command()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
