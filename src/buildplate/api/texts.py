"""Text and numbers that no database keeps: refused in one place, wherever they come in.

PostgreSQL keeps no U+0000, UTF-8 has no lone surrogates, and JSON as others read it has neither
whole numbers beyond 2^53 nor infinite ones.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from buildplate.api.problems import Refusal

MOST = 2**53
_ODD = re.compile("[\0\ud800-\udfff]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
TEXT = "text must hold no U+0000 and no half of a surrogate pair"
NUMBER = "a number must be finite, and a whole one at most 2^53 from zero"
SOMEWHERE = f"it is nested too deeply, or somewhere {TEXT}, or {NUMBER}"
LOOKED_AT = 20_000
"""So many values are looked at to say where an oddity is."""
QUERY_HINT = "Percent-encode the query as UTF-8 without %00."
_Place = tuple["_Place", Any] | None


def is_plain(content: Any, *, large_numbers: bool = False) -> bool:
    """Whether a body's plain values can all be kept; `large_numbers`: up to 64 bit pass.

    As quick as its parsing was: whoever has no credential may send one, too.
    """
    try:
        option = 0 if large_numbers else orjson.OPT_STRICT_INTEGER
        text = orjson.dumps(content, default=_is_ours, option=option)
    except orjson.JSONEncodeError:
        return False
    if b"\\u0000" in text and _NUL.search(text):
        return False
    return b"null" not in text or _is_finite(content)


def _is_ours(_: object) -> int:
    """For what no client can send: a change is laid over what is there, sealed secrets among it."""
    return 0


def _is_finite(content: Any) -> bool:
    try:
        json.dumps(content, allow_nan=False, default=_is_ours)
    except ValueError:
        return False
    return True


def oddities(content: Any) -> Iterator[tuple[str, str]]:
    """Where a body's plain values hold what cannot be kept, and what is wrong with it there."""
    pending: list[tuple[_Place, Any]] = [(None, content)]
    looked = 0
    while pending and looked < LOOKED_AT:
        place, value = pending.pop()
        looked += 1
        if isinstance(value, str):
            if _ODD.search(value):
                yield _path(place), TEXT
        elif isinstance(value, Mapping):
            for key, one in value.items():
                if isinstance(key, str) and _ODD.search(key):
                    yield f"{_path(place)}{key!a}", TEXT
                pending.append(((place, key), one))
        elif isinstance(value, list):
            pending += [((place, nth), one) for nth, one in enumerate(value[:LOOKED_AT])]
        elif isinstance(value, int | float) and not _is_kept(value):
            yield _path(place), NUMBER


def _path(place: _Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(str(step))
    return ".".join(reversed(steps))


def _is_kept(number: float) -> bool:
    return abs(number) <= MOST if isinstance(number, int) else math.isfinite(number)


def check_query(query: bytes) -> None:
    """Refuse a query that is no UTF-8, or that holds U+0000; Refusal."""
    if b"%" not in query and query.isascii() and b"\0" not in query:
        return
    try:
        sound = "\0" not in unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        sound = False
    if not sound:
        detail = "the query is no UTF-8, or holds U+0000"
        raise Refusal(422, "invalid_request", detail, QUERY_HINT)
