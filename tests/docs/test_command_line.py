"""docs/command-line.md names every command, option and JSON field that there is, and none that is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from web3.types import RPCEndpoint

from challenger.history import posted_claims
from circuits.file import load
from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from contracts.dispute_tier import DEVELOPMENT
from tests.docs.figures import ROOT, linear
from verinfer.cli import cli

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
# Every anvil prints it when it starts.
ANVILS_FIRST_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
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


class Program:
    """The command line in this process, in a folder with a circuit small enough to be proved in a second."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def fields(self, *arguments: object) -> set[str]:
        """The names in the JSON object that a command prints."""
        self._capsys.readouterr()
        cli.main([*map(str, arguments), "--json"], prog_name="verinfer", standalone_mode=False)
        return set(json.loads(self._capsys.readouterr().out))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_CACHE", str(tmp_path / "cache"))
    onnx.save(linear(np.ones((4, 1)), 0.5), "m.onnx")
    np.save("x.npy", np.full((1, 4), 0.25, np.float32))
    return Program(tmp_path, capsys)


def test_json_fields_are_the_real_ones(program: Program) -> None:
    # One says what the command above does, the others go on and log.
    silent = {"verinfer srs import", "verinfer watch", "verinfer serve", "verinfer worker"}
    expected = {name: documented_fields(name) for name in COMMANDS if name not in silent}
    assert program.fields("compile", "m.onnx") == expected["verinfer compile"]
    assert program.fields("inspect", "m.circuit") == expected["verinfer inspect"]
    assert program.fields("run", "m.circuit", "x.npy") == expected["verinfer run"]
    assert program.fields("srs", "generate", "--k", 8) == expected["verinfer srs generate"]
    [file] = (program.folder / "home").rglob("*.srs")
    imported = program.fields("srs", "import", file, "--check", "quick")
    assert imported == expected["verinfer srs generate"] | {"findings"}
    assert program.fields("srs", "info") == expected["verinfer srs info"]
    assert program.fields("setup", "m.circuit") | {"valid"} == expected["verinfer setup"]
    assert program.fields("setup", "m.circuit", "--check", "m.vk") == {"valid", "key_digest"}
    assert program.fields("prove", "m.circuit", "x.npy") == expected["verinfer prove"]
    checked = program.fields("verify", "x.proof", "--key", "m.vk")
    assert checked == expected["verinfer verify"] - {"gas", "model_id", "call"}


def test_json_fields_of_the_services_commands(program: Program) -> None:
    def check(name: str, *arguments: object) -> None:
        fields = program.fields(*name.split(), *arguments)
        assert fields == documented_fields(f"verinfer {name}"), name

    check("tenant create", "acme")
    check("tenant list")
    check("tenant show", "acme")
    check("tenant limits", "acme", "--set", "models=2")
    check("tenant key create", "acme", "laptop")
    check("tenant key list", "acme")
    arguments = ("tenant", "key", "create", "acme", "old", "--json")
    key = CliRunner().invoke(cli, arguments, standalone_mode=False)
    check("tenant key revoke", "acme", json.loads(key.stdout)["id"])
    check("tenant usage", "acme")
    check("backup", "kept")
    check("restore", "kept", "--data", "elsewhere")


@pytest.mark.long
def test_json_fields_of_what_takes_longer_are_the_real_ones(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_PRIVATE_KEY", ANVILS_FIRST_KEY)
    program.fields("compile", "m.onnx")
    program.fields("srs", "generate", "--k", 8)
    program.fields("setup", "m.circuit", "--backend", "ezkl")
    program.fields("prove", "m.circuit", "x.npy")
    arguments = ("--circuit", "m.circuit", "--input", "x.npy", "--runs", 1)
    assert program.fields("bench", *arguments) == documented_fields("verinfer bench")
    with Anvil() as anvil:
        rpc = ("--rpc", anvil.url)
        deployment = deploy_contracts(anvil.connect(), DEVELOPMENT)
        place = (*rpc, "--contract", deployment.verifier.address)
        assert program.fields("contract", "deploy", *rpc) == documented_fields("verinfer contract deploy")
        for name in ("commit", "register"):
            fields = program.fields("contract", name, "m.circuit", *place)
            assert fields == documented_fields(f"verinfer contract {name}")
        circuit_id = "0x" + load("m.circuit").circuit_id.hex()
        fields = program.fields("contract", "lookup", circuit_id, *place)
        assert fields == documented_fields("verinfer contract lookup")
        fields = program.fields("verify", "x.proof", "--key", "m.vk", *place)
        assert fields == documented_fields("verinfer verify")
        tier = (*rpc, "--contract", deployment.disputes.address)
        assert program.fields("claim", "m.circuit", "x.npy", *tier) == documented_fields("verinfer claim")
        claim_id = "0x" + posted_claims(deployment.disputes)[0].claim_id.hex()
        assert program.fields("dispute", "list", *tier) == documented_fields("verinfer dispute list")
        assert program.fields("dispute", "show", claim_id, *tier) == documented_fields(
            "verinfer dispute show"
        )
        checked = program.fields("dispute", "check", claim_id, "m.circuit", *tier)
        assert checked == documented_fields("verinfer dispute check")
        deployment.registry.chain.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [3600])
        deployment.registry.chain.web3.provider.make_request(RPCEndpoint("evm_mine"), [])
        final = program.fields("dispute", "finalise", claim_id, *tier)
        assert final == documented_fields("verinfer dispute finalise")
        assert program.fields("dispute", "withdraw", *tier) == documented_fields("verinfer dispute withdraw")
