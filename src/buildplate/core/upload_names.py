"""The names under which print files are sent to printers: one for each attempt, never reused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PREFIX = "bp-"
TIMED = "7"
"""The version of UUIDs that tell when they were made."""
VARIANT = "89ab"
"""What the 17th digit of a UUID of RFC 9562 can be."""
ERA = 1000
"""Attempts are counted from a multiple of this, of another one after each restore."""
_NAME = re.compile(r"bp-([0-9a-f]{32})-([1-9][0-9]{0,14})\.gcode")


def upload_name(print_id: str, attempt: int) -> str:
    """The name of a print's n-th upload, lower-case ASCII."""
    return f"{PREFIX}{print_id.replace('-', '')}-{attempt}.gcode"


def read_upload_name(path: str) -> tuple[str, int] | None:
    """The print id and the attempt that a path on a printer names; None for a file of others."""
    found = _NAME.fullmatch(path)
    if found is None:
        return None
    digits = found[1]
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts), int(found[2])


def may_be_ours(path: str) -> bool:
    """Whether a path on a printer may lead to a file of ours, however its host writes it.

    Some hosts take a name in any case and answer as they were asked: what only looks like one of
    ours is taken for one where a file of ours must not be shown.
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    return name.strip().casefold().startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Files of ours on a printer: `spent` ones may go, `lost` ones the database should know."""

    spent: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Attempts above `after` and up to `to`: a restore cannot tell which of them were made."""

    after: int
    to: int


def gap_of(attempt: int, at: datetime, *, under_way: bool) -> Gap:
    """The attempts of a print that a restore at `at` has to pass over.

    `attempt` is the last one that the restored database knows. One that was `under_way` when the
    backup was taken may have been verified and started right after it: what became of its file
    is forgotten, too. The next attempt is above `to`, which no other restore ever uses: it counts
    the seconds since 1970.
    """
    era = max(int(at.timestamp()), attempt // ERA + 1) * ERA
    return Gap(max(attempt - 1, 0) if under_way else attempt, era)


def tries_of(attempt: int) -> int:
    """How often a print was sent by this state of the database."""
    return attempt % ERA


def sort_uploads(
    paths: tuple[str, ...],
    attempts: Mapping[str, int],
    since: datetime,
    gaps: Mapping[str, Sequence[Gap]] | None = None,
) -> Sorted:
    """Sort a printer's files by what this farm knows of them; files of others are left out.

    `attempts` holds how often each known print was sent, `gaps` which of these attempts a restore
    has forgotten. A print that is not known, but was made after `since`, when this farm took the
    printer in or its backup was taken, was made by a later state of its database (or by another
    farm that uses the printer, too); one made earlier is left over from a former farm.
    """
    spent: list[str] = []
    lost: list[str] = []
    for path in paths:
        named = read_upload_name(path)
        if named is None:
            continue
        print_id, attempt = named
        known = attempts.get(print_id)
        if known is None:
            forgotten = made_at(print_id) >= since
        else:
            passed = (gaps or {}).get(print_id, ())
            forgotten = attempt > known or any(gap.after < attempt <= gap.to for gap in passed)
        (lost if forgotten else spent).append(path)
    return Sorted(tuple(spent), tuple(lost))


def made_at(print_id: str) -> datetime:
    """When a print was made, by its UUIDv7 (RFC 9562: milliseconds in the first 48 bits).

    Other ids were never made by Buildplate: the beginning of time.
    """
    digits = print_id.replace("-", "")
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    if digits[12] != TIMED or digits[16] not in VARIANT:
        return begin
    return begin + timedelta(milliseconds=int(digits[:12], 16))
