"""Which requests are in the public document, so that the pages use nothing else."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
# Files of the built UI, its addresses, and the document itself.
PAGES = re.compile(r"/openapi\.json|(?!/(api|health|metrics)\b).*")


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
    """Whether the request is one that the public document names, or no request to the API."""
    if PAGES.fullmatch(path):
        return True
    return any(known.fullmatch(path) and method in methods for known, methods in _paths())
