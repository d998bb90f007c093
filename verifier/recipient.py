"""Whom a proof is for: one Ethereum address, or anyone.

A proof for an address holds for that address only, since all challenges of its argument depend on it:
whoever sees the proof on its way cannot use it as their own. Files and the transcript have 20 zero bytes
where a proof is for anyone.
"""

import re

from eth_hash.auto import keccak

from circuits.errors import FormatError, InputError

ADDRESS_BYTES = 20
ANYONE = bytes(ADDRESS_BYTES)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def check_recipient(value: object) -> None:
    """Raise FormatError unless `value` is the 20 bytes of an address."""
    if not isinstance(value, bytes) or len(value) != ADDRESS_BYTES:
        raise FormatError(f"recipient is not {ADDRESS_BYTES} bytes")


def recipient_word(recipient: bytes) -> bytes:
    """The recipient as a 32-byte word: the address, padded on the left."""
    return recipient.rjust(32, b"\0")


def show_address(address: bytes) -> str:
    """Return 20 bytes as 0x and 40 digits whose capitals are the checksum of EIP-55."""
    digits = address.hex()
    digest = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )


def shown_recipient(recipient: bytes) -> str | None:
    """The recipient's address for people, None for anyone."""
    return None if recipient == ANYONE else show_address(recipient)


def read_address(text: str) -> bytes:
    """Return the 20 bytes of a recipient's address.

    Raises
    ------
    InputError
        If `text` is not 0x and 40 hexadecimal digits, has capitals that are not its checksum, or is the zero
        address, which is nobody's.
    """
    if not _ADDRESS.fullmatch(text):
        raise InputError(f"the recipient {text!r:.80} is not an address: 0x and 40 hexadecimal digits")
    address = bytes.fromhex(text[2:])
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and text != show_address(address):
        raise InputError(f"the recipient {text} has a wrong checksum: a digit of it is mistyped")
    if address == ANYONE:
        raise InputError("the zero address is nobody's: a proof for anyone names no recipient")
    return address


def header_recipient(text: object) -> bytes:
    """Return the 20 bytes that a file's header spells.

    Raises
    ------
    FormatError
        If it is not 0x and 40 lower-case hexadecimal digits.
    """
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text) or text != text.lower():
        raise FormatError(f"recipient is not 0x and 40 lower-case hexadecimal digits: {text!r:.80}")
    return bytes.fromhex(text[2:])
