"""NVRTC without a GPU: the compiler that CuPy calls, from its wheel."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from prover.cuda.source import OPTIONS


@dataclass(frozen=True)
class Use:
    """What ptxas says that a kernel takes for each thread."""

    registers: int
    stack_bytes: int
    spilled_bytes: int


def library() -> Path | None:
    """NVRTC's library, if its wheel is installed."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for found in sorted(Path(folder).glob("**/lib/libnvrtc.so.*")):
            return found
    return None


def compiled(source: str, architecture: str, *options: str) -> dict[str, Use]:
    """Compile a text for a real architecture ("sm_90"); what its kernels take.

    Raises
    ------
    RuntimeError
        If there is an error or a warning: the compiler's log.
    """
    nvrtc = ctypes.CDLL(str(library()))
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), None, 0, None, None)
    given = [*OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v", *options]
    texts = (ctypes.c_char_p * len(given))(*[option.encode() for option in given])
    failed = nvrtc.nvrtcCompileProgram(program, len(given), texts)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if failed or "warning" in text:
        raise RuntimeError(text)
    return dict(_uses(text))


_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores")
_REGISTERS = re.compile(r"Used (\d+) registers")


def _uses(log: str) -> list[tuple[str, Use]]:
    found = []
    name, stack, spilled = "", 0, 0
    for line in log.splitlines():
        if entry := _ENTRY.search(line):
            name = entry[1]
        elif sizes := _STACK.search(line):
            stack, spilled = int(sizes[1]), int(sizes[2])
        elif registers := _REGISTERS.search(line):
            found.append((name, Use(int(registers[1]), stack, spilled)))
    return found
