"""The GPU's bench runs, on a GPU that is emulated: it has to be ready when a real one is there."""

from __future__ import annotations

from pathlib import Path

from bench.gpu_kernels import Floors, check_all, time_all
from bench.gpu_networks import NETWORKS
from bench.gpu_proofs import Bench
from tests.prover.cuda.emulator import Emulator


def test_kernels_are_checked_and_timed() -> None:
    driver = Emulator()
    assert check_all(driver, sizes=(1, 257, 300)) > 40
    rows = time_all(driver, 8, Floors(1e9, 1e9), full=6, small=7)
    assert all(row["gpu_seconds"] > 0 and row["floor_seconds"] > 0 for row in rows)


def test_proofs_are_compared_and_timed(tmp_path: Path) -> None:
    row = Bench(Emulator(), 10, tmp_path, with_cpu=True).measure("small", NETWORKS["small"](), 1)
    assert row["gpu_seconds"] > row["cpu_seconds"] > 0
    assert set(row["gpu_stages"]) == set(row["cpu_stages"])
