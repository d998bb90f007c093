"""The process that `service.sandbox.sandbox` starts: a child of it, confined, calls one function of ours.

Reads one line of JSON from stdin, and writes lines to what was its stdout: {"progress": text}, and as the
last one {"result": {...}}, or {"refused": text} for a mistake of the user's, or {"limit": memory, file or
depth}, or {"failed": traceback}. What libraries print goes to stderr. If the child dies without such a word,
{"died": status, "peak_bytes": ..., "seconds": ...} says how.

The function has a child of its own for what it took to be told: the most memory that a program held
(ru_maxrss) counts what the program held that started it, which is a server or a worker of any size.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from service.sandbox.confinement import confine, die_with

ROOMS = ("circuits", "contracts", "prover", "service", "verifier")
LIMITS = ("memory_bytes", "cpu_seconds", "file_bytes", "processes")


def main() -> None:
    """Do what stdin says."""
    request = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    folder = Path.cwd()
    # Until it is confined, nothing of ours is imported: threads that libraries start would be left out.
    module, _, name = request["function"].partition(":")
    specs = [find_spec(package) for package in {*ROOMS, module.partition(".")[0]}]
    readable = [Path(path) for spec in specs if spec for path in spec.submodule_search_locations or ()]
    limits = {limit: request[limit] for limit in LIMITS}

    def say(**message: Any) -> None:
        print(json.dumps(message), file=out, flush=True)

    this = os.getpid()
    if child := os.fork():
        # It reads nothing that is not ours, and is outside of Landlock's scope: from within, no signal would
        # reach the child when this process dies.
        die_with(request["parent"])
        _, status, usage = os.wait4(child, 0)
        if status:
            say(
                died=os.waitstatus_to_exitcode(status),
                peak_bytes=usage.ru_maxrss * 1024,
                seconds=usage.ru_utime + usage.ru_stime,
            )
        os._exit(0)
    confine(folder, readable, **limits, parent=this)
    from circuits.errors import InputError

    try:
        result = getattr(import_module(module), name)(request["arguments"], lambda text: say(progress=text))
        said: dict[str, Any] = {"result": result}
    except InputError as error:
        said = {"refused": str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), "")}
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EFBIG:
            said = {"limit": "file"}
    except MemoryError:
        said = {"limit": "memory"}
    except RecursionError:
        said = {"limit": "depth"}
    except Exception as error:
        said = {"failed": traceback.format_exc()}
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            said = {"limit": "file"}
    say(**said)
    # Threads of libraries are not waited for.
    os._exit(0)
