"""Finds the programs that npm installs beside this package, in the repository's `node_modules`."""

import os
import platform
import shutil
from pathlib import Path

from circuits.errors import InputError

REPOSITORY = Path(__file__).parents[1]
NODE_MODULES = REPOSITORY / "node_modules"
SOLC_WRAPPER = Path(__file__).parent / "tools" / "solc"


def solc_command() -> list[str]:
    """The command of a Solidity compiler that understands `--version` and `--standard-json`.

    The environment variable VERINFER_SOLC, the path of such a program, goes before npm's compiler.

    Raises
    ------
    InputError
        If there is none.
    """
    if chosen := os.environ.get("VERINFER_SOLC"):
        return [_executable(chosen, "VERINFER_SOLC")]
    if not (NODE_MODULES / "solc").is_dir():
        raise _not_installed("the Solidity compiler", "solc", "VERINFER_SOLC")
    node = shutil.which("node")
    if node is None:
        raise InputError(
            "node is not on the PATH: npm's Solidity compiler runs in it. Install Node.js 20 or newer, or "
            "name another solc in VERINFER_SOLC"
        )
    return [node, str(SOLC_WRAPPER)]


def foundry_path(tool: str) -> str:
    """The path of a program of Foundry: "anvil", a development chain, or "forge", which runs Solidity tests.

    The environment variables VERINFER_ANVIL and VERINFER_FORGE go before what npm installed. npm's launchers
    are left out: ending one does not end the program that it starts, and it exits with 0 where that fails.

    Raises
    ------
    InputError
        If there is none.
    """
    variable = f"VERINFER_{tool.upper()}"
    if chosen := os.environ.get(variable):
        return _executable(chosen, variable)
    package = f"{tool}-{_foundry_platform()}"
    binary = NODE_MODULES / "@foundry-rs" / package / "bin" / tool
    if not binary.is_file():
        raise _not_installed(f"Foundry's {tool}", f"@foundry-rs/{package}", variable)
    return str(binary)


def _foundry_platform() -> str:
    """The operating system and machine as in the names of Foundry's packages."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def _executable(path: str, variable: str) -> str:
    found = shutil.which(path)
    if found is None:
        raise InputError(f"{variable} is {path!r}, which is not a program that can be run")
    return found


def _not_installed(what: str, package: str, variable: str) -> InputError:
    return InputError(
        f"{what} is not installed: {NODE_MODULES} has no {package}. Run `npm ci` in {REPOSITORY}, or name a "
        f"program in {variable}"
    )
