"""verinfer serve: the service, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from challenger.logs import configure_logs
from circuits.errors import InputError
from service import tracing
from service.application import application
from service.embedded import Workers
from service.parts import LOCAL_TENANT, Parts
from service.registry import NAME
from service.server import serve
from service.settings import Settings
from verinfer.console import note, out
from verinfer.example_data import digits
from verinfer.service_options import config_option, log_option, show_config_option


@click.command()
@click.argument("circuits", metavar="[CIRCUITS]...", nargs=-1, type=click.Path(path_type=Path))
@config_option
@click.option("--host", help="Listen on this address; default 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Listen on this port; 0 takes a free one; default 8480."
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Keep everything in this folder; default verinfer-data."
)
@show_config_option
@log_option
def command(
    circuits: tuple[Path, ...],
    config: Path | None,
    host: str | None,
    port: int | None,
    data: Path | None,
    show_config: bool,
    log: str,
) -> None:
    """Serve models over HTTP: answers with receipts, proofs as jobs, pages for people.

    Each of CIRCUITS is served as a model named after the file. By default only this machine is served, and
    whoever asks may do all.
    """
    given: dict[str, Any] = {"host": host, "port": port, "data": data}
    settings = Settings.load(config, **{name: value for name, value in given.items() if value is not None})
    if show_config:
        click.echo(settings.effective(), nl=False)
        return
    configure_logs(as_json=log == "json")
    tracing.start(settings.traces_url, "verinfer-server")
    with Parts.open(settings) as parts:
        for circuit in circuits:
            _add(parts, circuit)
        workers = Workers(settings, logs_as_json=log == "json")
        parts.jobs.wake_by(workers.wake)
        workers.start()
        try:
            serve(application(parts, digits()), settings, _started)
        finally:
            workers.stop()
            tracing.stop()


def _add(parts: Parts, circuit: Path) -> None:
    if not NAME.fullmatch(circuit.stem):
        raise InputError(f"{circuit} cannot be served: its name, without the suffix, becomes the model's")
    _, number = parts.models.add(parts.tenant(LOCAL_TENANT), circuit.stem, circuit)
    note(f"model {circuit.stem}, version {number}")


def _started(url: str) -> None:
    out.print(f"serving on {url}  (ctrl-c ends it)")
