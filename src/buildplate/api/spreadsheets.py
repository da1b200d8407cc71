"""Lines of CSV (RFC 4180) that a spreadsheet opens as they are, and never runs.

A cell that begins as a formula does would be run by whoever opens the file: people choose names of
files and jobs, and so might strangers. An apostrophe in front makes it text (OWASP, CSV injection).

Where the decimal mark is a comma, spreadsheets split such a file at semicolons instead, and know
neither our commas nor our quotation marks: so what would begin a cell then gets its apostrophe too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

BOM = b"\xef\xbb\xbf"
"""Before the first line: without it Excel takes UTF-8 for the machine's own code page."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
BEGINS_INSIDE = re.compile(r"""([;\t\r\n][ "]*)(?=[=+\-@＝＋－＠])""")  # noqa: RUF001
"""Where a reader that splits lines elsewhere would see a formula begin."""
Cell = str | int | None


def line(cells: Iterable[Cell]) -> bytes:
    """One line with its end; None is an empty cell."""
    return (",".join(_cell(one) for one in cells) + "\r\n").encode()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = f"'{value}" if value.lstrip(" ").startswith(FORMULA) else value
    text = BEGINS_INSIDE.sub(r"\1'", text)
    if any(mark in text for mark in ',"\r\n\t;') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
