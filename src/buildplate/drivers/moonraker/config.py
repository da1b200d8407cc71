"""The connection settings of a Moonraker: checked strictly, the key kept out of every message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from yarl import URL

from buildplate.drivers.sdk import Announcement, BadConnectionSettings

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){1,5}")


@dataclass(frozen=True, slots=True)
class MoonrakerSettings:
    """Where a Moonraker is and how to be let in. `api_key` never shows in `repr`; "" is none."""

    url: URL
    api_key: str = field(default="", repr=False)
    verify_tls: bool = True


class MoonrakerForm(BaseModel):
    """The form that people fill in; the source of the manifest's JSON Schema."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, title="Moonraker"
    )

    url: Annotated[
        str,
        Field(
            title="Address",
            description="The address of Moonraker itself, for example http://voron.local:7125",
            min_length=8,
            max_length=500,
            pattern=r"^https?://[^\s]+$",
        ),
    ]
    api_key: Annotated[
        SecretStr,
        Field(
            title="API key",
            description="Moonraker's API key. Leave it empty where Moonraker trusts this "
            "machine's address.",
            max_length=256,
        ),
    ] = SecretStr("")
    verify_tls: Annotated[
        bool,
        Field(title="Check the certificate", description="Only off for a self-signed https."),
    ] = True

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        url = _parsed(value)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("the address must begin with http:// or https:// and name a host")
        if url.user is not None or url.password is not None:
            raise ValueError("the address must not hold a user name or password")
        if url.query_string or url.fragment:
            raise ValueError("the address must end with the path, without ? or #")
        return value

    @field_validator("api_key")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        if not all("!" <= letter <= "~" for letter in value.get_secret_value()):
            raise ValueError("the key has letters that no Moonraker key has")
        return value


def _parsed(value: str) -> URL:
    try:
        return URL(value)
    except ValueError:
        raise ValueError("the address cannot be understood") from None


def read_settings(connection: Mapping[str, Any]) -> MoonrakerSettings:
    """Check connection settings; BadConnectionSettings names the field and never its value."""
    try:
        form = MoonrakerForm.model_validate(dict(connection))
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        fields = {
            ".".join(str(part) for part in one["loc"]) or "settings": one["msg"] for one in found
        }
        detail = "; ".join(f"{name}: {wrong}" for name, wrong in fields.items())
        raise BadConnectionSettings(detail, fields=fields) from None
    base = URL(form.url)
    return MoonrakerSettings(
        url=base.with_path(base.path.rstrip("/") + "/"),
        api_key=form.api_key.get_secret_value(),
        verify_tls=form.verify_tls,
    )


def announced(found: Announcement) -> Mapping[str, Any]:
    """The connection to a Moonraker that announces itself (component `zeroconf`, 0.11.0)."""
    prefix = found.properties.get("route_prefix", "")
    return {"url": found.web_address(path=prefix if _PREFIX.fullmatch(prefix) else "")}
