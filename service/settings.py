"""What the service is told at its start, by environment and file.

Each setting is a field of `Settings`. It is taken from the environment (`VERINFER_SERVICE_` and the field's
name in capitals), else from a TOML file, which `VERINFER_SERVICE_CONFIG` names; else it has its default.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from circuits.errors import InputError
from service.destinations import Network
from service.limits import DEFAULTS, Limits

PREFIX = "VERINFER_SERVICE_"
FILE = f"{PREFIX}CONFIG"
MAX_FILE_BYTES = 1 << 20
DATABASES = ("database", "chain_database")
"""The secrets that are shown but for their passwords."""


class Settings(BaseSettings):
    """The service's settings. Make them with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8480, ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    data: Path = Field(Path("verinfer-data"), description="the folder for what the next three settings name")
    database: SecretStr | None = Field(
        None, description="a file for SQLite, or postgresql://...; by default service.db in the data folder"
    )
    artifacts: str | None = Field(
        None, description="a folder, or s3://bucket/folder; by default artifacts in the data folder"
    )
    receipt_key: Path | None = Field(
        None, description="the private key that signs receipts; by default receipt-key.pem in the data folder"
    )
    access: Literal["local", "keys"] = Field(
        "local",
        description="local: this machine only, and whoever asks is the tenant 'local'; keys: by API keys",
    )
    proxies: str = Field(
        "",
        description="reverse proxies, addresses or networks with commas between: their word on a request's "
        "scheme and origin counts",
    )
    workers: int = Field(1, ge=0, le=64, description="how many jobs the server itself does at a time")
    job_threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="how many threads a job may use; by default its share of the processors",
    )
    job_memory: int | None = Field(
        None,
        ge=1 << 20,
        description="the most bytes of memory that a job may be expected to take; by default its share of "
        "what the machine, or its container, has, and no bound where proofs are made on a GPU",
    )
    lease_seconds: float = Field(
        30, ge=1, le=3600, description="after so long without a sign of life, a worker's job is another's"
    )
    job_seconds: float = Field(
        21_600,
        ge=1,
        le=2_592_000,
        description="the longest that a worker may hold a job; after that, the job has failed",
    )
    drain_seconds: float = Field(
        60, ge=0, le=86400, description="for how long a stopping worker may work on at the stage in hand"
    )
    log_requests: bool = Field(True, description="whether each request gets a line in the log")
    metrics_token: SecretStr | None = Field(
        None,
        description="what opens /metrics; without it, that is open with local access, and closed with keys",
    )
    traces_url: str | None = Field(
        None,
        description="where traces go, by OTLP over HTTP, as http://host:4318/v1/traces; by default nowhere",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$",
        description="what workers prove on: cpu, cuda, cuda:N, or auto, a GPU where one can be used",
    )
    ray_gpus: float = Field(0, ge=0, le=64, description="how many GPUs a proof takes on a Ray cluster")
    ray_node_bytes: int | None = Field(
        None,
        ge=1 << 28,
        description="the memory of the largest node that a Ray cluster may have; by default, that it has",
    )
    max_artifact_bytes: int = Field(4 << 30, ge=1024, description="the largest file that is kept")
    max_upload_bytes: int = Field(1 << 30, ge=1024, description="the largest model, and calibration, sent in")
    uploads: int = Field(8, ge=1, le=1024, description="how many uploads are read at a time")
    upload_seconds: float = Field(1800, gt=0, description="how long an upload may take to arrive")
    max_nodes: int = Field(10_000, ge=1, description="the most nodes that a model's circuit may have")
    max_macs: int = Field(
        20_000_000_000, ge=1, description="the most multiply-accumulates that an answer may take"
    )
    max_cells: int = Field(
        1 << 28, ge=1, description="the most cells that the tensors of a circuit may have together"
    )
    compile_bytes: int = Field(8 << 30, ge=256 << 20, description="the most memory for compiling a model")
    compile_seconds: int = Field(900, ge=1, description="the longest that compiling a model may take")
    verify_bytes: int = Field(2 << 30, ge=256 << 20, description="the most memory for checking a proof")
    verify_seconds: int = Field(120, ge=1, description="the longest that checking a proof may take")
    verifications: int = Field(2, ge=1, le=64, description="how many proofs are checked at a time on request")
    chain_rpc: SecretStr | None = Field(
        None, description="the JSON-RPC endpoint of the chain that claims are posted to"
    )
    chain_tier: str | None = Field(None, description="the address of the DisputeTier there")
    chain_key: SecretStr | None = Field(
        None, description="the private key of an account that nothing else uses; by the environment only"
    )
    chain_database: SecretStr | None = Field(
        None,
        description="what was sent, by file or postgresql://...; by default claims.db in the data folder",
    )
    chain_window: int | None = Field(
        None, ge=1, description="for how many seconds a claim can be disputed; by default the least"
    )
    chain_confirmations: int = Field(
        2, ge=0, description="how many blocks must stand on one before what it says is acted upon"
    )
    chain_from_block: int = Field(0, ge=0, description="the first block of interest")
    chain_poll_seconds: float = Field(
        20.0, gt=0, le=600, description="how often a posted claim is looked after"
    )
    threads: int = Field(8, ge=1, le=1024, description="how many requests are worked on at a time")
    max_waiting: int = Field(1024, ge=1, description="how many more may wait; others are told to come back")
    max_body_bytes: int = Field(16 << 20, ge=1024, description="the largest request")
    max_held_bytes: int = Field(
        256 << 20, ge=1024, description="how many bytes of requests are held in memory at a time"
    )
    body_seconds: float = Field(60, gt=0, description="how long a request may take to arrive")
    price_per_second: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="what a second of a job costs, for quotes"
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="the currency of that price")
    max_streams: int = Field(4096, ge=1, description="how many may follow jobs at a time")
    max_streams_of_tenant: int = Field(1024, ge=1, description="how many of one tenant's may")
    max_samples: int = Field(256, ge=1, le=4096, description="the largest batch in a request")
    visitor_requests_per_second: float = Field(
        20, gt=0, description="how often an address may ask for what needs no account, in the long run"
    )
    visitor_burst: int = Field(100, ge=1, description="how often it may do so at once, after a pause")
    webhook_http: bool = Field(False, description="whether webhooks may be reached without TLS")
    webhook_networks: tuple[Network, ...] = Field(
        (), description="networks in which webhooks may be, besides public addresses: ['10.1.0.0/16']"
    )
    keep_progress_days: int = Field(
        30, ge=1, le=10_000, description="for how long an ended job's progress is kept; its result stays"
    )
    keep_messages_days: int = Field(
        30, ge=1, le=10_000, description="for how long the messages to webhooks are kept"
    )
    keep_inputs_days: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="for how long an ended proof's input is kept, and what was sent in and became no "
        "version; by default for good",
    )
    housekeeping_seconds: float = Field(
        3600, ge=1, le=1e6, description="how often is looked for what need not be kept"
    )
    limits: Limits = Field(DEFAULTS, description="the limits of tenants that have none of their own")

    @model_validator(mode="after")
    def _not_open_to_all(self) -> Self:
        if self.access == "local" and not is_loopback(self.host):
            raise PydanticCustomError(
                "open",
                "whoever reaches a service with local access may do all, so it listens on this machine's own "
                "address only: set access to keys, or host to 127.0.0.1",
            )
        return self

    @model_validator(mode="after")
    def _chain_is_whole(self) -> Self:
        given = [self.chain_rpc, self.chain_tier, self.chain_key]
        if any(given) and not all(given):
            raise PydanticCustomError(
                "chain", "chain_rpc, chain_tier and chain_key come together, or not at all"
            )
        shared = self.database is not None and "://" in self.database.get_secret_value()
        if all(given) and shared and self.chain_database is None:
            raise PydanticCustomError(
                "chain",
                "where several machines share a database, they share that of what was sent as well: "
                "set chain_database",
            )
        return self

    @property
    def has_chain(self) -> bool:
        """Whether claims can be posted."""
        return self.chain_rpc is not None

    @property
    def chain_database_url(self) -> str:
        """The path or URL of the database of what was sent."""
        if self.chain_database is None:
            return str(self.data / "claims.db")
        return self.chain_database.get_secret_value()

    @property
    def database_url(self) -> str:
        """The database's path or URL."""
        return str(self.data / "service.db") if self.database is None else self.database.get_secret_value()

    @property
    def artifacts_url(self) -> str:
        """The folder or URL of the artifacts."""
        return self.artifacts or str(self.data / "artifacts")

    @property
    def receipt_key_path(self) -> Path:
        """The file with the key that signs receipts."""
        return self.receipt_key or self.data / "receipt-key.pem"

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, **given: Any) -> Settings:
        """The settings by environment and file.

        Parameters
        ----------
        path
            The file; if there is none, the one that the environment names, if it names one.
        given
            Settings that go before both.

        Raises
        ------
        InputError
            If the file cannot be read, or a setting does not exist or cannot be so.
        """
        named = path or os.environ.get(FILE) or None
        read = {} if named is None else _read(Path(named))
        known = {PREFIX + name.upper() for name in cls.model_fields} | {FILE}
        unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
        for name in unknown:
            if name.upper() not in known:
                raise InputError(f"the environment sets {name}, but there is no such setting")
        in_environment = {name.upper().removeprefix(PREFIX) for name, value in os.environ.items() if value}
        if "chain_key" in read:
            raise InputError(
                f"{named} has chain_key: keep it out of files, and set {PREFIX}CHAIN_KEY instead"
            )
        read = {name: value for name, value in read.items() if name.upper() not in in_environment}
        try:
            return cls(**read | given)
        except ValidationError as error:
            origin = "the environment" if named is None else f"{named} or the environment"
            raise InputError(f"settings in {origin}: {_mistakes(error)}") from None

    def effective(self) -> str:
        """All settings as they are, as TOML. Secrets are hidden, and passwords in URLs."""
        lines = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = shown_url(value.get_secret_value()) if name in DATABASES else "hidden"
            shown = "" if value is None else f"{name} = {_toml(value)}"
            lines += [f"# {field.description}", shown or f"# {name} is not set"]
        return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"the settings {path} have over {MAX_FILE_BYTES} bytes")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise InputError(f"cannot read the settings {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the settings {path} are no TOML: {error}") from None


def _mistakes(error: ValidationError) -> str:
    """What is wrong with each setting, without its value: it may be secret."""
    found = []
    for mistake in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(map(str, mistake["loc"]))
        what = "there is no such setting" if mistake["type"] == "extra_forbidden" else mistake["msg"]
        found.append(f"{name}: {what}" if name else what)
    return "; ".join(found)


def _toml(value: object) -> str:
    if isinstance(value, Limits):
        limits = value.model_dump(exclude_none=True).items()
        return "{ " + ", ".join(f"{name} = {_toml(limit)}" for name, limit in limits) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value).lower()
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text) + '"'


def shown_url(url: str) -> str:
    """A database's path or URL without its passwords."""
    if "://" not in url:
        return url
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "***"
    hidden = {name: "hidden" if "pass" in name.lower() else value for name, value in parsed.query.items()}
    return parsed.set(query=hidden).render_as_string(hide_password=True)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, and no other machine reaches it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
