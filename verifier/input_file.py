"""Reading a file whose length and contents are not to be trusted."""

import os
import stat
from pathlib import Path
from types import TracebackType

from circuits.errors import FormatError, InputError


class InputFile:
    """An open regular file that is read piece by piece.

    Attributes
    ----------
    path
        Its path, for messages.
    size
        Its length in bytes when it was opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file.

        Raises
        ------
        InputError
            If there is no such file, it is not a regular file, or it may not be read.
        """
        self.path = Path(path)
        try:
            status = self.path.stat()
            # Asked before opening: to open a pipe would wait for its writer.
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"cannot read {self.path}: it is not a regular file")
            self._file = self.path.open("rb")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.path}: {_reason(error)}") from error
        self.size = status.st_size

    def read(self, length: int) -> bytes:
        """Return the next `length` bytes.

        Raises
        ------
        FormatError
            If the file ends before. Nothing is allocated then.
        InputError
            If the disk cannot be read.
        """
        try:
            if length > self.size - self._file.tell():
                raise FormatError(f"{self.path} is truncated: it ends within a part of {length:,} bytes")
            data = self._file.read(length)
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {_reason(error)}") from error
        if len(data) != length:
            raise InputError(f"cannot read {self.path}: it changed while it was read")
        return data

    def seek(self, position: int) -> None:
        """Go to a position; reading beyond the end fails, going there does not."""
        self._file.seek(position)

    def __enter__(self) -> "InputFile":
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
