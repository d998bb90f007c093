"""The file format of keys and proofs: one versioned, self-describing container.

::

    magic            8 bytes   says what kind of file this is
    version          u16
    header length    u32
    header           canonical JSON: {"fields": {...}, "sections": [[name, length], ...]}
    sections         the bytes of each section, in the header's order, back to back
    digest           32 bytes  keccak256 of everything before it

Integers are big-endian. Canonical JSON is UTF-8 with sorted keys and no spaces, so there is one encoding of
a given content: a reader re-encodes the header and compares the bytes. Field values are strings, integers or
booleans. Sections are listed in strictly rising order of their names. The fields of a kind of file are fixed:
a missing or an unknown one is an error, and so is a single byte too few or too many.

The digest finds damage; it is not a signature. A field element or a curve point inside a section is checked
by the module that gives the section its meaning.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from eth_hash.auto import keccak

from circuits.errors import FormatError
from circuits.json_depth import too_deep
from verifier.input_file import InputFile

Field = str | int | bool

MAGIC_BYTES = 8
DIGEST_BYTES = 32
MAX_HEADER_BYTES = 64 * 1024
MAX_SECTIONS = 64
_PREFIX_BYTES = MAGIC_BYTES + 2 + 4
_SECTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


@dataclass(frozen=True)
class FileKind:
    """One kind of file.

    Parameters
    ----------
    name
        What a message calls such a file, for example ``"proof"``.
    magic
        The first eight bytes of such a file.
    version
        The one version that this program reads and writes.
    max_bytes
        The largest file that is read.
    fields
        The names and the types (``str``, ``int`` or ``bool``) of the header's fields.
    """

    name: str
    magic: bytes
    version: int
    max_bytes: int
    fields: Mapping[str, type]


def encode(kind: FileKind, fields: Mapping[str, Field], sections: Mapping[str, bytes]) -> bytes:
    """Return the file that holds `fields` and `sections`.

    Raises
    ------
    FormatError
        If the fields are not those of the kind, a section's name is malformed, or the file would be too
        large.
    """
    checked = _check_fields(kind, dict(fields))
    names = sorted(sections)
    for name in names:
        _check_section_name(kind, name)
    header = _canonical_json({"fields": checked, "sections": [[name, len(sections[name])] for name in names]})
    body = b"".join(
        [
            kind.magic,
            kind.version.to_bytes(2, "big"),
            len(header).to_bytes(4, "big"),
            header,
            *(sections[name] for name in names),
        ]
    )
    if (
        len(names) > MAX_SECTIONS
        or len(header) > MAX_HEADER_BYTES
        or len(body) + DIGEST_BYTES > kind.max_bytes
    ):
        raise FormatError(
            f"this {kind.name} is too large to be written: {len(body):,} bytes in {len(names)} sections"
        )
    return body + keccak(body)


def decode(kind: FileKind, data: bytes) -> tuple[dict[str, Field], dict[str, bytes]]:
    """Return the fields and the sections of a file.

    Parameters
    ----------
    kind
        The kind of file that is expected.
    data
        The whole file.

    Returns
    -------
    tuple
        The header's fields by name, and the sections by name.

    Raises
    ------
    FormatError
        If the file is of another kind or version, truncated, altered, or not the canonical encoding of its
        content.
    """
    if len(data) > kind.max_bytes:
        _refuse(
            kind, f"it has {len(data):,} bytes, more than the {kind.max_bytes:,} that such a file may have"
        )
    if data[:MAGIC_BYTES] != kind.magic:
        raise FormatError(f"this is not a Verinfer {kind.name}: it does not begin with {kind.magic!r}")
    if len(data) < _PREFIX_BYTES + DIGEST_BYTES:
        _refuse(kind, "it is truncated: it ends before its header")
    version = int.from_bytes(data[MAGIC_BYTES : MAGIC_BYTES + 2], "big")
    if version != kind.version:
        _refuse(kind, f"it is of version {version}; this program reads version {kind.version}")
    header_bytes = int.from_bytes(data[MAGIC_BYTES + 2 : _PREFIX_BYTES], "big")
    if header_bytes > MAX_HEADER_BYTES:
        _refuse(kind, f"it declares a header of {header_bytes:,} bytes, more than {MAX_HEADER_BYTES:,}")
    body_end = len(data) - DIGEST_BYTES
    if _PREFIX_BYTES + header_bytes > body_end:
        _refuse(kind, "it is truncated: its header is longer than the file")
    if keccak(data[:body_end]) != data[body_end:]:
        _refuse(kind, "its digest does not match: the file was truncated or altered")

    header = _parse_header(kind, data[_PREFIX_BYTES : _PREFIX_BYTES + header_bytes])
    fields = _check_fields(kind, header["fields"])
    table = _section_table(kind, header["sections"])
    if _PREFIX_BYTES + header_bytes + sum(table.values()) != body_end:
        _refuse(kind, "its sections do not add up to its length")

    sections: dict[str, bytes] = {}
    start = _PREFIX_BYTES + header_bytes
    for name, length in table.items():
        sections[name] = data[start : start + length]
        start += length
    return fields, sections


def read(kind: FileKind, path: str | os.PathLike[str]) -> bytes:
    """Read a whole file of the given kind, refusing one that is too large before reading it.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    FormatError
        If it is larger than such a file may be.
    """
    with InputFile(path) as file:
        if file.size > kind.max_bytes:
            raise FormatError(
                f"{file.path} is not a valid {kind.name}: it has {file.size:,} bytes, "
                f"more than the {kind.max_bytes:,} that such a file may have"
            )
        return file.read(file.size)


def _refuse(kind: FileKind, reason: str) -> NoReturn:
    raise FormatError(f"this {kind.name} is invalid: {reason}")


def _check_fields(kind: FileKind, fields: object) -> dict[str, Field]:
    if not isinstance(fields, dict):
        _refuse(kind, "its header's fields are not an object")
    missing = sorted(set(kind.fields) - set(fields))
    unknown = sorted(set(fields) - set(kind.fields))
    if missing:
        _refuse(kind, f"the header's field {missing[0]!r} is missing")
    if unknown:
        _refuse(kind, f"the header has an unknown field {unknown[0]!r}")
    for name, expected in kind.fields.items():
        # `type() is`, not isinstance: True is an int to isinstance.
        if type(fields[name]) is not expected:
            _refuse(kind, f"the header's field {name!r} is not of type {expected.__name__}")
    return fields


def _check_section_name(kind: FileKind, name: object) -> str:
    if not isinstance(name, str) or not _SECTION_NAME.fullmatch(name):
        _refuse(kind, f"{name!r:.80} is no name for a section")
    return name


def _section_table(kind: FileKind, entries: object) -> dict[str, int]:
    if not isinstance(entries, list) or len(entries) > MAX_SECTIONS:
        _refuse(kind, f"its header's list of sections is not a list of at most {MAX_SECTIONS}")
    table: dict[str, int] = {}
    previous = ""
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2:
            _refuse(kind, "an entry of its list of sections is not [name, length]")
        name, length = _check_section_name(kind, entry[0]), entry[1]
        if type(length) is not int or length < 0:
            _refuse(kind, f"the length of its section {name!r} is not a number of bytes")
        if name <= previous:
            _refuse(kind, f"its section {name!r} is listed twice or out of order")
        table[name] = length
        previous = name
    return table


def _canonical_json(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _parse_header(kind: FileKind, encoded: bytes) -> dict[str, object]:
    try:
        # Duplicate keys, floats and spelling variants all fail the comparison with the canonical encoding.
        text = encoded.decode("utf-8")
        if too_deep(text):
            raise ValueError("nested too deep")
        header = json.loads(text)
        canonical = _canonical_json(header)
    except ValueError as error:
        raise FormatError(f"this {kind.name} is invalid: its header is not JSON") from error
    if canonical != encoded:
        _refuse(kind, "its header is not canonical JSON")
    if not isinstance(header, dict) or set(header) != {"fields", "sections"}:
        _refuse(kind, "its header does not consist of fields and sections")
    return header
