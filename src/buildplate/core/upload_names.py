"""The names under which print files are sent to printers: one for each attempt, never reused."""

from __future__ import annotations

import re
from uuid import UUID

PREFIX = "bp-"
_NAME = re.compile(r"bp-([0-9a-f]{32})-([1-9][0-9]{0,8})\.gcode")


def upload_name(print_id: str, attempt: int) -> str:
    """The name of a print's n-th upload, lower-case ASCII."""
    return f"{PREFIX}{print_id.replace('-', '')}-{attempt}.gcode"


def read_upload_name(path: str) -> tuple[str, int] | None:
    """The print id and the attempt that a path on a printer names; None for a file of others."""
    found = _NAME.fullmatch(path)
    if found is None:
        return None
    return str(UUID(found[1])), int(found[2])
