"""Names that people give to files: shown, never used as a path."""

from __future__ import annotations

import unicodedata

LONGEST = 200
NAMELESS = "unnamed.gcode"
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that can't be seen or that turn the direction of writing around."""


def display_name(given: str) -> str:
    r"""Makes one visible line of at most 200 characters of a name; empty if nothing is left.

    A client's folders (with / or \) are cut off, invisible and direction-changing characters
    dropped, runs of space made one. A long name keeps its ending.
    """
    last = given.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    spaced = "".join(" " if character.isspace() else character for character in last)
    visible = "".join(c for c in spaced if unicodedata.category(c) not in HIDDEN)
    name = " ".join(unicodedata.normalize("NFC", visible).split())
    if name.strip(".") == "":
        return ""
    if len(name) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > LONGEST // 10:
        return name[:LONGEST]
    return stem[: LONGEST - len(ending) - 1].rstrip() + dot + ending
