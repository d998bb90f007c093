"""verinfer restore: a service as it was when a backup was made."""

from __future__ import annotations

from pathlib import Path

import click

from service.backup import restore
from service.settings import Settings
from verinfer.commands.backup import report
from verinfer.console import json_option
from verinfer.service_options import config_option, data_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@config_option
@data_option
@json_option
def command(folder: Path, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Restore the backup in FOLDER to where the settings say, where there is no service yet.

    All of it is checked on the way. The database may be of another kind than the one that was backed up.
    """
    settings = Settings.load(config, **({} if data is None else {"data": data}))
    report(as_json, folder, restore(settings, folder), "restored from")
