"""The store: what is kept, what counts as insecure, and that the mark cannot be lost."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import ezkl
import pytest

from circuits.errors import FormatError, InputError
from verifier.development_srs import development_head
from verifier.srs import SrsStore, home


@pytest.fixture
def store(tmp_path: Path) -> SrsStore:
    return SrsStore(tmp_path / "store")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SRS of 2^5 points that was not made here: ezkl draws tau at random and forgets it."""
    path = tmp_path_factory.mktemp("foreign") / "ceremony.srs"
    ezkl.gen_srs(str(path), 5)
    return path


def test_an_empty_store(store: SrsStore) -> None:
    assert store.info() == []
    with pytest.raises(InputError, match=r"srs import FILE.*srs generate --k 16"):
        store.find(16)
    assert not store.folder.exists()


def test_what_is_generated_is_insecure_and_the_same_each_time(store: SrsStore, tmp_path: Path) -> None:
    made = store.generate(5)
    assert made.insecure
    assert made.head == development_head()
    assert store.generate(5) == made == store.find(4)
    again = SrsStore(tmp_path / "other").generate(5)
    assert again.path.read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize("k", [0, -3, 23, 10**9])
def test_sizes_that_are_none(store: SrsStore, k: int) -> None:
    with pytest.raises(InputError, match="between"):
        store.generate(k)


def test_ezkl_proves_with_what_is_generated(store: SrsStore, tiny_proof: Callable[[Path], bool]) -> None:
    assert tiny_proof(store.generate(6).path)


def test_ezkl_proves_with_a_larger_one(store: SrsStore, tiny_proof: Callable[[Path], bool]) -> None:
    assert tiny_proof(store.generate(7).path)


def test_the_mark_survives_copying_renaming_and_a_false_source(store: SrsStore, tmp_path: Path) -> None:
    copy = tmp_path / "hermez-ceremony.srs"
    shutil.copy(store.generate(4).path, copy)
    elsewhere = SrsStore(tmp_path / "elsewhere")
    stored, _ = elsewhere.import_file(copy, source="a ceremony of 1,000 participants")
    assert stored.insecure
    assert "development" in str(stored.source)
    assert all(srs.insecure for srs in elsewhere.info())


def test_a_string_of_unknown_origin_is_insecure_until_somebody_vouches(
    store: SrsStore, foreign: Path
) -> None:
    stored, report = store.import_file(foreign)
    assert stored.insecure
    assert stored.source is None
    assert (report.level, stored.check) == ("full", "full")
    vouched, _ = store.import_file(foreign, source="the ceremony of 2024")
    assert not vouched.insecure
    later, _ = store.import_file(foreign, check="quick")
    assert later.source == "the ceremony of 2024"
    assert later.check == "quick"
    assert store.info() == [later]


@pytest.mark.parametrize("source", ["", "two\nlines", "x" * 301, "null\0", "\u2028"])
def test_a_source_is_one_line(store: SrsStore, foreign: Path, source: str) -> None:
    with pytest.raises(InputError, match="one line"):
        store.import_file(foreign, source=source)
    assert store.info() == []


def test_a_secure_string_is_preferred_then_the_smallest(store: SrsStore, foreign: Path) -> None:
    development = store.generate(5)
    larger = store.generate(6)
    stored, _ = store.import_file(foreign, source="ceremony")
    assert store.info() == [stored, development, larger]
    assert store.find(3) == stored
    assert store.find(6) == larger
    assert store.find(3, development.id) == development
    with pytest.raises(InputError, match=r"no file of the SRS 0x.* its largest has 2\^5"):
        store.find(6, stored.id)


def test_a_halo2_file_cannot_be_cut(store: SrsStore, foreign: Path) -> None:
    with pytest.raises(InputError, match=r"Lagrange points for 2\^5"):
        store.import_file(foreign, k=4)


def test_a_file_that_fails_the_check_is_not_stored(store: SrsStore, foreign: Path, tmp_path: Path) -> None:
    data = bytearray(foreign.read_bytes())
    data[4 + 64 * 20 : 4 + 64 * 21] = data[4 + 64 * 10 : 4 + 64 * 11]
    path = tmp_path / "altered.srs"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"not the powers of one tau|Lagrange"):
        store.import_file(path, source="ceremony")
    assert not store.folder.exists()


@pytest.mark.parametrize("content", [b"", b"ptau", b"pta", b"PK\x03\x04", b"\x05\x00\x00\x00"])
def test_files_that_are_no_srs(store: SrsStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError):
        store.import_file(path)
    with pytest.raises(InputError, match="cannot read"):
        store.import_file(tmp_path / "missing")


def test_a_stored_file_that_was_altered_is_refused_and_made_anew(store: SrsStore) -> None:
    made = store.generate(4)
    original = made.path.read_bytes()
    made.path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    with pytest.raises(FormatError, match="was altered after it was stored"):
        store.find(4)
    assert store.generate(4).path.read_bytes() == original
    made.path.write_bytes(original[:-1])
    with pytest.raises(FormatError, match="was altered"):
        store.find(4)
    made.path.unlink()
    assert store.info() == []


def test_the_record_is_read_strictly(store: SrsStore) -> None:
    path = store.generate(4).path.parent / "record.json"
    original = path.read_text()
    record = json.loads(original)
    altered = [
        "",
        "null",
        original[:-1],
        original + " ",
        original.replace('"made here"', '"none"'),
        json.dumps({**record, "comment": "x"}, indent=2) + "\n",
        json.dumps({**record, "version": 2}, indent=2) + "\n",
        json.dumps({**record, "source": 3}, indent=2) + "\n",
        json.dumps({**record, "source": "two\nlines"}, indent=2) + "\n",
        json.dumps({**record, "head": record["head"][:-2]}, indent=2) + "\n",
        json.dumps({**record, "files": {"04": record["files"]["4"]}}, indent=2) + "\n",
        json.dumps({**record, "files": {"4": {"sha256": "x"}}}, indent=2) + "\n",
        json.dumps({**record, "files": {"../4": record["files"]["4"]}}, indent=2) + "\n",
        json.dumps({name: value for name, value in record.items() if name != "source"}, indent=2) + "\n",
    ]
    for content in altered:
        path.write_text(content)
        with pytest.raises(FormatError, match=r"record\.json"):
            store.info()


def test_a_record_in_the_folder_of_another_string_is_refused(store: SrsStore, foreign: Path) -> None:
    ours = store.generate(5)
    theirs, _ = store.import_file(foreign, source="ceremony")
    shutil.copy(theirs.path.parent / "record.json", ours.path.parent / "record.json")
    with pytest.raises(FormatError, match="another SRS"):
        store.info()


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "own"
    assert SrsStore().folder == tmp_path / "own" / "srs"
    monkeypatch.delenv("VERINFER_HOME")
    assert home() == tmp_path / "data" / "verinfer"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert home() == Path.home() / ".local" / "share" / "verinfer"


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(InputError, match=r"cannot (read|write to) the store"):
            SrsStore(folder).generate(3)
