"""How commands speak: one JSON object or a rendering on stdout, progress and errors on stderr, exit codes by
meaning."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.console import Console, RenderableType
from rich.markup import escape

from circuits.errors import CheckFailed, InputError, VerinferError

BROKEN_PIPE = 128 + signal.SIGPIPE
"""What a shell reports of a program whose reader went away."""
NOT_OURS = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
    )
    + (errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.EMFILE)
)
"""Errors of the system that the user's files or disk are to blame for."""


class _Stream(Console):
    """A console that takes the end of its reader for the end of the program."""

    def on_broken_pipe(self) -> None:
        """Leave without a word, as other programs in a pipe do."""
        _drop_output()
        raise SystemExit(BROKEN_PIPE)


out = _Stream(highlight=False)
if not out.is_terminal:
    out = _Stream(highlight=False, width=200)
err = _Stream(stderr=True, highlight=False, soft_wrap=True)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Use so many threads; default: one for each processor."
)

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="[auto|cpu|cuda|cuda:N]",
    help="Compute on the processor or on a GPU; auto takes the first GPU if CuPy and a GPU are there.",
)


def emit(as_json: bool, result: Mapping[str, Any], *renderings: RenderableType) -> None:
    """Print a command's result: the object for machines, or the renderings for people."""
    if as_json:
        click.echo(json.dumps(result))
    else:
        for rendering in renderings:
            out.print(rendering)


def shown(text: object) -> str:
    """Text from a stranger's file for a terminal: nothing in it counts as markup or as a control sequence."""
    return escape(printable(str(text)))


def printable(text: str) -> str:
    """Text with its control characters written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def note(text: str) -> None:
    """Tell people something on stderr."""
    err.print(f"note: {printable(text)}", markup=False)


def beside(source: Path, suffix: str) -> Path:
    """The file next to `source` that differs by its suffix: where results go by default.

    Raises
    ------
    InputError
        If `source` is no name of a file.
    """
    if not source.name:
        raise InputError(f"{source} is not a file")
    return source.with_suffix(suffix)


def destination(path: Path, *sources: Path | None) -> Path:
    """`path`, after the checks that should not wait until the work is done.

    Raises
    ------
    InputError
        If it cannot be written, or is one of the command's own inputs.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder. Name a file in it")
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is not a plain file")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: its folder does not exist. Create the folder first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: its folder is not writable")
    for source in sources:
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"{path} would overwrite the input {source}: choose another name")
    return path


def run(command: click.Command) -> NoReturn:
    """Run the command line and exit: 0 done or valid, 1 invalid, 2 bad usage or unreadable input, 3 our own
    fault."""
    signal.signal(signal.SIGTERM, _terminate)
    if not os.environ.get("VERINFER_DEBUG"):
        warnings.simplefilter("ignore")  # NumPy's and others', which mean nothing to people here
    try:
        code = command.main(prog_name="verinfer", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        _die("interrupted", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "verinfer"
        _die(f"{error.format_message()} See `{where} --help`.", 2)
    except click.ClickException as error:
        _die(error.format_message(), 2)
    except CheckFailed as error:
        _die(str(error), 1)
    except VerinferError as error:
        _die(str(error), 2)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _drop_output()
            sys.exit(BROKEN_PIPE)
        if error.errno in NOT_OURS:
            _drop_output()
            _die(f"{error.filename or 'the output'}: {error.strerror}", 2)
        _bug()
    except MemoryError:
        _die("out of memory: use a smaller batch or a machine with more memory", 2)
    except Exception:
        _bug()
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # by way of an exception, so that half-written files go


def _drop_output() -> None:
    """Let what is still buffered for stdout go nowhere, so that the exit does not fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _die(message: str, code: int) -> NoReturn:
    err.print("error:", style="red", end=" ")
    err.print(printable(" ".join(message.split())), markup=False)
    sys.exit(code)


def _bug() -> NoReturn:
    if os.environ.get("VERINFER_DEBUG"):
        traceback.print_exc()
    _die(f"internal error: {sys.exc_info()[1]!r}; this is a bug, VERINFER_DEBUG=1 shows where", 3)
