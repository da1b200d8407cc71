"""Which requests are in the public document, so that the pages use nothing else."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from buildplate.api.web_files import WebFiles
from buildplate.api.web_pages import LOOKS, is_page

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
# The one socket, which a document of paths cannot name.
LIVE = "/api/v1/live"


@cache
def _built() -> WebFiles:
    return WebFiles()


@cache
def _paths() -> tuple[tuple[re.Pattern[str], frozenset[str]], ...]:
    paths = json.loads(DOCUMENT.read_text("utf-8"))["paths"]
    return tuple(
        (
            re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path)))),
            frozenset(method.upper() for method in operations),
        )
        for path, operations in paths.items()
    )


def is_public(method: str, path: str) -> bool:
    """Whether the request is one that the document names, or looks at a page or a built file."""
    if method in LOOKS and (is_page(path) or _built().get(path) is not None):
        return True
    return any(known.fullmatch(path) and method in methods for known, methods in _paths())
