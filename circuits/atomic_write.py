"""Writing a file wholly or not at all.

The bytes go to a temporary file in the same folder, are flushed to the disk, and only then take the final
name. A reader never sees half a file, and a full disk leaves what was there before.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from circuits.errors import InputError


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes]) -> None:
    """Write `chunks`, one after another, to `path`.

    Parameters
    ----------
    path
        The file's final name. Its folder must exist. An existing file is replaced.
    chunks
        The contents, in order.

    Raises
    ------
    InputError
        If the folder is missing or not writable, or the disk is full. Nothing is left behind, and an existing
        file keeps its contents.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        temporary.replace(target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {_cause(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _cause(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no space left ({os.strerror(error.errno)}); nothing was written. Free some space and try again"
        )
    if error.errno == errno.ENOENT:
        return "its folder does not exist. Create the folder first"
    return f"{os.strerror(error.errno) if error.errno else error}; nothing was written"


def _umask() -> int:
    # There is no call that reads the mask without setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk too.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
