"""The ONNX node tests: what docs/operators.md says of them is so, and no case ends in anything but a
verdict."""

from __future__ import annotations

import pytest

from bench.operators import PAGE, results

Rows = dict[str, tuple[int, int, int]]


@pytest.fixture(scope="module")
def table() -> dict[str, list[tuple[str, str, str, float]]]:
    return results(workers=2)


def published() -> Rows:
    """(tests, within 1%, as constants) of each operator on the page; refused ones have none of either."""
    rows: Rows = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 5 and cells[1].isdigit():
            rows[cells[0]] = (int(cells[1]), int(cells[2]), int(cells[3] or 0))
        elif len(cells) >= 3 and cells[1].isdigit():
            rows[cells[0]] = (int(cells[1]), 0, 0)
    return rows


def test_the_page_is_up_to_date(table: dict[str, list[tuple[str, str, str, float]]]) -> None:
    found = {
        name: (len(rows), sum(r[1] == "ok" for r in rows), sum(r[1] == "constant" for r in rows))
        for name, rows in table.items()
    }
    assert found == published(), "run `make docs`"


def test_no_case_breaks(table: dict[str, list[tuple[str, str, str, float]]]) -> None:
    assert [r for rows in table.values() for r in rows if r[1] == "broken"] == []


def test_the_reach_is_what_we_claim(table: dict[str, list[tuple[str, str, str, float]]]) -> None:
    running = [name for name, rows in table.items() if any(r[1] == "ok" for r in rows)]
    assert len(running) >= 170
    assert sum(r[1] == "ok" for rows in table.values() for r in rows) >= 1_600
