"""The store of structured reference strings: one folder that all backends share.

::

    <home>/srs/<srs id in hexadecimal>/record.json    source, and digest and check of each file
    <home>/srs/<srs id in hexadecimal>/k<k>.srs       2^k points, a halo2 `.srs` file
 `<home>` is the environment's VERINFER_HOME, or `verinfer` in the user's data folder ($XDG_DATA_HOME or
~/.local/share).
 Whether a string is insecure is a judgement on where it came from, which its points cannot tell, with one
exception. The rule is: the development SRS is insecure, whatever anyone says of it; any other string is
insecure until somebody imports it with a source, vouching that nobody knows its tau. The store keeps that
source; it cannot check it.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from circuits.atomic_write import write_atomically
from circuits.errors import FormatError, InputError
from circuits.json_depth import too_deep
from verifier.development_srs import development_head, is_development
from verifier.halo2_srs import read_halo2, write_halo2
from verifier.input_file import InputFile
from verifier.powers_of_tau import MAX_K, PowersOfTau, Progress
from verifier.ptau import MAGIC as PTAU_MAGIC
from verifier.ptau import read_ptau
from verifier.srs_check import CheckLevel, SrsReport, check_srs
from verifier.srs_generate import generate_development_srs
from verifier.srs_head import SrsHead

DEVELOPMENT_SOURCE = "made by `verinfer srs generate` for development; its tau is public"
Check = CheckLevel | Literal["made here"]

_RECORD_VERSION = 1
_MAX_RECORD_BYTES = 64 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SOURCE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,300}")


@dataclass(frozen=True)
class StoredSrs:
    """One file of the store.

    Parameters
    ----------
    path
        A halo2 `.srs` file.
    k
        It holds 2^k points in each basis.
    head
        The string's head; `head.id` is its id, which files of other sizes from the same ceremony share.
    source
        Where the string came from, as told when it was imported; None if nobody said.
    check
        How the file was checked: ``"full"`` or ``"quick"``, or ``"made here"``, which needs no check.
    sha256
        The digest of the file as it was stored, in hexadecimal.
    """

    path: Path
    k: int
    head: SrsHead
    source: str | None
    check: Check
    sha256: str

    @property
    def id(self) -> bytes:
        """The string's id, 32 bytes."""
        return self.head.id

    @property
    def insecure(self) -> bool:
        """Whether somebody may know tau: the development SRS, or a string of unknown origin."""
        return self.source is None or is_development(self.head)


@dataclass(frozen=True)
class _File:
    sha256: str
    check: Check


@dataclass(frozen=True)
class _Record:
    head: SrsHead
    source: str | None
    files: dict[int, _File]


class SrsStore:
    """The strings kept in one folder."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Use the store in `folder`, by default this user's. Nothing is created before it is needed."""
        self.folder = Path(folder) if folder is not None else home() / "srs"

    def generate(self, k: int, progress: Progress | None = None) -> StoredSrs:
        """Make 2^k points of the development SRS, unless the store has them.

        Parameters
        ----------
        k
            The base-2 logarithm of the number of points.
        progress
            Is told how far the work is. It takes about 20 seconds for 2^16 points, in proportion to their
            number.

        Raises
        ------
        InputError
            If `k` is out of range, or the store cannot be written.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(f"an SRS has between 2^1 and 2^{MAX_K} points, not 2^{k}")
        for stored in self.info():
            if stored.k == k and is_development(stored.head) and _digest(stored.path) == stored.sha256:
                return stored
        srs = generate_development_srs(k, progress)
        return self._add(srs, development_head(), "made here", DEVELOPMENT_SOURCE)

    def import_file(
        self,
        path: str | os.PathLike[str],
        source: str | None = None,
        k: int | None = None,
        check: CheckLevel = "full",
        progress: Progress | None = None,
    ) -> tuple[StoredSrs, SrsReport]:
        """Check a halo2 `.srs` or a snarkjs `.ptau` file and copy its points into the store.

        Parameters
        ----------
        path
            The file. Its first bytes say which of the two formats it has.
        source
            Where the string came from, one line; given by somebody who vouches that nobody knows its tau.
            Without it the string counts as insecure, unless it was imported with a source before.
        k
            How many points to take from a `.ptau` file, 2^k; by default as many as it was prepared for.
        check
            ``"full"`` or ``"quick"``, see `verifier.srs_check`.
        progress
            Is told how far the check is.

        Returns
        -------
        tuple
            What was stored, and what was checked.

        Raises
        ------
        InputError
            If the file cannot be read, or has too few points, or the store cannot be written.
        FormatError
            If the file is malformed, or its points are not the powers of one tau. Nothing is stored then.
        """
        if source is not None and not _SOURCE.fullmatch(source):
            raise InputError("the source of an SRS is one line of 1 to 300 characters")
        with InputFile(path) as file:
            is_ptau = file.size >= len(PTAU_MAGIC) and file.read(len(PTAU_MAGIC)) == PTAU_MAGIC
        srs = read_ptau(path, k) if is_ptau else read_halo2(path)
        if k is not None and srs.k != k:
            raise InputError(
                f"{Path(path)} has the Lagrange points for 2^{srs.k} points, which are not those for 2^{k}; "
                "import it as it is, or take 2^k points from the ceremony's .ptau file"
            )
        report = check_srs(srs, check, progress)
        if is_development(report.head):
            source = DEVELOPMENT_SOURCE
        return self._add(srs, report.head, report.level, source), report

    def info(self) -> list[StoredSrs]:
        """Return what the store holds, the secure strings first, each from small to large.

        Raises
        ------
        FormatError
            If a record was altered.
        """
        stored = [
            StoredSrs(folder / f"k{k}.srs", k, record.head, record.source, file.check, file.sha256)
            for folder in self._folders()
            if (record := _read_record(folder)) is not None
            for k, file in record.files.items()
            if (folder / f"k{k}.srs").is_file()
        ]
        return sorted(stored, key=lambda srs: (srs.insecure, srs.id, srs.k))

    def find(self, min_k: int, id: bytes | None = None) -> StoredSrs:
        """Return the smallest string of at least 2^min_k points, a secure one if there is any.

        A string larger than needed serves ezkl too, but ezkl then recomputes the Lagrange points in every
        step, which takes about as long as making an SRS: have one of the right size.

        Parameters
        ----------
        min_k
            The base-2 logarithm of the number of points that are needed.
        id
            Take this string only.

        Raises
        ------
        InputError
            If the store has no such string. The message says what to do.
        FormatError
            If the file in the store was altered.
        """
        everything = [srs for srs in self.info() if id is None or srs.id == id]
        candidates = [srs for srs in everything if srs.k >= min_k]
        if not candidates:
            name = "SRS" if id is None else f"file of the SRS 0x{id.hex()}"
            largest = max((srs.k for srs in everything), default=None)
            raise InputError(
                f"the store {self.folder} has no {name} with 2^{min_k} points or more"
                + (f"; its largest has 2^{largest}" if largest is not None else "")
                + f". Run `verinfer srs import FILE` with one of a ceremony, or, for development only, "
                f"`verinfer srs generate --k {min_k}`"
            )
        found = min(candidates, key=lambda srs: (srs.insecure, srs.k, srs.id))
        if _digest(found.path) != found.sha256:
            raise FormatError(f"{found.path} was altered after it was stored; delete it and import it again")
        return found

    def _folders(self) -> list[Path]:
        try:
            return sorted(folder for folder in self.folder.iterdir() if folder.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"cannot read the store {self.folder}: {os.strerror(error.errno or 0)}"
            ) from error

    def _add(self, srs: PowersOfTau, head: SrsHead, check: Check, source: str | None) -> StoredSrs:
        folder = self.folder / head.id.hex()
        path = folder / f"k{srs.k}.srs"
        with _locked(folder):
            write_halo2(path, srs)
            old = _read_record(folder) or _Record(head, None, {})
            file = _File(_digest(path), check)
            record = _Record(head, source or old.source, {**old.files, srs.k: file})
            write_atomically(folder / "record.json", [_encode_record(record)])
        return StoredSrs(path, srs.k, record.head, record.source, file.check, file.sha256)


def home() -> Path:
    """Return the folder of this user's data: VERINFER_HOME, or `verinfer` in the user's data folder."""
    if own := os.environ.get("VERINFER_HOME"):
        return Path(own)
    if data := os.environ.get("XDG_DATA_HOME"):
        return Path(data) / "verinfer"
    return Path.home() / ".local" / "share" / "verinfer"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other processes from changing it meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write to the store {folder}: {os.strerror(error.errno or 0)}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error


def _encode_record(record: _Record) -> bytes:
    content = {
        "version": _RECORD_VERSION,
        "head": record.head.encode().hex(),
        "source": record.source,
        "files": {
            str(k): {"sha256": file.sha256, "check": file.check} for k, file in sorted(record.files.items())
        },
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _read_record(folder: Path) -> _Record | None:
    """Return the record in a folder of the store, or None if there is none."""
    path = folder / "record.json"
    if not path.exists():
        return None
    with InputFile(path) as file:
        data = file.read(min(file.size, _MAX_RECORD_BYTES))
    try:
        record = _decode_record(data)
    except (ValueError, KeyError, TypeError, AttributeError, FormatError) as error:
        raise FormatError(
            f"{path} is not a record of this store; delete {folder} and import it again"
        ) from error
    if record.head.id.hex() != folder.name:
        raise FormatError(f"{path} is the record of another SRS; delete {folder} and import it again")
    return record


def _decode_record(data: bytes) -> _Record:
    text = data.decode("utf-8")
    if too_deep(text):
        raise ValueError("nested too deep")
    content = json.loads(text)
    files = {int(k): _File(file["sha256"], file["check"]) for k, file in content["files"].items()}
    record = _Record(SrsHead.decode(bytes.fromhex(content["head"])), content["source"], files)
    checks = {check for levels in get_args(Check) for check in get_args(levels)}
    sound = (record.source is None or _SOURCE.fullmatch(record.source)) and all(
        _SHA256.fullmatch(file.sha256) and file.check in checks for file in files.values()
    )
    # There is one encoding of a record, so the comparison finds unknown, repeated and misspelt fields too.
    if not sound or _encode_record(record) != data:
        raise ValueError("the record is not as this store writes it")
    return record
