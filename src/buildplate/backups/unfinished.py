"""Whether a folder holds a farm that is half restored: what every server asks before it starts.

By itself, so that nobody has to load what restores one.
"""

from __future__ import annotations

from pathlib import Path

from buildplate.backups.errors import RestoreCutOff

MARK = "restoring.json"
"""Lies in the data folder for as long as a restore into it is not finished."""


def is_unfinished(data_dir: Path) -> bool:
    """Whether a restore into this folder was begun and never finished."""
    return (data_dir / MARK).exists()


def check_finished(data_dir: Path) -> None:
    """Refuse to work on a farm that is half restored. RestoreCutOff."""
    if is_unfinished(data_dir):
        message = f"a restore into {data_dir} was cut off"
        raise RestoreCutOff(message)
