"""Checks that the files of keys and of proofs share: names of backends, flags, hashes as text, sections."""

import re
from collections.abc import Mapping

from circuits.errors import FormatError
from verifier.container import Field

_BACKEND = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


def check_backend(backend: object) -> None:
    """Raise FormatError unless `backend` is a well-formed name of a backend."""
    if not isinstance(backend, str) or not _BACKEND.fullmatch(backend):
        raise FormatError(f"{backend!r:.80} is no name of a backend")


def check_flag(name: str, value: object) -> None:
    """Raise FormatError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise FormatError(f"{name} is neither true nor false")


def check_sections(sections: object, reserved: frozenset[str]) -> None:
    """Raise FormatError unless `sections` maps names, none of them reserved, to bytes."""
    if not isinstance(sections, Mapping) or not all(isinstance(value, bytes) for value in sections.values()):
        raise FormatError("the sections are not bytes by name")
    for name in sorted(reserved & set(sections)):
        raise FormatError(f"a backend may not use the section {name!r}")


def hash_to_hex(value: bytes) -> str:
    """Return 32 bytes as 0x and 64 lower-case digits."""
    return "0x" + value.hex()


def hash_from_hex(name: str, text: Field) -> bytes:
    """Return the 32 bytes that `text` spells.

    Raises
    ------
    FormatError
        If it is not 0x and 64 lower-case hexadecimal digits.
    """
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise FormatError(f"{name} is not 0x and 64 lower-case hexadecimal digits: {text!r:.80}")
    return bytes.fromhex(text[2:])
