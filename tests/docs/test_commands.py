"""The commands that README and quickstart show are run, in order, and print what the pages say they print.

A ```console block holds commands behind `$ ` and what they print on stdout. Numbers may differ from those
shown: what is compared is the text around them. A block below `<!-- not run: why -->` is left out, one below
`<!-- slow -->` waits for `make test-long`.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from contracts.devchain import Anvil
from tests.docs.figures import ROOT
from tests.docs.markdown import blocks

PAGES = ["README.md", "docs/operating.md", "docs/quickstart.md"]
DEFAULT_CHAIN = "http://127.0.0.1:8545"
DEFAULT_PORT = "8480"
SHIM = '#!/bin/sh\nPYTHONPATH="{root}" exec "{python}" {arguments} "$@"\n'
NUMBER = re.compile(r"-?(?:0x[0-9a-f]+|\d[\d,]*\.?\d*(?:e[+-]?\d+)?|\d*\.\d+)%?", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """A command with the output that the page shows."""

    text: str
    output: str


def commands(page: Path, slow: bool) -> list[Command]:
    """The commands of a page that can be run here, with or without the slow ones."""
    found = []
    for block in blocks(page):
        skipped = block.note.startswith("not run") or (block.note == "slow" and not slow)
        if block.language == "console" and not skipped:
            parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
            assert not parts[0], f"{page}: a console block begins with a command"
            for part in parts[1:]:
                lines = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL)
                assert lines is not None
                found.append(Command(lines[1], lines[2]))
    return found


def essence(line: str) -> str:
    """A line without numbers, drawings and the width of columns."""
    return " ".join(re.sub(r"[─━┃│┏┓└┘┡┩╇┳┴╶╴]+", " ", NUMBER.sub("#", line)).split())


@pytest.mark.parametrize("name", PAGES)
def test_quick_commands_print_what_is_shown(name: str, tmp_path: Path) -> None:
    check(ROOT / name, commands(ROOT / name, slow=False), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_all_commands_print_what_is_shown(name: str, tmp_path: Path) -> None:
    with Anvil() as anvil:
        shown = [
            replace(c, text=c.text.replace(DEFAULT_CHAIN, anvil.url))
            for c in commands(ROOT / name, slow=True)
        ]
        check(ROOT / name, shown, tmp_path)


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def check(page: Path, shown: list[Command], tmp_path: Path) -> None:
    """Run commands one after another in one shell, in a folder with the page's files and the examples."""
    folder, programs = tmp_path / "folder", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    for program, arguments in (("verinfer", "-m verinfer.cli"), ("python", "")):
        path = programs / program
        path.write_text(SHIM.format(root=ROOT, python=sys.executable, arguments=arguments))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    port = free_port()
    for block in blocks(page):
        if block.note.startswith("file: "):
            text = block.text.replace(DEFAULT_PORT, port)
            (folder / block.note.removeprefix("file: ")).write_text(text)

    script = "".join(f"echo @{i}\n{command.text}\n" for i, command in enumerate(shown))
    script = script.replace(DEFAULT_PORT, port)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VERINFER_", "XDG_"))}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment | {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr}"
    printed = re.split(r"^@\d+\n", done.stdout, flags=re.MULTILINE)[1:]
    for command, output in zip(shown, printed, strict=True):
        real = [essence(line) for line in output.splitlines() if essence(line)]
        expected = [essence(line) for line in command.output.splitlines() if essence(line)]
        assert not expected or real == expected, f"$ {command.text}\n{output}"
