"""How much memory there is, by what the system says of the machine and of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from prover import memory


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of control groups, of which this process is in `/outer/inner`."""
    (tmp_path / "membership").write_text("1:cpu:/elsewhere\n0::/outer/inner\n")
    (tmp_path / "groups" / "outer" / "inner").mkdir(parents=True)
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "groups")
    return tmp_path / "groups"


def bound(group: Path, most: str, used: int = 0, files: int = 0) -> None:
    """Have a control group's files say something, as cgroup v2 has them."""
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon {used - files}\ninactive_file {files}\n")


def test_without_a_bound_there_is_what_the_machine_has(groups: Path) -> None:
    bound(groups / "outer" / "inner", "max")
    whole, available = memory.whole_bytes(), memory.available_bytes()
    assert whole is not None and available is not None and whole > available > 0


@pytest.mark.parametrize("which", ["outer", "outer/inner", "."])
def test_the_least_of_all_groups_round_the_process_counts(groups: Path, which: str) -> None:
    for each in (".", "outer", "outer/inner"):
        bound(groups / each, "max" if each != which else str(1 << 20), 5000, 1000)
    assert memory.whole_bytes() == 1 << 20
    assert memory.available_bytes() == (1 << 20) - 4000


def test_another_groups_bound_does_not_count(groups: Path) -> None:
    (groups / "elsewhere").mkdir()
    bound(groups / "elsewhere", "4096")
    whole = memory.whole_bytes()
    assert whole is not None and whole > 1 << 20


def test_a_group_over_its_bound_has_nothing_left(groups: Path) -> None:
    bound(groups / "outer", str(1 << 20), 2 << 20)
    assert memory.available_bytes() == 0
