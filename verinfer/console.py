"""How commands speak: one JSON object or a rendering on stdout, progress and errors on stderr, exit codes by
meaning."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

import click
from rich.console import Console, RenderableType

from circuits.errors import CheckFailed, VerinferError

out = Console(highlight=False)
if not out.is_terminal:
    out = Console(highlight=False, width=200)
err = Console(stderr=True, highlight=False)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout."
)


def emit(as_json: bool, result: Mapping[str, Any], *renderings: RenderableType) -> None:
    """Print a command's result: the object for machines, or the renderings for people."""
    if as_json:
        click.echo(json.dumps(result))
    else:
        for rendering in renderings:
            out.print(rendering)


def run(command: click.Command) -> NoReturn:
    """Run the command line and exit: 0 done or valid, 1 invalid, 2 bad usage or unreadable input, 3 our own
    fault."""
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
        if error.errno in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EROFS,
            errno.EDQUOT,
            errno.ENOTDIR,
            errno.EISDIR,
            errno.ENOENT,
        ):
            _die(f"{error.filename or 'a file'}: {error.strerror}", 2)
        _bug()
    except MemoryError:
        _die("out of memory: use a smaller batch or a machine with more memory", 2)
    except Exception:
        _bug()
    sys.exit(code if isinstance(code, int) else 0)


def _die(message: str, code: int) -> NoReturn:
    err.print("error:", style="red", end=" ")
    err.print(" ".join(message.split()), markup=False, soft_wrap=True)
    sys.exit(code)


def _bug() -> NoReturn:
    if os.environ.get("VERINFER_DEBUG"):
        traceback.print_exc()
    _die(f"internal error: {sys.exc_info()[1]!r}; this is a bug, VERINFER_DEBUG=1 shows where", 3)
