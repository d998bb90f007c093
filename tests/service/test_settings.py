"""Settings from environment and file, and what is shown of them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from circuits.errors import InputError
from service.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the tests' own."""
    for name in os.environ:
        if name.startswith("VERINFER_SERVICE_"):
            monkeypatch.delenv(name)


def test_environment_before_file_before_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('port = 9000\nthreads = 3\ndata = "all here"\n')
    assert Settings.load().port == 8480
    monkeypatch.setenv("VERINFER_SERVICE_THREADS", "5")
    settings = Settings.load(file)
    assert (settings.port, settings.threads, settings.data) == (9000, 5, Path("all here"))
    monkeypatch.setenv("VERINFER_SERVICE_CONFIG", str(file))
    assert Settings.load() == settings


def test_what_is_shown_can_be_read_back_but_for_secrets(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    url = "postgresql://verinfer:hunter2@db/name?sslpassword=hunter2"
    lines = ['host = "0.0.0.0"', 'metrics_token = "hunter2"', 'access = "keys"', f'database = "{url}"']
    file.write_text("\n".join([*lines, """data = 'a "b" \\c'"""]))
    settings = Settings.load(file)
    shown = settings.effective()
    assert "hunter2" not in shown + repr(settings) + str(settings)
    assert settings.database is not None and "hunter2" in settings.database.get_secret_value()
    read = tomllib.loads(shown)
    assert read["database"] == "postgresql://verinfer:***@db/name?sslpassword=hidden"
    assert read["metrics_token"] == "hidden"
    assert read["data"] == 'a "b" \\c' and read["port"] == 8480
    unset = {
        "artifacts",
        "receipt_key",
        "keep_inputs_days",
        "job_threads",
        "job_memory",
        "ray_node_bytes",
        "traces_url",
    }
    unset |= {f"chain_{name}" for name in ("rpc", "tier", "key", "database", "window")}
    assert set(read) == set(Settings.model_fields) - unset
    assert "database" not in tomllib.loads(Settings.load().effective())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "prot: there is no such setting"),
        ("port = 70000", "port: .*65535"),
        ('port = "many"\nthreads = 0', "port: .*; threads: "),
        ("port = ", "no TOML"),
        ('host = "0.0.0.0"', "local access"),
        ('host = "example.org"', "local access"),
        ("database = 5", "database: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "service.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        Settings.load(file)


def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_SERVICE_PROT", "1")
    with pytest.raises(InputError, match="VERINFER_SERVICE_PROT"):
        Settings.load()


def test_secrets_are_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_SERVICE_DATABASE", "postgresql://u:hunter2@db/x")
    monkeypatch.setenv("VERINFER_SERVICE_PORT", "hunter2")
    with pytest.raises(InputError) as raised:
        Settings.load()
    assert "hunter2" not in str(raised.value) and "port" in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Settings.load(tmp_path / "missing.toml")


def test_what_is_given_goes_before_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("port = 1\nthreads = 1\nworkers = 1\n")
    monkeypatch.setenv("VERINFER_SERVICE_PORT", "2")
    monkeypatch.setenv("VERINFER_SERVICE_THREADS", "2")
    settings = Settings.load(file, port=3)
    assert (settings.port, settings.threads, settings.workers) == (3, 2, 1)
