"""How answers look: JSON straight from plain values, versions as ETags, pages of lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import Header, Query
from starlette.responses import Response

from buildplate.api.problems import Refusal

JSON = "application/json"
MOST_ITEMS = 1000
_TAG = re.compile(r'"(\d{1,15})"')


class Json(Response):
    """JSON from plain values, dataclasses, enums and aware times; never stored by caches."""

    media_type = JSON

    def __init__(
        self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status, {"cache-control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        """The bytes; what is bytes already is JSON."""
        return content if isinstance(content, bytes) else as_json(content)


def as_json(content: Any) -> bytes:
    """JSON as every answer writes it."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def page(items: Sequence[Any], next_cursor: str | None) -> Json:
    """A part of a list; `next_cursor` is None on the last one."""
    return Json({"items": items, "next_cursor": next_cursor})


def page_json(items: Sequence[bytes], next_cursor: str | None) -> bytes:
    """As `page`, of items that are JSON already; as JSON."""
    end = as_json(next_cursor)
    return b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), end)


def versioned(content: Any, version: int, status: int = 200, **headers: str) -> Json:
    """A resource with its version as ETag."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Json(content, status, {"etag": f'"{version}"', **named})


async def _expected_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """The version a change is made against; None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        message = "If-Match names no version of this resource"
        raise Refusal(412, "version_mismatch", message, "Send the ETag exactly as it was answered.")
    return int(tag[1])


def check_version(expected: int | None, version: int) -> None:
    """Refuse a change against a version that is no longer the present one."""
    if expected is not None and expected != version:
        message = f"the present version is {version}, not {expected}"
        hint = "Read it again and repeat the change on what it is now."
        raise Refusal(412, "version_mismatch", message, hint)


def check_tag(if_match: str, tag: str) -> None:
    """Refuse a change against an ETag that is no longer the present one."""
    if if_match.strip() != f'"{tag}"':
        message = "it was changed since the version that If-Match names"
        hint = "Read it again and repeat the change on what it is now."
        raise Refusal(412, "version_mismatch", message, hint)


expected_version = _expected_version
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="how many items at most")]
NumberCursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,15}$", description="`next_cursor` of the page before")
]
PrintsCursor = Annotated[
    str | None,
    Query(
        max_length=400,
        pattern=r"^[0-9a-f-]{36}(\.[0-9a-f-]{36})*$",
        description="`next_cursor` of the page before",
    ),
]
NameCursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before")
]
IdCursor = Annotated[
    str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next_cursor` of the page before")
]
