"""What `--device` names: the processor, or a GPU."""

from __future__ import annotations

import re

from circuits.errors import InputError
from prover.cuda.cupy_driver import CupyDriver, gpu_count
from prover.cuda.driver import Driver

_CUDA = re.compile(r"cuda(?::([0-9]{1,3}))?")


def chosen_driver(name: str) -> Driver | None:
    """The driver of the GPU that a name stands for; None for the processor.

    Parameters
    ----------
    name
        "cpu"; "cuda" or "cuda:N", the first GPU or that of the number; or "auto", the first GPU if CuPy and
        one are there, else the processor.

    Raises
    ------
    InputError
        If the name stands for nothing, or CuPy or the GPU is missing.
    """
    if not is_gpu(name):
        return None
    if name == "auto":
        return CupyDriver()
    match = _CUDA.fullmatch(name)
    if match is None:
        raise InputError(f"there is no device {name!r}: it is auto, cpu, cuda or cuda:N")
    return CupyDriver(int(match[1] or 0))


def is_gpu(name: str) -> bool:
    """Whether a name stands for a GPU here, be it usable or not."""
    return name != "cpu" and (name != "auto" or _is_usable())


def _is_usable() -> bool:
    """Whether CuPy and a GPU are there."""
    try:
        return gpu_count() > 0
    except InputError:
        return False
