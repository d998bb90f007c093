"""The CUDA sources, each made one text with the headers it includes.

NVRTC compiles a text, and CuPy's cache knows a kernel by its text: with the headers inside, a changed header
is a changed kernel.
"""

from __future__ import annotations

import re
from pathlib import Path

KERNELS = Path(__file__).parent.parent / "kernels" / "cuda"
UNITS = ("vectors", "products", "fractions", "contraction", "univariate", "msm", "execution", "merkle")
"""The files of kernels, without their ending."""
OPTIONS = ("-std=c++20", "--device-int128", "-DVERINFER_LIMBS_32")
"""What NVRTC has to be told beside the architecture."""

_INCLUDE = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)


def unit_source(unit: str) -> str:
    """The text of one of UNITS."""
    return expanded(KERNELS / f"{unit}.cu")


def expanded(path: Path) -> str:
    """A file with its includes in place, each once."""
    return _expanded(path, set())


def _expanded(path: Path, seen: set[Path]) -> str:
    path = path.resolve()
    if path in seen:
        return ""
    seen.add(path)
    parts, end = [f'#line 1 "{path.name}"\n'], 0
    text = path.read_text().replace("#pragma once\n", "\n")
    for include in _INCLUDE.finditer(text):
        parts += [text[end : include.start()], _expanded(path.parent / include[1], seen)]
        line = text.count("\n", 0, include.end()) + 1
        parts.append(f'\n#line {line} "{path.name}"')
        end = include.end()
    return "".join([*parts, text[end:]])
