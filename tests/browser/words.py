"""What the UI says, from its own messages: tests name keys and run in every language."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

MESSAGES = Path(__file__).parents[2] / "web" / "src" / "i18n"


@cache
def _page(language: str, page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MESSAGES / language / f"{page}.json").read_text("utf-8"))
    return found


def _message(language: str, key: str) -> str:
    page, *path = key.split(".")
    found: Any = _page(language, page)
    for part in path:
        found = found[part]
    assert isinstance(found, str), key
    return found


def say(language: str, key: str, **parameters: object) -> str:
    """The message with its parameters; KeyError where the UI has no such message."""
    return re.sub(r"\{(\w+)\}", lambda found: str(parameters[found[1]]), _message(language, key))


def pattern(language: str, key: str) -> re.Pattern[str]:
    """Matches the message whatever its parameters are."""
    pieces = re.split(r"\{\w+\}", _message(language, key))
    return re.compile(".+".join(map(re.escape, pieces)))
