"""Python's search for cycles of objects, put off while there are none to be found."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for no cycles meanwhile.

    A proof makes objects by the hundred thousand and frees them by counting references. To search them for
    cycles again and again takes a tenth of a transformer's proof.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
