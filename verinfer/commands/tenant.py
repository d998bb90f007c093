"""verinfer tenant: who uses the service, with which keys and limits, and how much."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from circuits.errors import InputError
from service.api_keys import TENANTS_SCOPES, Scope, create_key, key_id_of, revoke_key
from service.database import ApiKey, Database, Tenant
from service.parts import open_database
from service.settings import Settings
from service.tenants import all_tenants, change_limits, create_tenant, find_tenant, holdings, keys
from service.usage import usage, usage_csv
from verinfer.console import emit, json_option, shown
from verinfer.service_options import config_option, data_option
from verinfer.units import parse_duration

name_argument = click.argument("name")
set_option = click.option(
    "--set", "wanted", multiple=True, metavar="LIMIT=VALUE", help="Give this limit; `none` for no limit."
)
BY_DEFAULT = timedelta(days=30)


@click.group()
def command() -> None:
    """Make tenants and their API keys, set their limits, see what they used.

    This works on the service's database, also while the service runs.
    """


@command.command()
@name_argument
@set_option
@config_option
@data_option
@json_option
def create(name: str, wanted: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Make a tenant called NAME."""
    with _service(config, data, make=True) as (settings, database):
        tenant = create_tenant(database, name, _limits(wanted))
        described = _described(settings, database, tenant)
    emit(as_json, described, f"tenant {shown(name)}")


@command.command("list")
@config_option
@data_option
@json_option
def list_(config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the tenants, by name."""
    with _service(config, data) as (_, database):
        found = all_tenants(database)
    rows = [
        {"name": tenant.name, "id": tenant.id, "created_at": _time(tenant.created_at)} for tenant in found
    ]
    table = _table(("tenant", "made"), [(row["name"], row["created_at"]) for row in rows])
    emit(as_json, {"tenants": rows}, table if rows else "there are no tenants")


@command.command()
@name_argument
@config_option
@data_option
@json_option
def show(name: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what the tenant NAME has, and its limits."""
    with _service(config, data) as (settings, database):
        described = _described(settings, database, find_tenant(database, name))
    _show(as_json, described)


@command.command()
@name_argument
@set_option
@click.option("--unset", "unwanted", multiple=True, metavar="LIMIT", help="Have the settings count again.")
@config_option
@data_option
@json_option
def limits(
    name: str,
    wanted: tuple[str, ...],
    unwanted: tuple[str, ...],
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Change the limits of the tenant NAME. They count within seconds."""
    with _service(config, data) as (settings, database):
        tenant = change_limits(database, name, _limits(wanted), unwanted)
        described = _described(settings, database, tenant)
    _show(as_json, described)


@command.group()
def key() -> None:
    """Make, list and revoke a tenant's API keys."""


@key.command("create")
@name_argument
@click.argument("key_name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key allows; repeatable; default: all but operate.",
)
@click.option("--expires", metavar="TIME", help="How long it is valid, such as 90d; default: until revoked.")
@config_option
@data_option
@json_option
def create_a_key(
    name: str,
    key_name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Make a key for the tenant NAME, and print it: this once, nobody can see it again."""
    until = None if expires is None else datetime.now(UTC) + timedelta(seconds=parse_duration(expires))
    with _service(config, data) as (_, database):
        tenant = find_tenant(database, name)
        made = create_key(database, tenant.id, key_name, scopes or TENANTS_SCOPES, until)
        [row] = [row for row in keys(database, tenant.id) if row.id == key_id_of(made)]
    emit(as_json, {"key": made, **_key(row)}, made)


@key.command("list")
@name_argument
@config_option
@data_option
@json_option
def list_keys(name: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the keys of the tenant NAME."""
    with _service(config, data) as (_, database):
        found = [_key(row) for row in keys(database, find_tenant(database, name).id)]
    rows = [
        (
            row["id"],
            row["name"],
            " ".join(row["scopes"]),
            row["created_at"],
            row["expires_at"],
            row["revoked_at"],
        )
        for row in found
    ]
    table = _table(("key", "name", "scopes", "made", "expires", "revoked"), rows)
    emit(as_json, {"keys": found}, table if rows else "there are no keys")


@key.command()
@name_argument
@click.argument("key_id")
@config_option
@data_option
@json_option
def revoke(name: str, key_id: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """End a key of the tenant NAME for good; KEY_ID is what `list` says, or the key itself."""
    with _service(config, data) as (_, database):
        tenant = find_tenant(database, name)
        wanted = key_id_of(key_id) if key_id.startswith("vk_") else key_id
        revoke_key(database, tenant.id, wanted)
        [row] = [row for row in keys(database, tenant.id) if row.id == wanted]
    emit(as_json, _key(row), f"revoked {row.id}: servers that have just seen it refuse it within seconds")


@command.command("usage")
@name_argument
@click.option(
    "--from", "begin", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC); default: 30 days."
)
@click.option(
    "--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="Before this day (UTC); default: until now."
)
@click.option("--by-day", is_flag=True, help="Sum up each day.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every entry of the ledger, as CSV.")
@config_option
@data_option
@json_option
def usage_(
    name: str,
    begin: datetime | None,
    end: datetime | None,
    by_day: bool,
    as_csv: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what the tenant NAME has used."""
    if as_csv and (as_json or by_day):
        raise click.UsageError("--csv goes with neither --json nor --by-day.")
    until = datetime.now(UTC) + timedelta(seconds=1) if end is None else end.replace(tzinfo=UTC)
    since = until - BY_DEFAULT if begin is None else begin.replace(tzinfo=UTC)
    if since > until:
        raise InputError("--from lies behind --to")
    with _service(config, data) as (_, database):
        tenant = find_tenant(database, name)
        if as_csv:
            for piece in usage_csv(database, tenant.id, since, until):
                click.echo(piece, nl=False)
            return
        found = usage(database, tenant.id, since, until, by_day)
    rows = [
        {
            "day": None if item.day is None else item.day.isoformat(),
            "what": item.what,
            "quantity": item.quantity,
            "unit": item.unit,
        }
        for item in found
    ]
    table = _table(
        ("day", "what", "quantity"),
        [(row["day"], row["what"], f"{row['quantity']:,.12g} {row['unit']}") for row in rows],
    )
    span = {"from": _time(since), "to": _time(until)}
    emit(as_json, {"name": name, **span, "items": rows}, table if rows else "nothing was used")


@contextmanager
def _service(
    config: Path | None, data: Path | None, make: bool = False
) -> Iterator[tuple[Settings, Database]]:
    """The service's settings and open database."""
    settings = Settings.load(config, **({} if data is None else {"data": data}))
    database = open_database(settings, make)
    try:
        yield settings, database
    finally:
        database.close()


def _limits(wanted: tuple[str, ...]) -> dict[str, Any]:
    """What LIMIT=VALUE options say. Raises InputError."""
    found: dict[str, Any] = {}
    for text in wanted:
        limit, equals, value = text.partition("=")
        try:
            found[limit.strip()] = None if value.strip().lower() == "none" else json.loads(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"{text!r:.80} is no limit: NAME=NUMBER or NAME=none")
    return found


def _described(settings: Settings, database: Database, tenant: Tenant) -> dict[str, Any]:
    effective = settings.limits.overlaid(tenant.limits)
    return {
        "name": tenant.name,
        "id": tenant.id,
        "created_at": _time(tenant.created_at),
        "holdings": asdict(holdings(database, tenant.id)),
        "limits": effective.model_dump(),
        "own_limits": tenant.limits,
    }


def _show(as_json: bool, described: dict[str, Any]) -> None:
    has, own = described["holdings"], described["own_limits"]
    rows = [
        (
            name,
            "none" if limit is None else f"{limit:,}",
            "the tenant's" if name in own else "the settings'",
            f"{has[name]:,}" if name in has else "",
        )
        for name, limit in described["limits"].items()
    ]
    heading = f"tenant {shown(described['name'])}, made {described['created_at']}"
    emit(as_json, described, heading, _table(("limit", "at most", "whose", "now"), rows))


def _key(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes,
        "created_at": _time(row.created_at),
        "expires_at": None if row.expires_at is None else _time(row.expires_at),
        "revoked_at": None if row.revoked_at is None else _time(row.revoked_at),
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*("" if cell is None else shown(cell) for cell in row))
    return table
