"""The cache of proving keys, which are large and can be made again.

::

    <cache>/<backend>/<name>/        the files of one setup
    <cache>/<backend>/<name>/sums    their SHA-256 digests, as `sha256sum` prints them

`<cache>` is the environment's VERINFER_CACHE, or `verinfer` in the user's cache folder ($XDG_CACHE_HOME or
~/.cache). An entry appears whole, by a rename of its folder, or not at all. Its digests are compared before
it is used: they find damage, not malice, for whoever may write the cache may write the digests too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from circuits.errors import InputError

_SUMS = "sums"


def cache_folder() -> Path:
    """This user's cache."""
    own = os.environ.get("VERINFER_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verinfer"


class KeyCache:
    """The entries of one backend."""

    def __init__(self, backend: str, folder: Path | None = None) -> None:
        """Use the cache in `folder`, by default this user's. Nothing is created before it is needed."""
        self.folder = (folder or cache_folder()) / backend

    def find(self, name: str) -> Path | None:
        """The folder of an entry whose files are all as they were stored; None if there is none.

        A damaged entry is removed, so that the setup makes it again.
        """
        entry = self.folder / name
        if not entry.is_dir():
            return None
        if _is_intact(entry):
            return entry
        shutil.rmtree(entry, ignore_errors=True)
        return None

    @contextmanager
    def make(self, name: str) -> Iterator[Path]:
        """A folder to fill, which becomes the entry `name` when the block ends without an error.

        Raises
        ------
        InputError
            If the cache cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".making-", dir=self.folder))
        except OSError as error:
            raise InputError(
                f"cannot write the key cache {self.folder}: {error.strerror}; set VERINFER_CACHE"
            ) from error
        try:
            yield folder
            names = sorted(path.name for path in folder.iterdir())
            (folder / _SUMS).write_text("".join(f"{_digest(folder / n)}  {n}\n" for n in names))
            entry = self.folder / name
            if not entry.exists():
                folder.rename(entry)
        except OSError as error:
            raise InputError(f"cannot write the key cache {self.folder}: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_intact(entry: Path) -> bool:
    try:
        lines = (entry / _SUMS).read_text().splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        present = {path.name for path in entry.iterdir()} - {_SUMS}
        return present == set(sums) and all(_digest(entry / name) == digest for name, digest in sums.items())
    except (OSError, ValueError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
