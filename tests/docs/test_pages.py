"""What the pages point at exists: links, files, tests, quoted code; and no page names this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.figures import ROOT, pages
from tests.docs.markdown import anchors, blocks, links, prose

PAGES = list(pages())
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FOLDERS = (
    "bench",
    "challenger",
    "circuits",
    "contracts",
    "docs",
    "examples",
    "prover",
    "service",
    "tests",
    "verifier",
    "verinfer",
)
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[^`\s:]*)(?:::(\w+))?`")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_files_and_tests_exist(page: Path) -> None:
    for name, function in PATH.findall(prose(page)):
        path = ROOT / name.rstrip("/")
        assert path.exists() or list(ROOT.glob(name)), f"there is no {name}"
        if function:
            assert re.search(rf"^def {function}\(", path.read_text("utf-8"), re.MULTILINE), (
                f"{name}::{function}"
            )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_test_functions_exist(page: Path) -> None:
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("contracts/test/*.sol")]
    known = set(re.findall(r"(?:def|function) (test\w*)", "\n".join(p.read_text("utf-8") for p in sources)))
    for name, dots in re.findall(r"`(test(?:_|Fuzz_)\w+?)(\.\.\.)?`", prose(page)):
        assert name in known or (dots and any(k.startswith(name) for k in known)), f"there is no {name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_quoted_code_is_the_code(page: Path) -> None:
    for block in blocks(page):
        if block.note.startswith("from "):
            source = ROOT / block.note.removeprefix("from ")
            assert block.text in source.read_text("utf-8"), f"{source} has no longer:\n{block.text}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_compile(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and not block.note.startswith("from "):
            compile(block.text, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_nothing_names_this_machine_or_a_registry(page: Path) -> None:
    text = page.read_text("utf-8")
    for pattern in (
        r"(?<![\w./~])/(?:home|root|tmp|work|Users|opt|mnt)/\w",
        r"https?://[^\s)]*/simple\b",
        r"registry\.npmjs|pypi\.org|files\.pythonhosted|--(?:extra-)?index-url",
    ):
        assert not re.search(pattern, text), pattern
    if str(Path.home()) != "/":
        assert str(Path.home()) not in text


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert {page.resolve() for page in PAGES if page.parent != ROOT} - {index.resolve()} <= listed


def test_environment_variables_are_the_real_ones() -> None:
    used = set()
    for folder in ("circuits", "contracts", "prover", "verifier", "verinfer"):
        for source in (ROOT / folder).rglob("*.py"):
            used |= set(re.findall(r"\bVERINFER_[A-Z]+(?:_[A-Z]+)*\b", source.read_text("utf-8")))
    named = set(re.findall(r"`(VERINFER_[A-Z_]+)`", (ROOT / "docs" / "command-line.md").read_text("utf-8")))
    made_up = {"VERINFER_ANVIL", "VERINFER_FORGE"}  # contracts.toolchain puts their names together
    assert named == used | made_up


def test_the_readme_counts_the_operators_that_run() -> None:
    operators = (ROOT / "docs" / "operators.md").read_text("utf-8")
    [counted] = re.findall(r"(\d+) operators run as circuits", operators)
    assert f"[{counted} operators](docs/operators.md)" in (ROOT / "README.md").read_text("utf-8")
