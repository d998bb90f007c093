"""What the build puts into a wheel besides Python's own files, by CMake's word: nothing is compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HTMX = REPOSITORY / "node_modules/htmx.org"
WITHOUT = "goes without htmx"
NANOBIND = """
function(nanobind_add_module name)
  list(REMOVE_ITEM ARGN NOMINSIZE)
  add_library(${name} MODULE ${ARGN})
endfunction()
"""
"""What the repository's own file asks of nanobind, which builds bring along."""


def configured(folder: Path, state: str, *, with_npm: bool) -> tuple[str, str]:
    """What CMake says of a checkout, and how it would install it."""
    if shutil.which("cmake") is None:
        pytest.skip("CMake is not installed")
    checkout, build, tools = (folder / name for name in ("checkout", "build", "tools"))
    for made in (checkout, tools):
        made.mkdir()
    for name in ("CMakeLists.txt", "circuits", "prover", "examples", *["node_modules"] * with_npm):
        (checkout / name).symlink_to(REPOSITORY / name)
    (tools / "nanobind-config.cmake").write_text(NANOBIND)
    options = {"SKBUILD_STATE": state, "nanobind_DIR": tools, "Python_EXECUTABLE": sys.executable}
    command = [
        "cmake",
        "-S",
        checkout,
        "-B",
        build,
        *(f"-D{name}={value}" for name, value in options.items()),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stderr.split()), (build / "cmake_install.cmake").read_text()


@pytest.mark.parametrize("state", ["wheel", "sdist"])
def test_a_wheel_has_the_pages_script_and_its_licence(state: str, tmp_path: Path) -> None:
    said, installs = configured(tmp_path, state, with_npm=True)
    assert WITHOUT not in said
    for name in ("dist/htmx.min.js", "LICENSE"):
        assert (HTMX / name).is_file() and f"htmx.org/{name}" in installs
    assert 'RENAME "htmx.LICENSE"' in installs and "/service/pages/static" in installs
    assert "examples/digits" in installs


def test_a_wheel_that_goes_without_it_says_so(tmp_path: Path) -> None:
    said, installs = configured(tmp_path, "wheel", with_npm=False)
    assert "CMake Warning" in said and WITHOUT in said and "npm ci" in said
    assert "htmx" not in installs and "examples/digits" in installs


@pytest.mark.parametrize("with_npm", [True, False])
def test_an_editable_install_asks_for_nothing(with_npm: bool, tmp_path: Path) -> None:
    """It reads the script where npm puts it, before or after."""
    said, installs = configured(tmp_path, "editable", with_npm=with_npm)
    assert WITHOUT not in said
    assert "htmx" not in installs and "examples/digits" not in installs
