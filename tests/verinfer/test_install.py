"""What is shipped: an sdist, the wheel that it builds, and that wheel in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from tests.verinfer.test_serve import url_in

REPOSITORY = Path(__file__).parents[2]
HTMX = REPOSITORY / "node_modules/htmx.org"
PATIENCE = 300.0
BUILD = "import sys; from scikit_build_core.build import build_sdist; print(build_sdist(sys.argv[1]))"
PAGES = ("/", "/models", "/models/new", "/jobs", "/verify", "/claims", "/usage", "/settings")
DATA = (
    ("contracts/artifacts", "*.json"),
    ("prover/kernels/cuda", "*.cu*"),
    ("prover/kernels", "*.hpp"),
    ("service/migrations", "**/*.py"),
    ("service/pages/static", "*"),
    ("service/pages/templates", "*.html"),
)
"""What packages read beside their modules, by folder and pattern."""

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Shipped:
    """An sdist and its wheel."""

    sdist: Path
    wheel: Path


def run(*command: object, folder: Path, **changes: str) -> str:
    """What a program says, which is to succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=_environment(changes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _environment(changes: dict[str, str]) -> dict[str, str]:
    """This one's without what leads to the repository, but with its pins."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pins = str(REPOSITORY / "constraints.txt")
    return kept | {"PIP_CONSTRAINT": pins, "PIP_BUILD_CONSTRAINT": pins} | changes


def _environment_in(folder: Path) -> Path:
    """The programs' folder of a new virtual environment."""
    run(sys.executable, "-m", "venv", folder, folder=folder.parent)
    return folder / "bin"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    tools = _environment_in(folder / "tools")
    run(tools / "pip", "install", "--quiet", "scikit-build-core", "nanobind", folder=folder)
    name = run(tools / "python", "-c", BUILD, folder, folder=REPOSITORY).split()[-1]
    run(tools / "pip", "wheel", "--quiet", "--no-deps", folder / name, folder=folder)
    [wheel] = folder.glob("*.whl")
    return Shipped(folder / name, wheel)


@pytest.fixture(scope="module")
def installed(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment with the wheel, and what it depends on, only."""
    folder = tmp_path_factory.mktemp("installed")
    programs = _environment_in(folder / "environment")
    run(programs / "pip", "install", "--quiet", shipped.wheel, folder=folder)
    return programs


def test_the_wheel_has_what_its_packages_read(shipped: Shipped) -> None:
    with zipfile.ZipFile(shipped.wheel) as wheel:
        names = set(wheel.namelist())
        assert wheel.read("service/pages/static/htmx.min.js") == (HTMX / "dist/htmx.min.js").read_bytes()
        assert wheel.read("service/pages/static/htmx.LICENSE") == (HTMX / "LICENSE").read_bytes()
    expected = {
        str(path.relative_to(REPOSITORY))
        for folder, pattern in DATA
        for path in (REPOSITORY / folder).glob(pattern)
        if path.is_file()
    }
    expected |= {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("*/py.typed")}
    assert len(expected) > 80 and expected - names == set()
    examples = {
        path.name
        for path in (REPOSITORY / "examples/digits").iterdir()
        if path.suffix not in ("", ".md", ".py")
    }
    assert {Path(name).name for name in names if name.startswith("verinfer/data/digits/")} == examples
    assert not [name for name in names if name.startswith(("tests/", "bench/", "node_modules/"))]


def test_the_sdist_has_of_npm_what_the_pages_need(shipped: Shipped) -> None:
    with tarfile.open(shipped.sdist) as sdist:
        names = {file.name.partition("/")[2] for file in sdist if file.isfile()}
    assert {name for name in names if name.startswith("node_modules/")} == {
        "node_modules/htmx.org/LICENSE",
        "node_modules/htmx.org/dist/htmx.min.js",
    }
    assert {"pyproject.toml", "CMakeLists.txt", "LICENSE", "docs/third-party.md"} <= names


class Named(HTMLParser):
    """The files that a page names: stylesheets, scripts, pictures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        link = given.get("href") if tag == "link" else given.get("src") if tag in ("script", "img") else None
        if link:
            self.found.add(link)


def _ended(url: str, job: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while (found := requests.get(f"{url}/api/v1/jobs/{job}", timeout=60).json())["finished_at"] is None:
        assert time.monotonic() < until, found
        time.sleep(0.2)
    assert found["status"] == "succeeded", found
    return dict(found)


@pytest.fixture
def serving(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a service whose jobs another process does, in an empty folder."""
    changes = {"VERINFER_HOME": str(tmp_path / "home"), "VERINFER_SERVICE_WORKERS": "0"}
    run(installed / "verinfer", "srs", "generate", "--k", 13, folder=tmp_path, **changes)
    options: dict[str, Any] = {"cwd": tmp_path, "env": _environment(changes), "text": True}
    command = [installed / "verinfer", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    with server, subprocess.Popen([installed / "verinfer", "worker"], **options) as worker:
        try:
            assert server.stdout is not None
            yield url_in(server.stdout)
            worker.terminate()
            server.terminate()
            assert (worker.wait(60), server.wait(60)) == (0, 0)
        finally:
            worker.kill()
            server.kill()


def test_a_fresh_install_serves_proves_and_verifies(installed: Path, serving: str, tmp_path: Path) -> None:
    assert "verinfer" in run(installed / "verinfer", "--version", folder=tmp_path)
    where = run(installed / "python", "-c", "import verinfer; print(verinfer.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    files: set[str] = set()
    for path in PAGES:
        page = requests.get(serving + path, timeout=60)
        assert page.status_code == 200, path
        files |= {urljoin(page.url, name) for name in Named(page.text).found}
    for name in files:
        answer = requests.get(name, timeout=60)
        assert name.startswith(serving) and answer.status_code == 200 and answer.content, name
    names = {name.partition("?")[0].rpartition("/")[2] for name in files}
    assert {"pages.css", "pages.js", "htmx.min.js"} <= names

    [digits] = installed.parent.glob("lib/python*/site-packages/verinfer/data/digits")
    sent = requests.post(
        f"{serving}/api/v1/models",
        data={"name": "digits"},
        files={
            "model": (digits / "mlp.onnx").read_bytes(),
            "calibration": (digits / "calibration.npz").read_bytes(),
        },
        timeout=60,
    )
    _ended(serving, sent.json()["job"])
    sample = json.loads((digits / "sample.json").read_text())
    asked = requests.post(f"{serving}/api/v1/jobs", json={"model": "digits", **sample}, timeout=60)
    assert asked.status_code == 202, asked.text
    job = _ended(serving, asked.json()["id"])
    proof, key = job["links"]["proof"], "/api/v1/models/digits/versions/newest/keys/sumcheck"
    for path, name in ((proof, "answer.proof"), (key, "model.vk")):
        (tmp_path / name).write_bytes(requests.get(serving + path, timeout=60).content)
    command = ("verify", "answer.proof", "--key", "model.vk", "--json")
    said = run(installed / "verinfer", *command, folder=tmp_path)
    assert json.loads(said)["valid"] is True


@pytest.mark.parametrize(
    ("extra", "command", "setting"),
    [
        ("postgres", ["serve"], {"VERINFER_SERVICE_DATABASE": "postgresql://nobody@127.0.0.1:1/none"}),
        ("s3", ["serve"], {"VERINFER_SERVICE_ARTIFACTS": "s3://bucket/folder"}),
        ("otel", ["serve"], {"VERINFER_SERVICE_TRACES_URL": "http://127.0.0.1:1/v1/traces"}),
        ("ray", ["worker", "--ray", "local"], {}),
        ("cuda", ["setup", "digits.circuit", "--device", "cuda"], {}),
    ],
)
def test_what_an_extra_would_bring_is_said_to_be_missing(
    installed: Path, tmp_path: Path, extra: str, command: list[str], setting: dict[str, str]
) -> None:
    if extra == "cuda":
        [model] = installed.parent.glob("lib/python*/site-packages/verinfer/data/digits/mlp.onnx")
        run(installed / "verinfer", "compile", model, "-o", "digits.circuit", folder=tmp_path)
    done = subprocess.run(
        [installed / "verinfer", *command],
        cwd=tmp_path,
        env=_environment({"VERINFER_HOME": str(tmp_path / "home"), **setting}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done
    assert re.search(rf"error: .*pip install 'verinfer\[{extra}\]'", done.stderr), done
