"""Reads the table of docs/reference/octoprint-faults.md: what each fault is promised to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "octoprint-faults.md"
COLUMNS = ("fault", "moment", "print", "job", "bed", "host", "says")
_HOST = re.compile(r"(\d+) started, (\d+) done")


@dataclass(frozen=True, slots=True)
class Moment:
    """One row: what is shown at a moment of a fault.

    `words` are parts of the print's reason; `codes` the printer's link or activity, or codes of
    the reasons why the print waits.
    """

    fault: str
    moment: str
    print: str
    job: str
    bed: str
    started: int
    done: int
    words: tuple[str, ...]
    codes: tuple[str, ...]


def fault_table(page: Path = PAGE) -> dict[str, tuple[Moment, ...]]:
    """Each fault with its moments, in the order of the page; ValueError for a malformed row."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    if not rows or rows[0] != COLUMNS:
        message = f"{page.name} has no table with the columns {', '.join(COLUMNS)}"
        raise ValueError(message)
    table: dict[str, tuple[Moment, ...]] = {}
    for row in rows[2:]:
        read = _moment(row)
        table[read.fault] = (*table.get(read.fault, ()), read)
    return table


def _moment(row: tuple[str, ...]) -> Moment:
    fault, moment, print_, job, bed, host, says = row
    counts = _HOST.fullmatch(host)
    if counts is None:
        message = f"{fault}, {moment}: the host column reads {host!r}"
        raise ValueError(message)
    return Moment(
        fault=fault,
        moment=moment,
        print=print_,
        job=job,
        bed=bed,
        started=int(counts[1]),
        done=int(counts[2]),
        words=tuple(re.findall(r"\*\*(.+?)\*\*", says)),
        codes=tuple(re.findall(r"`(.+?)`", says)),
    )
