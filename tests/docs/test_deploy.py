"""The files of `deploy/`, as far as they can be checked without a cluster: they parse, their settings exist,
and their commands are ours."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from service.settings import PREFIX, Settings
from tests.docs.figures import ROOT
from verinfer.cli import cli

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir())
NAMES = [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_variables_are_settings(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}CONFIG"}
    assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", path.read_text())) <= known


def commands(path: Path) -> list[list[str]]:
    """The arguments of each `verinfer` in a file."""
    text = path.read_text()
    found = [shlex.split(line) for line in re.findall(r"\bverinfer ((?:serve|worker)\b[^\n'\"]*)", text)]
    if path.name == "compose.yaml":
        services = yaml.safe_load(text)["services"]
        found += [services[name]["command"] for name in ("server", "worker")]
    if path.name == "Containerfile":
        found += [yaml.safe_load(line) for line in re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)]
    return found


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_commands_are_ours(path: Path) -> None:
    found = commands(path)
    assert found or path.name == "service.toml"
    for name, *arguments in found:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        with command.make_context(name, arguments):  # it refuses what it does not know
            pass


def test_settings_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_SERVICE_DATABASE", "postgresql://verinfer@database/verinfer")
    settings = Settings.load(DEPLOY / "service.toml")
    assert settings.access == "keys" and settings.workers == 0
    assert tomllib.loads((DEPLOY / "service.toml").read_text())


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return found


def test_containers_run_with_few_rights() -> None:
    image = (DEPLOY / "Containerfile").read_text()
    last = image.rpartition("\nFROM ")[2]
    assert re.search(r"^USER verinfer$", last, re.MULTILINE) and "HEALTHCHECK" in last and "g++" not in last
    compose = read("compose.yaml")
    for name in ("server", "worker"):
        service = compose["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"]
        assert set(service["depends_on"]) <= set(compose["services"])
    used = {volume.partition(":")[0] for one in compose["services"].values() for volume in one["volumes"]}
    assert used == set(compose["volumes"])
    assert "PASSWORD: postgres" not in (DEPLOY / "compose.yaml").read_text()


def test_those_who_stop_have_time_to_drain() -> None:
    drain = Settings.load(DEPLOY / "service.toml").drain_seconds
    unit = configparser.ConfigParser(strict=False)
    unit.read(DEPLOY / "verinfer-worker.service")
    assert float(unit["Service"]["TimeoutStopSec"]) > drain
    compose = read("compose.yaml")
    assert float(compose["services"]["worker"]["stop_grace_period"].rstrip("s")) > drain


def test_the_cluster_and_the_task_have_what_they_need() -> None:
    cluster = read("ray-cluster.yaml")
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert cluster["max_workers"] == cluster["available_node_types"]["prover"]["max_workers"]
    task = read("dstack-worker.yaml")
    assert task["type"] == "task"
    assert {"VERINFER_SERVICE_DATABASE", "VERINFER_SERVICE_ARTIFACTS"} <= set(task["env"])
