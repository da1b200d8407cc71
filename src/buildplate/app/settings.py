"""The program's settings: parsed once, here, from flags, environment and `.env`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from buildplate.storage import BadDatabaseUrl, PostgresAddress, is_postgres

SHORTEST_JWT_SECRET = 32
TOO_SHORT = f"it needs at least {SHORTEST_JWT_SECRET} characters: try `openssl rand -base64 48`"
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://user:password@host:5432/database"
FOR_THE_COMMAND_LINE = {
    "BUILDPLATE_API_KEY",
    "BUILDPLATE_BACKUP_PASSPHRASE",
    "BUILDPLATE_CA",
    "BUILDPLATE_CONFIG",
    "BUILDPLATE_URL",
}


class SettingsError(Exception):
    """A setting cannot be right; the message says which and what to do."""

    code = "invalid_setting"
    hint = "See docs/reference/settings.md for every setting and its default."


class Settings(BaseSettings):
    """Every setting, with its default; durations in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    database_url: str = Field(
        "",
        repr=False,
        description="where the farm's rows live: `sqlite:///path`, or"
        " `postgresql://user:password@host:5432/database`; empty: in the data folder",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(4000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    app_env: Literal["production", "development"] = Field(
        "production", description="taken from existing installations, changes nothing yet"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is logged"
    )
    data_dir: Path = Field(
        Path("./var"),
        validation_alias="BUILDPLATE_DATA_DIR",
        description="rows, files and the process id",
    )
    key_file: Path | None = Field(
        None,
        validation_alias="BUILDPLATE_KEY_FILE",
        description="the key that opens printers' secrets; empty: `secrets.key` in the data folder",
    )
    tls_cert: Path | None = Field(
        None,
        validation_alias="BUILDPLATE_TLS_CERT",
        description="the server's certificate with its chain (PEM): answers over HTTPS only",
    )
    tls_key: Path | None = Field(
        None,
        validation_alias="BUILDPLATE_TLS_KEY",
        description="the certificate's private key (PEM, not encrypted)",
    )
    tls_client_ca: Path | None = Field(
        None,
        validation_alias="BUILDPLATE_TLS_CLIENT_CA",
        description="mutual TLS: only clients with a certificate of this authority (PEM) get in",
    )
    trusted_proxies: str = Field(
        "",
        validation_alias="BUILDPLATE_TRUSTED_PROXIES",
        description="proxies whose X-Forwarded-* is believed: addresses, networks; by comma",
    )
    max_file_bytes: int = Field(
        500_000_000,
        gt=0,
        validation_alias="BUILDPLATE_MAX_FILE_BYTES",
        description="the largest print file that is taken",
    )
    poll_seconds: float = Field(
        10.0,
        gt=0,
        validation_alias="BUILDPLATE_POLL_SECONDS",
        description="between reads of a printer that says nothing by itself",
    )
    bed_gap_seconds: float = Field(
        600.0,
        ge=0,
        validation_alias="BUILDPLATE_BED_GAP_SECONDS",
        description="how long a printer may be out of sight before its bed counts as unknown",
    )
    backoff_first_seconds: float = Field(
        1.0,
        gt=0,
        validation_alias="BUILDPLATE_BACKOFF_FIRST_SECONDS",
        description="the first pause before a lost printer is tried again",
    )
    backoff_last_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="BUILDPLATE_BACKOFF_LAST_SECONDS",
        description="the longest pause before a lost printer is tried again",
    )
    mdns: str = Field(
        "all",
        validation_alias="BUILDPLATE_MDNS",
        description="where printers are looked for when somebody asks: `all` networks of this"
        " machine, `none`, or its own IPv4 addresses in them; by comma",
    )
    transfers: int = Field(
        16,
        gt=0,
        validation_alias="BUILDPLATE_TRANSFERS",
        description="how many print files are sent to printers at a time",
    )
    status_history_retention_days: float = Field(
        30.0,
        gt=0,
        description="how many days what printers did, and their temperatures, are kept",
    )
    status_history_cleanup_interval_seconds: float = Field(
        3600.0, gt=0, description="how often older history is deleted"
    )
    history_sample_seconds: float = Field(
        10.0,
        ge=1,
        le=600,
        validation_alias="BUILDPLATE_HISTORY_SAMPLE_SECONDS",
        description="the least time between two rows of a printer's temperatures; a row holds one"
        " reading a second, and what is not in one yet is lost when the process is killed",
    )
    backups_kept: int = Field(
        7,
        ge=1,
        validation_alias="BUILDPLATE_BACKUPS_KEPT",
        description="how many backups stay in the data folder; older ones are deleted",
    )
    time_factor: float = Field(
        1.0,
        gt=0,
        validation_alias="BUILDPLATE_TIME_FACTOR",
        description="for simulated printers only: divides every duration of the farm",
    )

    jwt_secret_key: str = Field(
        "",
        repr=False,
        description="what access tokens are signed with, 32 characters or more; "
        "empty: made once and kept in the data folder",
    )
    jwt_previous_secret_key: str = Field(
        "",
        repr=False,
        validation_alias="BUILDPLATE_JWT_PREVIOUS_SECRET_KEY",
        description="the secret before the last change: its tokens go on until they run out",
    )
    access_token_seconds: int = Field(
        900,
        ge=10,
        le=86_400,
        validation_alias="BUILDPLATE_ACCESS_TOKEN_SECONDS",
        description="how long an access token (JWT) is good for",
    )
    refresh_token_seconds: int = Field(
        2_592_000,
        ge=60,
        validation_alias="BUILDPLATE_REFRESH_TOKEN_SECONDS",
        description="how long a program stays logged in, however often it refreshes its token",
    )
    session_seconds: int = Field(
        604_800,
        ge=60,
        validation_alias="BUILDPLATE_SESSION_SECONDS",
        description="how long a browser stays logged in",
    )
    session_idle_seconds: int = Field(
        43_200,
        ge=60,
        validation_alias="BUILDPLATE_SESSION_IDLE_SECONDS",
        description="how long a browser stays logged in without a request",
    )
    requests_per_minute: int = Field(
        60_000,
        gt=0,
        validation_alias="BUILDPLATE_REQUESTS_PER_MINUTE",
        description="requests of one key or user",
    )
    open_requests_per_minute: int = Field(
        6_000,
        gt=0,
        validation_alias="BUILDPLATE_OPEN_REQUESTS_PER_MINUTE",
        description="requests of one address to paths that need no key",
    )
    failures_per_minute: int = Field(
        60,
        gt=0,
        validation_alias="BUILDPLATE_FAILURES_PER_MINUTE",
        description="wrong keys, tokens and passwords of one address before it has to wait",
    )
    logins_per_minute: int = Field(
        20,
        gt=0,
        validation_alias="BUILDPLATE_LOGINS_PER_MINUTE",
        description="tries of one address to log in or to refresh a token",
    )

    @field_validator("jwt_secret_key", "jwt_previous_secret_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        """Refuse what can be guessed; the message does not repeat it."""
        if value and len(value) < SHORTEST_JWT_SECRET:
            raise ValueError(TOO_SHORT)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        found = [one.strip() for one in value.split(",") if one.strip()]
        for one in found:
            try:
                ip_network(one)
            except ValueError:
                raise PydanticCustomError(
                    "address", "{one} is neither an address nor a network", {"one": one}
                ) from None
        return ",".join(found)

    @field_validator("mdns")
    @classmethod
    def _cards(cls, value: str) -> str:
        found = [one.strip() for one in value.split(",") if one.strip()]
        for one in found if found not in (["all"], ["none"]) else ():
            try:
                IPv4Address(one)
            except ValueError:
                raise PydanticCustomError(
                    "card", "{one} is no IPv4 address, and neither all nor none", {"one": one}
                ) from None
        return ",".join(found) or "all"

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise PydanticCustomError("pair", "a certificate and its private key go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise PydanticCustomError(
                "mutual", "mutual TLS needs a certificate and a private key of the server"
            )
        return self

    @property
    def mdns_addresses(self) -> tuple[str, ...] | None:
        """Where to look for printers in the network: none at all, or None for everywhere."""
        return {"all": None, "none": ()}.get(self.mdns, tuple(self.mdns.split(",")))

    @property
    def key_path(self) -> Path:
        """The key file."""
        return self.key_file or self.data_dir / "secrets.key"

    @property
    def database(self) -> Path | str:
        """The SQLite file, or the URL of a PostgreSQL database; SettingsError for anything else."""
        url = self.database_url
        if not url:
            return self.data_dir / "buildplate.db"
        if url.startswith(SQLITE) and url != SQLITE:
            return Path(url.removeprefix(SQLITE))
        if not is_postgres(url):
            message = f"DATABASE_URL must be {SQLITE}path or {POSTGRESQL}, not {_scheme(url)}"
            raise SettingsError(message)
        try:
            PostgresAddress.parse(url)
        except BadDatabaseUrl as error:
            message = f"{error} {error.hint}"
            raise SettingsError(message) from None
        return url

    @property
    def database_path(self) -> Path:
        """The SQLite file; SettingsError where the rows are on a server."""
        where = self.database
        if isinstance(where, str):
            message = "the farm's rows are in PostgreSQL, not in a file"
            raise SettingsError(message)
        return where


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://" if separator else "a text without ://"


def load_settings(**flags: Any) -> Settings:
    """The settings; flags that are None leave the environment's value. SettingsError."""
    given = {name: value for name, value in flags.items() if value is not None}
    _refuse_unknown([*os.environ, *dotenv_values(".env")])
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        which = f"the setting {name} is" if name else "the settings are"
        message = f"{which} wrong: {first['msg']}"
        raise SettingsError(message) from None


def known_names() -> list[str]:
    """Every name a setting has in the environment."""
    return [environment_name(name) for name in Settings.model_fields]


def environment_name(field: str) -> str:
    """The environment's name of a setting."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias) if alias is not None else field.upper()


def _refuse_unknown(names: Iterable[str]) -> None:
    known = {*known_names(), *FOR_THE_COMMAND_LINE}
    for name in names:
        if name.startswith("BUILDPLATE_") and name not in known and "_TEST_" not in name:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            message = f"there is no setting {name}; the nearest known one is {near[0]}"
            raise SettingsError(message)
