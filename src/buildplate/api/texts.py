"""Text and numbers that no database keeps: refused in one place, wherever they come in.

PostgreSQL keeps no U+0000, UTF-8 has no lone surrogates, and JSON as others read it has neither
numbers beyond 2^53 nor infinite ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from buildplate.api.problems import Refusal

MOST = 2**53
_ODD = re.compile("[\0\ud800-\udfff]")
TEXT = "text must hold no U+0000 and no half of a surrogate pair"
NUMBER = "a number must be finite and at most 2^53 from zero"
QUERY_HINT = "Percent-encode the query as UTF-8 without %00."


def oddities(content: Any) -> Iterator[tuple[str, str]]:
    """Where a body's plain values hold what cannot be kept, and what is wrong with it there."""
    pending: list[tuple[str, Any]] = [("", content)]
    while pending:
        where, value = pending.pop()
        if isinstance(value, str):
            if _ODD.search(value):
                yield where, TEXT
        elif isinstance(value, Mapping):
            for key, one in value.items():
                if isinstance(key, str) and _ODD.search(key):
                    yield f"{where}{key!a}", TEXT
                else:
                    pending.append((f"{where}.{key}".lstrip("."), one))
        elif isinstance(value, list):
            pending += [(f"{where}.{place}".lstrip("."), one) for place, one in enumerate(value)]
        elif isinstance(value, int | float) and not _is_kept(value):
            yield where, NUMBER


def _is_kept(number: float) -> bool:
    return math.isfinite(number) and (not isinstance(number, int) or abs(number) <= MOST)


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
