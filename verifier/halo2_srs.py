"""The `.srs` files of halo2 with KZG over BN254, in its raw format, as ezkl writes and reads them.

::

    k u32, little-endian | 2^k monomial points | 2^k Lagrange points | [1]_2 | [tau]_2

with points as in `powers_of_tau`. The format has no magic and names no source.
"""

import os
from pathlib import Path

from circuits.atomic_write import write_atomically
from circuits.errors import FormatError
from verifier.input_file import InputFile
from verifier.powers_of_tau import MAX_K, RAW_G1_BYTES, RAW_G2_BYTES, PowersOfTau


def file_bytes(k: int) -> int:
    """Return the length of the file of an SRS of 2^k points."""
    return 4 + (2 * RAW_G1_BYTES << k) + 2 * RAW_G2_BYTES


def read_halo2(path: str | os.PathLike[str]) -> PowersOfTau:
    """Read a halo2 `.srs` file. Its points are not checked.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If its length is not that of a halo2 SRS in the raw format.
    """
    with InputFile(path) as file:
        k = _read_size(file, path)
        monomial, lagrange = file.read(RAW_G1_BYTES << k), file.read(RAW_G1_BYTES << k)
        return PowersOfTau(k, monomial, lagrange, file.read(RAW_G2_BYTES), file.read(RAW_G2_BYTES))


def read_monomial_points(path: str | os.PathLike[str], k: int) -> bytes:
    """Read the first 2^k monomial points of a halo2 `.srs` file of as many points or more, raw.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is none, or has fewer points.
    """
    with InputFile(path) as file:
        held = _read_size(file, path)
        if held < k:
            raise FormatError(f"{Path(path)} has 2^{held} points, fewer than 2^{k}")
        return file.read(RAW_G1_BYTES << k)


def _read_size(file: InputFile, path: str | os.PathLike[str]) -> int:
    k = int.from_bytes(file.read(4), "little")
    if not 1 <= k <= MAX_K or file.size != file_bytes(k):
        raise FormatError(
            f"{Path(path)} is not a halo2 .srs file of up to 2^{MAX_K} points: it has {file.size:,} bytes"
            + (f" and one of 2^{k} points has {file_bytes(k):,}" if 1 <= k <= MAX_K else "")
        )
    return k


def write_halo2(path: str | os.PathLike[str], srs: PowersOfTau) -> None:
    """Write a halo2 `.srs` file, wholly or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    write_atomically(path, [srs.k.to_bytes(4, "little"), srs.monomial, srs.lagrange, srs.g2, srs.tau_g2])
