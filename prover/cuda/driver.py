"""What the device's code needs of CUDA: arrays on a GPU, and kernels launched on them.

It is little on purpose: the tests run the same code and the same kernels on a CPU behind this interface.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = Any
"""An array in a GPU's memory."""

THREADS = 256
"""Threads of every block (`kThreads` of the kernels)."""


class Driver(Protocol):
    """A GPU.

    Parameters
    ----------
    xp
        The functions of NumPy for arrays on the GPU.
    name
        What the GPU is called.
    most_blocks
        So many blocks keep the GPU busy.
    """

    xp: Any
    name: str
    most_blocks: int

    def launch(self, unit: str, kernel: str, blocks: int, *arguments: Array | int) -> None:
        """Start a kernel of a unit (`prover.cuda.source.UNITS`). Integers are taken modulo 2^64."""
        ...

    def upload(self, array: np.ndarray[Any, Any]) -> Array:
        """A copy on the GPU."""
        ...

    def download(self, array: Array) -> np.ndarray[Any, Any]:
        """A copy in the processor's memory, when all that was started is done."""
        ...

    def address(self, array: Array) -> int:
        """Where the array begins on the GPU."""
        ...

    def free_bytes(self) -> int:
        """How much of the GPU's memory may be allocated."""
        ...
