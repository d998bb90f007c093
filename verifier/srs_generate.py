"""Making the development SRS, on all processors of this machine.

The points are multiples of [1]_1 by known numbers::

    tau^i    and    L_j(tau) = w^j (tau^n - 1) / (n (tau - w^j)),    n = 2^k, w the domain's generator
 Each processor makes a slice of both bases in a process of its own, `python -m verifier.srs_generate K START
STOP`, which writes the raw points of one chunk after another to stdout.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

from circuits.errors import FormatError, VerinferError
from verifier.bn254 import G1_GENERATOR, G2_GENERATOR, SCALAR_FIELD
from verifier.development_srs import TAU, development_head
from verifier.msm import MultiplesTable
from verifier.powers_of_tau import (
    MAX_K,
    RAW_G1_BYTES,
    PowersOfTau,
    Progress,
    domain_generator,
    encode_g1_points,
    encode_g2_point,
)
from verifier.scalars import invert_all, powers

_CHUNK = 1 << 12
_MIN_SLICE = 1 << 12
"""A slice of fewer points is not worth a process, which has to make the table of multiples first."""


def generate_development_srs(k: int, progress: Progress | None = None) -> PowersOfTau:
    """Make the development SRS of 2^k points.

    Parameters
    ----------
    k
        The base-2 logarithm of the number of points in each basis.
    progress
        Is told how far the work is; called from several threads, one at a time.

    Returns
    -------
    PowersOfTau
        The same string on every machine.

    Raises
    ------
    FormatError
        If `k` is not the size of an SRS.
    VerinferError
        If a process fails.
    """
    if not 1 <= k <= MAX_K:
        raise FormatError(f"an SRS has between 2^1 and 2^{MAX_K} points, not 2^{k}")
    n = 1 << k
    count = max(1, min(os.cpu_count() or 1, n // _MIN_SLICE))
    bounds = list(pairwise(n * i // count for i in range(count + 1)))
    done = 0
    lock = Lock()

    def collect(slice_bounds: tuple[int, int]) -> tuple[bytes, bytes]:
        nonlocal done
        start, stop = slice_bounds
        chunks = []
        for chunk in _chunks(k, start, stop) if count == 1 else _chunks_of_process(k, start, stop):
            chunks.append(chunk)
            with lock:
                done += len(chunk[0]) // RAW_G1_BYTES
                if progress is not None:
                    progress("generate", done, n)
        return b"".join(chunk[0] for chunk in chunks), b"".join(chunk[1] for chunk in chunks)

    with ThreadPoolExecutor(count) as pool:
        slices = list(pool.map(collect, bounds))
    return PowersOfTau(
        k,
        b"".join(monomial for monomial, _ in slices),
        b"".join(lagrange for _, lagrange in slices),
        encode_g2_point(G2_GENERATOR),
        encode_g2_point(development_head().tau_g2),
    )


def _chunks(k: int, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the raw points of both bases from `start` to `stop`, chunk by chunk."""
    r, n = SCALAR_FIELD, 1 << k
    w = domain_generator(k)
    factor = (pow(TAU, n, r) - 1) * pow(n, -1, r) % r
    table = MultiplesTable(G1_GENERATOR, window=max(4, min(15, k - 1)))
    for first in range(start, stop, _CHUNK):
        count = min(_CHUNK, stop - first)
        nodes = powers(pow(w, first, r), w, count)
        inverses = invert_all([TAU - node for node in nodes])
        values = [factor * node * inverse % r for node, inverse in zip(nodes, inverses, strict=True)]
        monomial = table.multiples(powers(pow(TAU, first, r), TAU, count))
        yield encode_g1_points(monomial), encode_g1_points(table.multiples(values))


def _chunks_of_process(k: int, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what `_chunks` does, made by a process of its own."""
    command = [sys.executable, "-m", __name__, str(k), str(start), str(stop)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        try:
            for first in range(start, stop, _CHUNK):
                length = min(_CHUNK, stop - first) * RAW_G1_BYTES
                data = process.stdout.read(2 * length)
                if len(data) != 2 * length:
                    reason = process.stderr.read().decode(errors="replace").strip().splitlines()
                    raise VerinferError(
                        f"a process that makes the SRS failed: {reason[-1] if reason else 'killed'}"
                    )
                yield data[:length], data[length:]
        finally:
            process.kill()


def main() -> None:
    """Write the points that the arguments name to stdout."""
    k, start, stop = (int(argument) for argument in sys.argv[1:])
    for monomial, lagrange in _chunks(k, start, stop):
        sys.stdout.buffer.write(monomial + lagrange)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
