"""What the tests read of a page: fenced blocks with the comment above them, links, and names of tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `note` is the HTML comment in the line above it, without its marks."""

    note: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    return [
        Block(m["note"] or "", m["language"], m["text"]) for m in _FENCE.finditer(page.read_text("utf-8"))
    ]


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures, outside of fenced blocks."""
    return [m[1] or m[2] for m in _LINK.finditer(prose(page))]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
