"""The layers and the drawing of versions, made in the sandbox and kept with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from circuits.errors import InputError
from service.errors import NotFound
from service.parts import Parts
from service.registry import ModelView, VersionView
from service.sandbox.files import CIRCUIT, DRAWING, LAYERS
from service.sandbox.sandbox import Limits, Sandbox

DESCRIBE = "service.sandbox.describing:describe"
LAYERS_TYPE, DRAWING_TYPE = "application/json", "image/svg+xml"
SECONDS = 60.0
"""How long a request may wait for a description that is not there yet."""
MAX_REMEMBERED = 10_000


def describe(
    parts: Parts,
    owner: str,
    circuit: str,
    version_id: str,
    limits: Limits,
    progress: Callable[[str], None] = lambda text: None,
    check: Callable[[], None] = lambda: None,
) -> tuple[str, str]:
    """Write down a version's layers and draw its graph.

    Parameters
    ----------
    owner, circuit
        Whose it is, and the digest of its circuit.

    Returns
    -------
    tuple[str, str]
        The digests of both.

    Raises
    ------
    InputError
        If it takes more than it may.
    """
    with Sandbox(limits) as box:
        parts.artifacts.fetch(owner, circuit, box.folder / CIRCUIT)
        box.run(DESCRIBE, {}, progress, check)
        with box.open(LAYERS, limits.file_bytes) as file:
            layers = parts.artifacts.put(owner, file, LAYERS_TYPE)
        with box.open(DRAWING, limits.file_bytes) as file:
            drawing = parts.artifacts.put(owner, file, DRAWING_TYPE)
    parts.registry.describe(version_id, layers, drawing)
    return layers, drawing


class Descriptions:
    """Gives descriptions. Where a version has none, it is made, one at a time."""

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self._parts = parts
        self._limits = replace(limits, seconds=min(limits.seconds, SECONDS))
        self._lock = threading.Lock()
        self._failed: dict[str, str] = {}

    def layers(self, model: ModelView, version: VersionView) -> dict[str, Any]:
        """A version's layers and estimates, as `service.layers.Layers` has them, as JSON.

        Raises
        ------
        NotFound
            If counting the costs takes more than it may.
        """
        digest = version.layers or self._describe(model, version)[0]
        found: dict[str, Any] = json.loads(b"".join(self._parts.artifacts.read(model.owner_id, digest)))
        return found

    def drawing(self, model: ModelView, version: VersionView) -> tuple[str, bytes]:
        """The digest and the bytes of a version's drawing, SVG. Raises NotFound as `layers`."""
        digest = version.drawing or self._describe(model, version)[1]
        return digest, b"".join(self._parts.artifacts.read(model.owner_id, digest))

    def _describe(self, model: ModelView, version: VersionView) -> tuple[str, str]:
        with self._lock:
            now = self._parts.registry.find(model.owner_id, model.name, str(version.number))[1]
            if now.layers is not None and now.drawing is not None:  # another request has waited for it
                return now.layers, now.drawing
            if version.id not in self._failed:
                try:
                    return describe(self._parts, model.owner_id, version.circuit, version.id, self._limits)
                except InputError as error:
                    if len(self._failed) >= MAX_REMEMBERED:
                        self._failed.clear()
                    self._failed[version.id] = str(error)
            raise NotFound(f"there are no costs by layer and no drawing: {self._failed[version.id]}")
