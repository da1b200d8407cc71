"""Pictures of what printers print, kept for whoever asks next: bounded for the whole fleet."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from buildplate.core.upload_names import may_be_ours
from buildplate.drivers.sdk import HostFile, Picture

KEPT_BYTES, KEPT_PICTURES = 32 << 20, 1000
"""Bytes of all pictures that are kept, and how many; those that nobody asked for longest go."""


def shown(file: HostFile | None) -> HostFile | None:
    """A file as people may see it: one that may be of ours is not told of by its printer.

    Of our own prints the farm's file says what it may; the copy on a printer would tell the rest.
    """
    return None if file is None or may_be_ours(file.path) else file


def fit_to_show(picture: Picture | None) -> Picture | None:
    """A picture as any browser may get it, whatever its driver calls it; None for anything else."""
    return None if picture is None else Picture.of(picture.data)


def tag_of(printer_id: str, file: HostFile) -> str:
    """What names this file on this printer, as it is now, and nothing else of it."""
    facts = f"{printer_id}\0{file.path}\0{file.version}"
    return hashlib.sha256(facts.encode("utf-8", "replace")).hexdigest()[:16]


class Pictures:
    """The pictures that were fetched, by the tag of their file; None: it has none to show."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture | None] = OrderedDict()
        self._bytes = 0

    def __contains__(self, tag: str) -> bool:
        """Whether it is known what there is."""
        return tag in self._kept

    def get(self, tag: str) -> Picture | None:
        """What is kept."""
        self._kept.move_to_end(tag)
        return self._kept[tag]

    def keep(self, tag: str, picture: Picture | None) -> None:
        """Keep what was fetched, and let the oldest go where it is too much."""
        self._drop(tag)
        self._kept[tag] = picture
        self._bytes += _size(picture)
        while len(self._kept) > KEPT_PICTURES or self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, tag: str) -> None:
        self._bytes -= _size(self._kept.pop(tag, None))


def _size(picture: Picture | None) -> int:
    return 0 if picture is None else len(picture.data)
