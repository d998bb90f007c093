"""The pages' own files, and htmx, under names that change with their content, so that browsers keep them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from service.errors import NotFound

FOLDER = Path(__file__).parent / "static"
HTMX = "htmx.min.js"
HTMX_PLACES = (FOLDER / HTMX, Path(__file__).parents[2] / "node_modules/htmx.org/dist" / HTMX)
"""Where htmx may be: in an installed wheel, and where npm puts it in a checkout."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFile:
    """A file that is served as it is."""

    content: bytes
    media_type: str
    tag: str
    """What its URL carries; it changes with the content."""


class StaticFiles:
    """All files that are served as they are."""

    def __init__(self, files: dict[str, StaticFile]) -> None:
        self._files = files

    @classmethod
    def read(cls) -> StaticFiles:
        """Those of the folder, and htmx if it is installed: pages do without it."""
        paths = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}
        for path in HTMX_PLACES:
            if path.is_file():
                paths.setdefault(HTMX, path)
        return cls({name: _file(path) for name, path in paths.items()})

    def get(self, name: str) -> StaticFile:
        """A file. Raises NotFound."""
        found = self._files.get(name)
        if found is None:
            raise NotFound(f"there is no file {name!r:.80}")
        return found

    def url(self, name: str) -> str | None:
        """Where a file is served; None if it is not there."""
        found = self._files.get(name)
        return None if found is None else f"/static/{name}?v={found.tag}"


def _file(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(content, TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:16])
