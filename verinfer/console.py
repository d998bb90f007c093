"""How commands speak: one JSON object or a rendering on stdout, progress and errors on stderr, exit codes by meaning."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console, RenderableType

from circuits.errors import CheckFailed, VerinferError

F = TypeVar("F", bound=Callable[..., Any])
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")


def emit(as_json: bool, result: Mapping[str, Any], *renderings: RenderableType) -> None:
    """Print a command's result: the object for machines, or the renderings for people."""
    if as_json:
        click.echo(json.dumps(result))
    else:
        for rendering in renderings:
            out.print(rendering)


class Steps:
    """Shows the step under way and its elapsed time on stderr, and remembers how long each took."""

    def __init__(self, show: bool = True) -> None:
        self.seconds: dict[str, float] = {}
        self._show = show
        self._name: str | None = None
        self._began = 0.0
        self._status = err.status("") if show and err.is_terminal else None

    def __call__(self, name: str) -> None:
        """Begin a step, ending the one before."""
        self._end()
        self._name, self._began = name, time.monotonic()
        if self._status is not None:
            self._status.update(f"{name} ...")
            self._status.start()
        elif self._show:
            err.print(f"{name} ...")

    def _end(self) -> None:
        if self._name is not None:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + time.monotonic() - self._began
        self._name = None

    def close(self) -> None:
        """End the last step and clear the display."""
        self._end()
        if self._status is not None:
            self._status.stop()


@contextmanager
def steps(show: bool = True) -> Iterator[Steps]:
    """A progress display for the duration of a block."""
    display = Steps(show)
    try:
        yield display
    finally:
        display.close()


def run(command: click.Command) -> NoReturn:
    """Run the command line and exit: 0 done or valid, 1 invalid, 2 bad usage or unreadable input, 3 our own fault."""
    try:
        code = command.main(standalone_mode=False)
    except click.exceptions.Abort:
        _die("interrupted", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CheckFailed as error:
        _die(str(error), 1)
    except VerinferError as error:
        _die(str(error), 2)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.ENOENT):
            _die(f"{error.filename or 'a file'}: {error.strerror}", 2)
        _bug()
    except MemoryError:
        _die("out of memory: use a smaller batch or a machine with more memory", 2)
    except Exception:
        _bug()
    sys.exit(code if isinstance(code, int) else 0)


def _die(message: str, code: int) -> NoReturn:
    err.print(f"[red]error:[/red] {' '.join(message.split())}" if err.is_terminal else f"error: {' '.join(message.split())}", soft_wrap=True, markup=err.is_terminal)
    sys.exit(code)


def _bug() -> NoReturn:
    if os.environ.get("VERINFER_DEBUG"):
        traceback.print_exc()
    _die(f"internal error: {sys.exc_info()[1]!r}; this is a bug, VERINFER_DEBUG=1 shows where", 3)
