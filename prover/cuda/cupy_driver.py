"""CUDA by CuPy: kernels are compiled when first launched, and kept in CuPy's cache on disk."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from circuits.errors import InputError
from prover.cuda.driver import THREADS, Array
from prover.cuda.source import OPTIONS, unit_source

_BLOCKS_OF_A_PROCESSOR = 8
_LEAST_CAPABILITY = 70
_INSTALL = "install it with `pip install 'verinfer[cuda]'`, or 'verinfer[cuda12]' for a driver of CUDA 12"


class CupyDriver:
    """A GPU of this machine, by its number."""

    def __init__(self, number: int = 0) -> None:
        cupy = _cupy()
        count = gpu_count()
        if number >= count:
            raise InputError(
                f"there is no cuda:{number}: this machine has {count or 'no'} GPU that CUDA can use"
            )
        self.xp: Any = cupy
        self._device = cupy.cuda.Device(number)
        self._device.use()
        properties = cupy.cuda.runtime.getDeviceProperties(number)
        if int(self._device.compute_capability) < _LEAST_CAPABILITY:
            raise InputError(
                f"cuda:{number} is too old: its compute capability is below {_LEAST_CAPABILITY / 10}"
            )
        self.name = properties["name"].decode()
        self.most_blocks = _BLOCKS_OF_A_PROCESSOR * properties["multiProcessorCount"]
        self._modules: dict[str, Any] = {}
        self._kernels: dict[str, Any] = {}

    def launch(self, unit: str, kernel: str, blocks: int, *arguments: Array | int) -> None:
        """See `Driver.launch`."""
        self._device.use()
        function = self._kernels.get(kernel)
        if function is None:
            if unit not in self._modules:
                self._modules[unit] = self.xp.RawModule(code=unit_source(unit), options=OPTIONS)
            function = self._kernels[kernel] = self._modules[unit].get_function(kernel)
        words = tuple(np.uint64(x & _WORD) if isinstance(x, int) else x for x in arguments)
        function((blocks,), (THREADS,), words)

    def upload(self, array: np.ndarray[Any, Any]) -> Array:
        """See `Driver.upload`."""
        self._device.use()
        return self.xp.asarray(array)

    def download(self, array: Array) -> np.ndarray[Any, Any]:
        """See `Driver.download`."""
        self._device.use()
        made: np.ndarray[Any, Any] = self.xp.asnumpy(array)
        return made

    def address(self, array: Array) -> int:
        """See `Driver.address`."""
        return int(array.data.ptr)

    def free_bytes(self) -> int:
        """See `Driver.free_bytes`."""
        self._device.use()
        free, _ = self._device.mem_info
        return int(free + self.xp.get_default_memory_pool().free_bytes())


_WORD = (1 << 64) - 1


def gpu_count() -> int:
    """How many GPUs CUDA can use here; 0 without a driver, or one too old.

    Raises
    ------
    InputError
        If CuPy is not installed.
    """
    runtime = _cupy().cuda.runtime
    try:
        return int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError:
        return 0


@functools.cache
def _cupy() -> Any:
    """CuPy.

    Raises
    ------
    InputError
        If it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        raise InputError(f"the GPU prover needs CuPy, which cannot be loaded ({error}): {_INSTALL}") from None
