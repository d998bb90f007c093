"""A worker process that compiles, for the test that kills it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from service.handlers import handlers
from service.leases import Leases
from service.parts import Parts
from service.settings import Settings
from service.worker import Worker


def main(folder: str, url: str, home: str) -> None:
    """Work until killed. Leases are short, so that another worker soon takes over."""
    os.environ["VERINFER_HOME"] = home
    parts = Parts.open(Settings(data=Path(folder) / "data", database=url))
    leases = Leases(parts.database, timedelta(seconds=1), most_attempts=1000, backoff=timedelta(0))
    Worker(leases, handlers(parts), poll_seconds=0.02).serve()
