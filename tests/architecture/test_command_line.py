"""Whatever the API can do, the command line can do, but for what is named here with its reason."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import ROOT

API = "/api/v1"
FOR_OTHERS = {
    "/auth/login": "cookies are for browsers",
    "/auth/logout": "cookies are for browsers",
    "/auth/refresh": "tokens are for programs; the command line has a key",
    "/auth/token": "tokens are for programs; the command line has a key",
    "/history/export": "for spreadsheets; `buildplate ended` tells the same",
    "/live/ticket": "for websockets of browsers",
    "/me/password": "a person's own password is changed where they log in",
    "/me/sessions": "the command line has a key, and a key has no sessions",
    "/me/sessions/{session_id}": "the command line has a key, and a key has no sessions",
    "/uploads/{upload_id}": "a command sends a file whole, and again where that was cut off",
    "/setup": "the way in of a first start; with --data-dir there is `buildplate key add`",
}


def test_every_path_of_the_api_has_a_command() -> None:
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
    paths = {path.removeprefix(API) for path in document["paths"] if path.startswith(API)}
    spoken = [re.compile(pattern) for pattern in _patterns(ROOT / "src/buildplate/cli")]
    silent = {path for path in paths if not any(one.fullmatch(path) for one in spoken)}
    assert silent == set(FOR_OTHERS)


def _patterns(folder: Path) -> Iterator[str]:
    """The paths that the command line asks for; what it puts into them may be one segment."""
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[^/]+"
                    for part in node.values
                )
