"""The command line."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

import click

from verinfer import console

COMMANDS = {
    "compile": "Compile an ONNX model to an integer circuit.",
    "inspect": "Show a circuit: its graph, bounds and cost.",
    "run": "Run a circuit exactly.",
    "setup": "Make the proving and verifying key of a circuit.",
    "input": "Make input commitments, and tie them to files.",
    "prove": "Prove an answer.",
    "verify": "Check a proof, here or on a chain.",
    "srs": "Generate, import or show the structured reference string.",
    "contract": "Deploy and register contracts on a chain.",
    "claim": "Post an answer with a bond, in place of a proof.",
    "watch": "Watch claims, dispute false ones, defend one's own.",
    "dispute": "Look at claims and disputes, check claims, collect what is due.",
    "serve": "Serve models over HTTP, with receipts, jobs and pages.",
    "worker": "Do the service's jobs.",
    "tenant": "Tenants of a service: their keys, limits and usage.",
    "backup": "Back a service up while it runs.",
    "restore": "Restore a service from its backup.",
    "demo": "The main job on a real model, start to end.",
    "bench": "Backends side by side in one run.",
}


class Lazy(click.Group):
    """Loads a command's module only when the command is run, so that `--help` and quick commands stay
    quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order people use them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command called `name`, if there is one."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"verinfer.commands.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def installed_version() -> str:
    """The version of the installed package."""
    try:
        return version("verinfer")
    except PackageNotFoundError:
        return "not installed"


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="verinfer")
def cli() -> None:
    """Verifiable inference: compile a model, prove its answers, check the proofs here or on an Ethereum
    chain."""


def main() -> NoReturn:
    """Entry point of the `verinfer` program."""
    console.run(cli)


if __name__ == "__main__":
    main()
