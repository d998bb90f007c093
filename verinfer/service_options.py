"""Options that the commands of the service share."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings, in TOML; default: what $VERINFER_SERVICE_CONFIG names. The environment goes before "
    "the file.",
)
data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="The service's folder; default verinfer-data."
)
show_config_option = click.option(
    "--show-config", is_flag=True, help="Print the settings as they are, without secrets, and do nothing."
)
log_option = click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to log on stderr.",
)
