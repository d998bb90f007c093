"""The GPU's bench runs, on a GPU that is emulated: it has to be ready when a real one is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gpu_kernels import RATE, Floors, check_all, time_all
from bench.gpu_networks import NETWORKS
from bench.gpu_proofs import Bench
from prover.cuda.source import expanded
from tests.prover.cuda.emulator import Emulator
from tests.prover.cuda.nvrtc import compiled, library


def test_kernels_are_checked_and_timed() -> None:
    driver = Emulator()
    assert check_all(driver, sizes=(1, 257, 300)) > 40
    rows = time_all(driver, 8, Floors(1e9, 1e9, 1e9), full=6, small=7)
    assert all(row["gpu_seconds"] > 0 and row["floor_seconds"] > 0 for row in rows)


@pytest.mark.skipif(library() is None, reason="no NVRTC: it comes with the extra `dev` on Linux")
def test_the_kernels_that_measure_floors_keep_all_in_registers() -> None:
    uses = compiled(expanded(RATE), "sm_90")
    assert set(uses) == {"repeat_products", "repeat_permutations"}
    for kernel, use in uses.items():
        assert use.stack_bytes == use.spilled_bytes == 0, kernel


def test_proofs_are_compared_and_timed(tmp_path: Path) -> None:
    row = Bench(Emulator(), 10, tmp_path, with_cpu=True).measure("small", NETWORKS["small"](), 1)
    assert row["gpu_seconds"] > row["cpu_seconds"] > 0
    assert set(row["gpu_stages"]) == set(row["cpu_stages"])
