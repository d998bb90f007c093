"""How deep JSON is nested, without parsing it: the parser recurses on the machine's stack, and a stranger's
file must not be able to exhaust that."""

from __future__ import annotations

import re

import numpy as np

MAX_DEPTH = 32
"""No file of ours nests deeper than half of this."""
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def too_deep(text: str) -> bool:
    """Whether brackets outside of strings are nested over MAX_DEPTH deep."""
    bare = np.frombuffer(_STRING.sub("", text).encode(errors="replace"), np.uint8)
    opened = (bare == ord("[")) | (bare == ord("{"))
    closed = (bare == ord("]")) | (bare == ord("}"))
    return int(np.cumsum(opened.astype(np.int64) - closed).max(initial=0)) > MAX_DEPTH
