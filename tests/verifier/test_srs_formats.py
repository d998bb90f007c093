"""The two file formats of an SRS, against files that ezkl and snarkjs themselves write."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import ezkl
import pytest

from circuits.errors import FormatError, InputError
from verifier.bn254 import BASE_FIELD
from verifier.halo2_srs import file_bytes, read_halo2, write_halo2
from verifier.powers_of_tau import PowersOfTau
from verifier.ptau import read_ptau
from verifier.srs_check import check_srs

Sections = list[tuple[int, bytes]]


def run_snarkjs(*arguments: str | Path) -> None:
    program = Path(__file__).parents[2] / "node_modules" / ".bin" / "snarkjs"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw.ptau`, a ceremony of one contribution and power 6, and `prepared.ptau`."""
    folder = tmp_path_factory.mktemp("ceremony")
    run_snarkjs("powersoftau", "new", "bn128", "6", folder / "new.ptau")
    run_snarkjs(
        "powersoftau", "contribute", folder / "new.ptau", folder / "raw.ptau", "--name=test", "-e=entropy"
    )
    run_snarkjs("powersoftau", "prepare", "phase2", folder / "raw.ptau", folder / "prepared.ptau")
    return folder


@pytest.fixture(scope="module")
def halo2_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SRS of 2^6 points by ezkl."""
    path = tmp_path_factory.mktemp("halo2") / "k6.srs"
    ezkl.gen_srs(str(path), 6)
    return path


def split(data: bytes) -> Sections:
    """Return the sections of a .ptau file."""
    sections = []
    position = 12
    while position < len(data):
        kind, length = struct.unpack_from("<IQ", data, position)
        sections.append((kind, data[position + 12 : position + 12 + length]))
        position += 12 + length
    return sections


def join(sections: Sections, magic: bytes = b"ptau", version: int = 1, count: int | None = None) -> bytes:
    head = magic + struct.pack("<II", version, len(sections) if count is None else count)
    return head + b"".join(struct.pack("<IQ", kind, len(content)) + content for kind, content in sections)


def test_ezkls_file_is_read_and_written_back(halo2_file: Path, tmp_path: Path) -> None:
    srs = read_halo2(halo2_file)
    assert srs.k == 6
    check_srs(srs, "full")
    write_halo2(tmp_path / "copy.srs", srs)
    assert (tmp_path / "copy.srs").read_bytes() == halo2_file.read_bytes()


def test_a_halo2_file_of_another_length_is_refused(halo2_file: Path, tmp_path: Path) -> None:
    data = halo2_file.read_bytes()
    assert len(data) == file_bytes(6)
    path = tmp_path / "altered.srs"
    for altered in (b"", data[:3], data[:4], data[:-1], data + b"\0", data[:-128], b"\x05" + data[1:]):
        path.write_bytes(altered)
        with pytest.raises(FormatError, match=r"not a halo2|truncated"):
            read_halo2(path)


@pytest.mark.parametrize("k", [0, 23, 31, 64, 255, 2**32 - 1])
def test_a_halo2_file_that_declares_a_wrong_size_is_refused(halo2_file: Path, tmp_path: Path, k: int) -> None:
    path = tmp_path / "altered.srs"
    path.write_bytes(k.to_bytes(4, "little") + halo2_file.read_bytes()[4:])
    with pytest.raises(FormatError, match="not a halo2"):
        read_halo2(path)


@pytest.mark.parametrize("k", [None, 3])
def test_snarkjs_file_holds_the_powers_and_the_lagrange_points(ceremony: Path, k: int | None) -> None:
    srs = read_ptau(ceremony / "prepared.ptau", k)
    assert srs.k == (k or 6)
    check_srs(srs, "full")


def test_all_sizes_of_one_ceremony_have_one_id(ceremony: Path) -> None:
    ids = {read_ptau(ceremony / "prepared.ptau", k).head().id for k in range(1, 7)}
    assert len(ids) == 1


def test_ezkl_proves_with_an_imported_ceremony(
    ceremony: Path, tmp_path: Path, tiny_proof: Callable[[Path], bool]
) -> None:
    path = tmp_path / "imported.srs"
    write_halo2(path, read_ptau(ceremony / "prepared.ptau"))
    assert tiny_proof(path)


def test_an_unprepared_file_is_refused_with_the_remedy(ceremony: Path) -> None:
    with pytest.raises(FormatError, match="powersoftau prepare phase2"):
        read_ptau(ceremony / "raw.ptau")


@pytest.mark.parametrize("k", [7, 0, -1, 23])
def test_more_points_than_there_are(ceremony: Path, k: int) -> None:
    with pytest.raises(InputError, match=r"fewer than|cannot be used"):
        read_ptau(ceremony / "prepared.ptau", k)


def test_truncated_ptau_files_are_refused(ceremony: Path, tmp_path: Path) -> None:
    data = (ceremony / "prepared.ptau").read_bytes()
    path = tmp_path / "truncated.ptau"
    for length in [*range(120), *range(120, len(data), 1009), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(FormatError):
            read_ptau(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(FormatError, match="1 bytes after its last section"):
        read_ptau(path)


def header_section(n8: int = 32, prime: int = BASE_FIELD, power: int = 6, ceremony_power: int = 6) -> bytes:
    return struct.pack("<I", n8) + prime.to_bytes(32, "little") + struct.pack("<II", power, ceremony_power)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: join(s, magic=b"zkey"), "not a .ptau"),
        (lambda s: join(s, version=2), "version 2"),
        (lambda s: join(s, count=1000), "1000 sections"),
        (lambda s: join(s, count=len(s) + 1), "truncated"),
        (lambda s: join(s, count=len(s) - 1), "after its last section"),
        (lambda s: join([*s, s[0]]), "two sections 1"),
        (lambda s: join(s[1:]), "no section 1"),
        (lambda s: join([x for x in s if x[0] != 2]), "no section 2"),
        (lambda s: join([x for x in s if x[0] != 3]), "no section 3"),
        (lambda s: join([(kind, b"" if kind == 2 else x) for kind, x in s]), "section 2 has 0 bytes"),
        (lambda s: join([(kind, x[:-64] if kind == 12 else x) for kind, x in s]), "section 12 has"),
        (lambda s: join([(1, header_section(n8=48)), *s[1:]]), "another curve"),
        (lambda s: join([(1, header_section(prime=2**255 - 19)), *s[1:]]), "another curve"),
        (lambda s: join([(1, header_section(power=5)), *s[1:]]), "section 2 has"),
        (lambda s: join([(1, header_section(power=7)), *s[1:]]), "its power is 7"),
        (
            lambda s: join([(1, header_section(power=28, ceremony_power=28)), *s[1:]]),
            "cannot be used|section 2",
        ),
        (lambda s: join([(1, header_section(power=0)), *s[1:]]), "its power is 0"),
        (lambda s: join([(1, header_section() + b"\0"), *s[1:]]), "section 1 has 45 bytes"),
    ],
)
def test_malformed_ptau_files_are_refused(
    ceremony: Path, tmp_path: Path, change: Callable[[Sections], bytes], reason: str
) -> None:
    path = tmp_path / "altered.ptau"
    path.write_bytes(change(split((ceremony / "prepared.ptau").read_bytes())))
    with pytest.raises((FormatError, InputError), match=reason):
        read_ptau(path)


def test_sections_of_huge_declared_length_are_refused(ceremony: Path, tmp_path: Path) -> None:
    data = bytearray((ceremony / "prepared.ptau").read_bytes())
    data[16:24] = struct.pack("<Q", 2**64 - 1)
    path = tmp_path / "altered.ptau"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="longer than the file"):
        read_ptau(path)


def test_lagrange_points_in_snarkjs_order_fail_the_full_check(ceremony: Path) -> None:
    """The two programs order the domain differently; taking the points as they come would be wrong."""
    srs = read_ptau(ceremony / "prepared.ptau")
    [section] = [content for kind, content in split((ceremony / "prepared.ptau").read_bytes()) if kind == 12]
    as_they_come = section[63 * 64 : 127 * 64]
    assert sorted(as_they_come[i : i + 64] for i in range(0, 4096, 64)) == sorted(
        srs.lagrange[i : i + 64] for i in range(0, 4096, 64)
    )
    with pytest.raises(FormatError, match="Lagrange points are not those"):
        check_srs(PowersOfTau(6, srs.monomial, as_they_come, srs.g2, srs.tau_g2), "full")
