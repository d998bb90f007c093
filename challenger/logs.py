"""Logs of a long-running process: one event a line, as JSON or for people, with keys such as claim, game,
move, tx, or job, tenant, request_id. What libraries log comes the same way."""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from typing import Any, TextIO

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor

SECRET = ("key", "password", "secret", "raw", "token", "url")
"""What keys of secrets look like. Nothing logs one on purpose."""
SECRET_TEXT = re.compile(
    r"vk_[0-9a-f]{32}_[0-9a-f]{64}|whsec_[A-Za-z0-9+/=]+|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)", re.ASCII
)
"""What secrets look like in texts: API keys, keys of webhooks, names and passwords in URLs."""
SECRET_MARKS = ("vk_", "whsec_", "://")
"""A text without any of these has no such secret."""


def configure_logs(*, as_json: bool, level: int = logging.INFO, file: TextIO | None = None) -> None:
    """Set up logging for this process.

    Parameters
    ----------
    as_json
        One JSON object a line, for collectors; else text for people.
    level
        The least level that is logged.
    file
        Where to; standard error by default.
    """
    stream = file or sys.stderr
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
        _without_secrets,
        _hexadecimal,
        structlog.processors.format_exc_info,
    ]

    def render(logger: Any, method: str, event: EventDict) -> str:
        line = str(renderer(logger, method, event))
        # The search takes as long as most of the rest: nearly all lines have none of what it begins with.
        return SECRET_TEXT.sub("(not logged)", line) if any(mark in line for mark in SECRET_MARKS) else line

    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # A line and its end are written as one: several processes may write to one pipe.
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _json(event: Any, **options: Any) -> str:
    """Faster than the standard library's, which takes longer than all else that a line needs."""
    return to_json(event, fallback=repr).decode()


def _without_secrets(logger: Any, method: str, event: EventDict) -> EventDict:
    return {key: "(not logged)" if _is_secret(key) else value for key, value in event.items()}


@lru_cache(maxsize=1000)
def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET)


def _hexadecimal(logger: Any, method: str, event: EventDict) -> EventDict:
    return {key: f"0x{value.hex()}" if isinstance(value, bytes) else value for key, value in event.items()}
