"""Every kernel compiles for the GPUs that are meant, without a GPU, and keeps to its registers."""

from __future__ import annotations

import pytest

from prover.cuda.source import UNITS, unit_source
from tests.prover.cuda.nvrtc import compiled, library

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
SLOW = ("contraction", "fractions", "msm", "products")
"""Up to half a minute each: they are for `make test-long` and `.ci/run`."""
CASES = [
    pytest.param(
        unit,
        architecture,
        marks=[pytest.mark.long] if unit in SLOW else [],
        id=f"{unit}-{architecture}",
    )
    for unit in UNITS
    for architecture in ARCHITECTURES
]


@pytest.mark.skipif(library() is None, reason="no NVRTC: it comes with the extra `dev` on Linux")
@pytest.mark.parametrize(("unit", "architecture"), CASES)
def test_kernels_compile_and_keep_to_their_registers(unit: str, architecture: str) -> None:
    uses = compiled(unit_source(unit), architecture)
    assert uses
    for kernel, use in uses.items():
        print(f"{architecture} {unit}.{kernel}: {use.registers} registers, {use.spilled_bytes} bytes spilled")
        assert use.spilled_bytes <= 64, kernel
        assert use.stack_bytes <= 512, kernel
