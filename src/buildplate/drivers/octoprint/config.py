"""The connection settings of an OctoPrint: checked strictly, the key kept out of every message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from yarl import URL

from buildplate.drivers.sdk import Announcement, BadConnectionSettings

HTTPS = 443
_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){0,5}/?")


@dataclass(frozen=True, slots=True)
class OctoPrintSettings:
    """Where an OctoPrint is and how to be let in. `api_key` never shows in `repr`."""

    url: URL
    api_key: str = field(repr=False)
    verify_tls: bool = True
    auto_connect: bool = True


class OctoPrintForm(BaseModel):
    """The form that people fill in; the source of the manifest's JSON Schema."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, title="OctoPrint"
    )

    url: Annotated[
        str,
        Field(
            title="Address",
            description="The address of OctoPrint's own page, for example http://octopi.local",
            min_length=8,
            max_length=500,
            pattern=r"^https?://[^\s]+$",
        ),
    ]
    api_key: Annotated[
        SecretStr,
        Field(
            title="API key",
            description="An application key or user key made in OctoPrint's settings. "
            "The old global key stops working with OctoPrint 1.13.",
            min_length=8,
            max_length=256,
        ),
    ]
    verify_tls: Annotated[
        bool,
        Field(title="Check the certificate", description="Only off for a self-signed https."),
    ] = True
    auto_connect: Annotated[
        bool,
        Field(
            title="Connect the printer",
            description="Ask OctoPrint to open its serial connection when it is merely closed.",
        ),
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
            raise ValueError("the key has letters that no OctoPrint key has")
        return value


def _parsed(value: str) -> URL:
    try:
        return URL(value)
    except ValueError:
        raise ValueError("the address cannot be understood") from None


def read_settings(connection: Mapping[str, Any]) -> OctoPrintSettings:
    """Check connection settings; BadConnectionSettings names the field and never its value."""
    try:
        form = OctoPrintForm.model_validate(dict(connection))
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        fields = {
            ".".join(str(part) for part in one["loc"]) or "settings": one["msg"] for one in found
        }
        detail = "; ".join(f"{name}: {wrong}" for name, wrong in fields.items())
        raise BadConnectionSettings(detail, fields=fields) from None
    base = URL(form.url)
    path = base.path.rstrip("/") + "/"
    return OctoPrintSettings(
        url=base.with_path(path),
        api_key=form.api_key.get_secret_value(),
        verify_tls=form.verify_tls,
        auto_connect=form.auto_connect,
    )


def announced(found: Announcement) -> Mapping[str, Any] | None:
    """The connection to an OctoPrint that announces itself; None for what is none.

    Others announce `_octoprint._tcp`, too, for slicers' sake (PrusaLink does); only OctoPrint tells
    the version of its interface (its bundled plugin `discovery`, 1.11.8).
    """
    if not {"api", "version"} <= found.properties.keys():
        return None
    path = found.properties.get("path", "")
    kept = path.rstrip("/") if _PATH.fullmatch(path) else ""
    return {"url": found.web_address("https" if found.port == HTTPS else "http", kept)}
