"""The measured tables in the pages are still what is measured, up to the last bits of a machine's floats."""

from __future__ import annotations

import re

import pytest

from tests.docs.figures import BLOCK, DISPUTE, DRAWING, TABLES, dispute, drawing, pages

HASH = re.compile(r"(0x)?[0-9a-fA-F]{6,}(…[0-9a-fA-F]+)?")
NUMBER = re.compile(r"\d[\d,]*\.?\d*")
SHOWN = [
    (page.name, found[2], found[3]) for page in pages() for found in BLOCK.finditer(page.read_text("utf-8"))
]


def test_every_table_is_shown() -> None:
    assert {name for _, name, _ in SHOWN} == {*TABLES, "demo"}


def test_the_drawing_is_of_the_circuit() -> None:
    """Bounds may differ by the last bits of a machine's floats; operations and shapes do not."""
    stale = f"{DRAWING} is stale: run `python -m tests.docs.figures`"
    assert NUMBER.sub("#", DRAWING.read_text("utf-8")) == NUMBER.sub("#", drawing()), stale


def test_the_dispute_is_the_one_of_the_demonstration() -> None:
    """But for hashes and numbers, which stand for the circuit's bits."""
    stale = f"{DISPUTE} is stale: run `python -m tests.docs.figures`"
    shown, drawn = (NUMBER.sub("#", HASH.sub("#", text)) for text in (DISPUTE.read_text("utf-8"), dispute()))
    assert shown == drawn, stale


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_what_is_measured(name: str) -> None:
    measured = "\n".join(TABLES[name]()) + "\n"
    for page, shown in [(page, shown) for page, other, shown in SHOWN if other == name]:
        stale = f"{page} is stale: run `python -m tests.docs.figures`\n{measured}"
        assert NUMBER.sub("#", shown) == NUMBER.sub("#", measured), stale
        for old, new in zip(NUMBER.findall(shown), NUMBER.findall(measured), strict=True):
            then, now = (float(text.replace(",", "")) for text in (old, new))
            assert abs(then - now) <= max(0.1 * now, 0.011), f"{stale}{old} is now {new}"
