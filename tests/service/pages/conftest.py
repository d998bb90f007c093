"""Services with pages, and browsers to look at them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from circuits.circuit import Circuit
from service.api_keys import Scope, create_key
from service.application import application
from service.handlers import handlers
from service.parts import Parts
from service.worker import Worker
from tests.browser import MISSING, installed, running_browser
from tests.service.pages.visiting import Visitor
from tests.service.serving import add_model, compiled, opened, served
from verifier.srs import SrsStore


@dataclass(frozen=True)
class House:
    """A service that runs."""

    parts: Parts
    address: str
    """Its host and port."""

    @property
    def url(self) -> str:
        """Where its first page is."""
        return f"http://{self.address}"

    def tenant(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """The id of a tenant, and a key of its with these scopes, or all."""
        tenant = self.parts.tenant(name)
        return tenant, create_key(self.parts.database, tenant, f"{name}'s", scopes or list(Scope))

    def visitor(self, key: str | None = None) -> Visitor:
        """Somebody with a browser, signed in if there is a key."""
        visitor = Visitor(self.address)
        if key is not None:
            assert visitor.sign_in(key).status == 303
        return visitor


@contextmanager
def housed(
    folder: Path, example: Path | None = None, *, works: bool = True, **settings: object
) -> Iterator[House]:
    """Run a service, with a worker or without."""
    with opened(folder, **settings) as parts:
        worker = Worker(parts.leases, handlers(parts), poll_seconds=0.05)
        if works:
            worker.start()
        try:
            with served(application(parts, example)) as address:
                yield House(parts, address)
        finally:
            worker.stop()


@pytest.fixture(scope="session")
def circuit(digits: Path) -> Circuit:
    """The digits MLP."""
    return compiled(digits)


@pytest.fixture(scope="session")
def reference_string(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a development string."""
    folder = tmp_path_factory.mktemp("home")
    SrsStore(folder / "srs").generate(13)
    return folder


@pytest.fixture(scope="module")
def home(reference_string: Path) -> Iterator[Path]:
    """The folder with a development string is this user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERINFER_HOME", str(reference_string))
        yield reference_string


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, home: Path, circuit: Circuit) -> Iterator[House]:
    """A service with local access and one model, `digits`."""
    with housed(tmp_path_factory.mktemp("local")) as house:
        add_model(house.parts, house.parts.tenant("local"), circuit)
        yield house


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[House]:
    """A service with API keys."""
    often = {"visitor_requests_per_second": 1e6, "visitor_burst": 10**6}
    with housed(tmp_path_factory.mktemp("keyed"), access="keys", **often) as house:
        yield house


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It is a module's own: what drives it does not get on with a test's event loop."""
    if installed() is None:
        pytest.skip(MISSING)
    with running_browser() as found:
        yield found
