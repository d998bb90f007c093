"""`verinfer tenant` on a service's database, while the service runs."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.errors import InputError
from service.application import application
from service.ledger import What, record
from tests.service.patience import PATIENCE
from tests.service.serving import opened, served
from tests.service.test_access import ask
from verinfer.cli import cli

Run = Any


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder of its own, and returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> str:
        capsys.readouterr()
        cli.main(["tenant", *map(str, arguments)], prog_name="verinfer", standalone_mode=False)
        return capsys.readouterr().out

    return command


def as_json(run: Run, *arguments: object) -> dict[str, Any]:
    # A server of the test's own logs to the same stdout, from another thread.
    [line] = [line for line in run(*arguments, "--json").splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.fixture
def service(tmp_path: Path, url: str) -> Iterator[Any]:
    """A running service with API keys, on each database; its settings are in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERINFER_SERVICE_DATABASE", url)
        folder = tmp_path / "verinfer-data"
        with opened(folder, database=url, access="keys") as parts, served(application(parts)) as where:
            yield parts, where


def test_a_tenant_from_beginning_to_end(run: Run, service: Any) -> None:
    parts, where = service
    assert run("list") == "there are no tenants\n"
    made = as_json(run, "create", "acme", "--set", "open_jobs=5", "--set", "models=none")
    assert made["own_limits"] == {"open_jobs": 5, "models": None}
    assert made["limits"]["open_jobs"] == 5 and made["limits"]["weight"] == 1
    assert [tenant["name"] for tenant in as_json(run, "list")["tenants"]] == ["acme"]
    key = run(
        "key", "create", "acme", "laptop", "--scope", "infer", "--scope", "account", "--expires", "1d"
    ).strip()
    assert ask(where, "/v2/models/x", key)[0] == 404 and ask(where, "/api/v1/webhooks", key)[0] == 200
    changed = as_json(run, "limits", "acme", "--set", "requests_per_second=0.001", "--unset", "open_jobs")
    assert changed["own_limits"] == {"models": None, "requests_per_second": 0.001}
    until = time.monotonic() + PATIENCE
    while ask(where, "/v2/models/x", key)[0] != 429:
        assert time.monotonic() < until
    run("limits", "acme", "--unset", "requests_per_second")
    with parts.database.write() as session:
        record(session, made["id"], What.PROOFS, 2)
    [item] = as_json(run, "usage", "acme")["items"]
    assert (item["what"], item["quantity"], item["unit"], item["day"]) == ("proofs", 2, "proof", None)
    rows = list(csv.reader(run("usage", "acme", "--csv").splitlines()))
    assert rows[0] == ["at", "what", "quantity", "unit", "job"] and rows[1][1:] == [
        "proofs",
        "2",
        "proof",
        "",
    ]
    assert as_json(run, "usage", "acme", "--by-day", "--to", "2020-01-01")["items"] == []
    [listed] = as_json(run, "key", "list", "acme")["keys"]
    assert (
        listed["name"] == "laptop"
        and listed["scopes"] == ["account", "infer"]
        and listed["revoked_at"] is None
    )
    assert key not in run("key", "list", "acme") and key.split("_")[2] not in str(listed)
    assert as_json(run, "key", "revoke", "acme", key)["revoked_at"] is not None
    while ask(where, "/v2/models/x", key)[0] != 401:
        assert time.monotonic() < until + 20
    shown = run("show", "acme")
    assert "open_jobs" in shown and "100,000" in shown and "the settings'" in shown


def test_mistakes(run: Run, service: Any) -> None:
    run("create", "acme")
    run("create", "other")
    key = run("key", "create", "acme", "laptop").strip()
    [listed] = as_json(run, "key", "list", "acme")["keys"]
    for arguments, message in (
        (("create", "acme"), "there is a tenant acme already"),
        (("create", "a@b"), "no name for a tenant"),
        (("create", "=cmd"), "no name for a tenant"),
        (("create", "x", "--set", "open_job=1"), "there is no limit 'open_job'"),
        (("show", "nobody"), "there is no tenant 'nobody'"),
        (("limits", "acme", "--set", "open_jobs"), "is no limit"),
        (("limits", "acme", "--set", "open_jobs=many"), "is no limit"),
        (("limits", "acme", "--set", "open_jobs=-1"), "open_jobs"),
        (("limits", "acme", "--unset", "open_job"), "there is no limit 'open_job'"),
        (("key", "create", "nobody", "x"), "no tenant"),
        (("key", "create", "acme", "x", "--expires", "soon"), "is not a time"),
        (("key", "revoke", "other", key), "no API key"),
        (("key", "revoke", "other", listed["id"]), "no API key"),
        (("usage", "acme", "--from", "2026-01-02", "--to", "2026-01-01"), "lies behind"),
    ):
        with pytest.raises(InputError, match=message):
            run(*arguments)
    assert as_json(run, "key", "list", "acme")["keys"][0]["revoked_at"] is None


def test_there_is_nothing_where_no_service_was(run: Run, tmp_path: Path) -> None:
    for arguments in (("list",), ("show", "x"), ("key", "list", "x"), ("usage", "x"), ("limits", "x")):
        with pytest.raises(InputError, match="there is no service here"):
            run(*arguments)
    assert list(tmp_path.iterdir()) == []
    run("create", "first", "--data", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "service.db").exists()
    (tmp_path / "service.toml").write_text('data = "elsewhere"\nlimits = { open_jobs = 3 }\n')
    assert as_json(run, "show", "first", "--config", "service.toml")["limits"]["open_jobs"] == 3
