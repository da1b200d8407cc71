"""The program's settings: parsed once, here, from flags, environment and `.env`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SHORTEST_JWT_SECRET = 32
TOO_SHORT = f"it needs at least {SHORTEST_JWT_SECRET} characters: try `openssl rand -base64 48`"
SQLITE = "sqlite:///"
FOR_THE_COMMAND_LINE = {"BUILDPLATE_URL", "BUILDPLATE_API_KEY", "BUILDPLATE_CONFIG"}


class SettingsError(Exception):
    """A setting cannot be right; the message says which and what to do."""

    code = "invalid_setting"
    hint = "See docs/reference/settings.md for every setting and its default."


class Settings(BaseSettings):
    """Every setting, with its default; durations in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    database_url: str = Field(
        "", description="where the farm's rows live: `sqlite:///path`; empty: in the data folder"
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
    transfers: int = Field(
        16,
        gt=0,
        validation_alias="BUILDPLATE_TRANSFERS",
        description="how many print files are sent to printers at a time",
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

    @property
    def database_path(self) -> Path:
        """The SQLite file; SettingsError for a database that is not supported yet."""
        if not self.database_url:
            return self.data_dir / "buildplate.db"
        if not self.database_url.startswith(SQLITE):
            message = f"DATABASE_URL must begin with {SQLITE}, not {_scheme(self.database_url)}"
            raise SettingsError(message)
        return Path(self.database_url.removeprefix(SQLITE))


def _scheme(url: str) -> str:
    return f"{url.partition('://')[0]}://"


def load_settings(**flags: Any) -> Settings:
    """The settings; flags that are None leave the environment's value. SettingsError."""
    given = {name: value for name, value in flags.items() if value is not None}
    _refuse_unknown([*os.environ, *dotenv_values(".env")])
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"the setting {name} is wrong: {first['msg']}"
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
