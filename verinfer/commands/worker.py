"""verinfer worker: jobs of the service, done until told to stop."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import click
import structlog
from sqlalchemy.exc import DBAPIError

from challenger.logs import configure_logs
from service import metrics
from service.database import Kind
from service.embedded import Workers
from service.executors.ray import POLL_SECONDS, Dispatcher
from service.parts import Parts
from service.settings import Settings
from service.stop_signals import StopSignals
from verinfer.service_options import config_option, log_option, show_config_option

LOOK_SECONDS = 0.2
_log = structlog.get_logger()


@click.command()
@config_option
@click.option("--data", type=click.Path(path_type=Path), help="The service's folder; default verinfer-data.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Do so many jobs at a time, each in a process of its own.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in Kind]),
    multiple=True,
    help="Do jobs of this kind only; repeatable; default: all.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Do them as tasks of this Ray cluster, with --jobs outstanding at a time; 'auto' is the one that "
    "this machine is part of, 'local' one for this machine alone.",
)
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve Prometheus metrics on this port.")
@click.option("--metrics-address", default="127.0.0.1", show_default=True, help="Serve them on this address.")
@show_config_option
@log_option
def command(
    config: Path | None,
    data: Path | None,
    jobs: int,
    kinds: tuple[str, ...],
    ray: str | None,
    metrics_port: int | None,
    metrics_address: str,
    show_config: bool,
    log: str,
) -> None:
    """Do the jobs of a service until SIGTERM or SIGINT: then finish the stage in hand and give the rest back.

    Any number of workers share a service's database and artifacts. A second signal ends one at once; its jobs
    are begun again elsewhere.
    """
    given: dict[str, Any] = ({} if data is None else {"data": data}) | ({} if ray else {"workers": jobs})
    settings = Settings.load(config, **given)
    if show_config:
        click.echo(settings.effective(), nl=False)
        return
    as_json = log == "json"
    configure_logs(as_json=as_json)
    if metrics_port is not None:
        _log.info("metrics", port=metrics.serve(metrics_port, metrics_address))
    chosen = [Kind(kind) for kind in kinds or Kind]
    with Parts.open(settings) as parts:
        if ray is None:
            ended_early = _with_processes(Workers(settings, chosen, logs_as_json=as_json))
        else:
            dispatcher = Dispatcher(parts, chosen, jobs, logs_as_json=as_json)
            ended_early = _with_ray(dispatcher, ray, settings.drain_seconds)
    sys.exit(1 if ended_early else 0)


def _with_processes(workers: Workers) -> bool:
    """Have workers work until a signal. Returns whether a second one came before they had ended."""
    with StopSignals() as signals:
        workers.start()
        _log.info("working")
        signals.wait()
        stopping = threading.Thread(target=workers.stop)
        stopping.start()
        killed = False
        while stopping.is_alive():
            if signals.wait(LOOK_SECONDS) and not killed:
                workers.kill()
                killed = True
        return killed


def _with_ray(dispatcher: Dispatcher, address: str, patience: float) -> bool:
    """Have a Ray cluster work until a signal. Returns whether a second one came before it had ended."""
    dispatcher.connect(address)
    with StopSignals() as signals:
        _log.info("working", ray=address)
        while not signals.wait(POLL_SECONDS):
            try:
                dispatcher.step()
            except DBAPIError as error:
                _log.warning("the database failed", error=str(error.orig))
        stopping = threading.Thread(target=dispatcher.close, args=(patience,), daemon=True)
        stopping.start()
        while stopping.is_alive():
            if signals.wait(LOOK_SECONDS):
                return True
        return False
