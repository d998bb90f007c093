"""The key cache: whole entries or none, and damage is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import InputError
from prover.keys import KeyCache, cache_folder


def _fill(cache: KeyCache, name: str, text: str) -> None:
    with cache.make(name) as folder:
        (folder / "key").write_text(text)


def test_an_entry_is_found_as_it_was_made(cache: KeyCache) -> None:
    assert cache.find("a") is None
    _fill(cache, "a", "one")
    entry = cache.find("a")
    assert entry is not None and (entry / "key").read_text() == "one"
    _fill(cache, "a", "two")  # another process was first: its entry stays
    assert (entry / "key").read_text() == "one"


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no sums", "bad sums"])
def test_a_damaged_entry_is_removed(cache: KeyCache, damage: str) -> None:
    _fill(cache, "a", "one")
    entry = cache.folder / "a"
    if damage == "changed":
        (entry / "key").write_text("two")
    elif damage == "missing":
        (entry / "key").unlink()
    elif damage == "added":
        (entry / "more").write_text("")
    elif damage == "no sums":
        (entry / "sums").unlink()
    else:
        (entry / "sums").write_text("nonsense\n")
    assert cache.find("a") is None and not entry.exists()


def test_a_failure_leaves_nothing(cache: KeyCache) -> None:
    with pytest.raises(ZeroDivisionError), cache.make("a") as folder:
        (folder / "key").write_text("half")
        raise ZeroDivisionError
    assert list(cache.folder.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = KeyCache("ezkl", tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot write the key cache.*VERINFER_CACHE"):
        _fill(cache, "a", "one")


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_CACHE", "/one")
    assert cache_folder() == Path("/one")
    monkeypatch.delenv("VERINFER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_folder() == Path("/two/verinfer")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/three")
    assert cache_folder() == Path("/three/.cache/verinfer")
