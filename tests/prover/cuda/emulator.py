"""A driver without a GPU: the kernels' sources compiled for this machine's CPU (emulation.hpp)."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prover.cuda.source import UNITS, unit_source
from tests.prover.cuda.arrays import DeviceArray, Xp

HERE = Path(__file__).parent
BUILDS = HERE.parents[2] / "build" / "emulated-cuda"
_FLAGS = (
    *("-std=c++20", "-O2", "-fPIC", "-U_FORTIFY_SOURCE"),
    # every product inlined, the points alone would take minutes to compile
    *("-DVERINFER_LIMBS_32", "-DVERINFER_INLINE=inline"),
)
_WORD = (1 << 64) - 1


class Emulator:
    """A `Driver` that is a CPU."""

    name = "emulated"

    def __init__(self, most_blocks: int = 3, free_bytes: int = 1 << 34) -> None:
        self.xp, self.most_blocks, self._free = Xp(), most_blocks, free_bytes
        self._units: dict[str, ctypes.CDLL] = {}

    def launch(self, unit: str, kernel: str, blocks: int, *arguments: Any) -> None:
        if unit not in self._units:
            self._units[unit] = ctypes.CDLL(str(compiled(unit)))
        given = (ctypes.c_uint64 * len(arguments))(*map(self._word, arguments))
        getattr(self._units[unit], f"launch_{kernel}")(ctypes.c_uint(blocks), given)

    def _word(self, argument: Any) -> int:
        return argument & _WORD if isinstance(argument, int) else self.address(argument)

    def upload(self, array: np.ndarray[Any, Any]) -> DeviceArray:
        assert isinstance(array, np.ndarray)
        return DeviceArray(array.copy())

    def download(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        made: np.ndarray[Any, Any] = array.array.copy()
        return made

    def address(self, array: DeviceArray) -> int:
        assert isinstance(array, DeviceArray), type(array)
        assert array.array.flags.c_contiguous
        return int(array.array.ctypes.data)

    def free_bytes(self) -> int:
        return self._free


def compiled(unit: str) -> Path:
    """The library of a unit, compiled if this text of it was not before."""
    source = f'#include "{HERE / "emulation.hpp"}"\n{unit_source(unit)}'
    key = hashlib.sha256((source + (HERE / "emulation.hpp").read_text()).encode()).hexdigest()[:16]
    library = BUILDS / f"{unit}-{key}.so"
    if not library.exists():
        BUILDS.mkdir(parents=True, exist_ok=True)
        draft = library.with_suffix(f".{os.getpid()}.cpp")
        draft.write_text(source + _launchers(_run("-E", "-x", "c++", "-", given=source)))
        made = draft.with_suffix(".so")
        _run("-shared", str(draft), "-o", str(made))
        made.replace(library)
        draft.unlink()
    return library


def _launchers(preprocessed: str) -> str:
    """A function for each kernel that takes its arguments as words."""
    names = re.findall(r'extern "C"\s+void\s+(\w+)\(', preprocessed)
    return "".join(
        f'\nextern "C" void launch_{name}(unsigned blocks, const std::uint64_t *words) '
        f"{{ emulation::launch({name}, blocks, words); }}"
        for name in names
    )


def _run(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        [os.environ.get("CXX", "g++"), *_FLAGS, *arguments], input=given, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def compile_all(units: Sequence[str] = UNITS) -> None:
    """Compile what was not."""
    for unit in units:
        compiled(unit)
