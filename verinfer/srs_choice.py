"""Which structured reference string a command uses: the one in a given file, or the best of the store."""

from __future__ import annotations

from pathlib import Path

from circuits.errors import InputError
from prover.backend import FindSrs
from verifier.srs import SrsStore, StoredSrs

INSECURE = (
    "INSECURE: the reference string's secret may be known to somebody, so a proof convinces nobody else; "
    "import one of a public ceremony with `verinfer srs import FILE --source WHERE`"
)


def finder(file: Path | None, srs_id: bytes | None = None) -> FindSrs:
    """How a backend gets its reference string: from `file`, imported into the store first, or from the store.

    With `srs_id`, only that string, or one of its other sizes, is taken.
    """
    store = SrsStore()

    def find(min_k: int) -> StoredSrs:
        if file is None:
            return store.find(min_k, srs_id)
        stored, _ = store.import_file(file, check="quick")
        if stored.k < min_k:
            raise InputError(f"{file} holds 2^{stored.k} points, this needs 2^{min_k}")
        return stored

    return find
