"""verinfer backup: all that a service knows, in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from service.backup import Manifest, backup
from service.settings import Settings
from verinfer.console import emit, json_option, shown
from verinfer.service_options import config_option, data_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--receipt-key", is_flag=True, help="Put the key that signs receipts into it, too.")
@config_option
@data_option
@json_option
def command(folder: Path, receipt_key: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Make a backup of a service in FOLDER, which must be empty or new. The service may run meanwhile.

    Keep it as safe as the service: it has the secrets of webhooks.
    """
    settings = Settings.load(config, **({} if data is None else {"data": data}))
    report(as_json, folder, backup(settings, folder, receipt_key), "backup in")


def report(as_json: bool, folder: Path, manifest: Manifest, what: str) -> None:
    """Print what a backup consists of."""
    rows = sum(table.rows for table in manifest.tables)
    result = {
        "folder": str(folder),
        "made_at": manifest.made_at,
        "revision": manifest.revision,
        "tables": {table.name: table.rows for table in manifest.tables},
        "artifacts": manifest.artifacts,
        "artifact_bytes": manifest.artifact_bytes,
        "receipt_key": manifest.receipt_key is not None,
    }
    key = "with" if manifest.receipt_key is not None else "without"
    text = f"{rows:,} rows, {manifest.artifacts:,} artifacts of {manifest.artifact_bytes:,} bytes"
    emit(as_json, result, f"{what} {shown(folder)}: {text}, {key} the receipt key")
