"""Amounts and times as people write them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from circuits.errors import InputError

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_ether(text: str) -> int:
    """An amount of ether, such as "0.25", in wei.

    Raises
    ------
    InputError
        If it is no amount, negative, or finer than a wei.
    """
    try:
        wei = Decimal(text).scaleb(18)
    except InvalidOperation:
        raise InputError(f"{text!r} is not an amount of ether, such as 0.25") from None
    if not wei.is_finite() or wei < 0 or wei != wei.to_integral_value():
        raise InputError(f"{text!r} is not an amount of ether: at least 0, and with at most 18 decimals")
    return int(wei)


def ether_digits(wei: int) -> str:
    """An amount in wei as `parse_ether` reads it."""
    return f"{Decimal(wei).scaleb(-18).normalize():f}"


def parse_duration(text: str) -> int:
    """A time such as "90", "90s", "30m", "24h" or "7d", in seconds.

    Raises
    ------
    InputError
        If it is none.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())
    if found is None:
        raise InputError(f"{text!r} is not a time: a number and s, m, h or d, such as 24h")
    return int(found[1]) * SECONDS[found[2]]


def show_time(timestamp: int) -> str:
    """A time of the chain's for people, in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def parse_digest(text: str, what: str) -> bytes:
    """32 bytes, written as 0x and 64 hexadecimal digits.

    Raises
    ------
    InputError
        If it is something else.
    """
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise InputError(f"{text!r} is not {what}: 0x and 64 hexadecimal digits")
    return bytes.fromhex(digits)
