"""docs/command-line.md names every command, every option and every JSON field there is, and none there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from tests.docs.figures import ROOT
from verinfer.cli import cli

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
HEADING = re.compile(r"^#{2,3} (verinfer .*)$", re.MULTILINE)


def sections() -> dict[str, str]:
    """The text below each heading that names a command."""
    parts = HEADING.split(PAGE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with what one types for it."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}")


COMMANDS = dict(commands(cli, "verinfer"))


def test_every_command_has_a_section() -> None:
    groups = {name.rpartition(" ")[0] for name in COMMANDS} - {"verinfer"}
    assert set(sections()) == set(COMMANDS) | groups


@pytest.mark.parametrize("name", COMMANDS)
def test_options_and_arguments_are_the_real_ones(name: str) -> None:
    text = sections()[name]
    documented = {
        option
        for line in text.splitlines()
        if line.startswith("| `-")
        for option in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", line.split("|")[1])
    }
    options = [p for p in COMMANDS[name].params if isinstance(p, click.Option)]
    assert documented == {spelling for option in options for spelling in option.opts}
    for argument in COMMANDS[name].params:
        if isinstance(argument, click.Argument):
            assert argument.name is not None and f" {argument.name.upper()}" in text, argument.name


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_and_choices_are_the_real_ones(name: str) -> None:
    rows = {line.split("|")[1]: line for line in sections()[name].splitlines() if line.startswith("| `-")}
    for option in (p for p in COMMANDS[name].params if isinstance(p, click.Option)):
        [row] = [row for left, row in rows.items() if re.search(rf"{option.opts[-1]}[ `]", left)]
        if isinstance(option.type, click.Choice):
            assert "\\|".join(option.type.choices) in row
        if option.show_default and not isinstance(option.type, click.Choice):
            assert f"default {option.default}" in row, row
        if option.required:
            assert "required" in row, row


def documented_fields(name: str) -> set[str]:
    """The names that a section's `JSON:` paragraph gives, without those in brackets."""
    found = re.search(r"^JSON: (.*?)(?=\n\n|\Z)", sections()[name], re.MULTILINE | re.DOTALL)
    assert found is not None, name
    text = found[1]
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    return set(re.findall(r"`([a-z_]+)`", text))
