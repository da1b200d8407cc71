"""What dispatch needs from the rooms beside it, as protocols that it owns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from buildplate.core.jobs import FileFacts
from buildplate.drivers.sdk import FileBody


class PrintFiles(Protocol):
    """The print files, as planning and transfers need them; files fulfils it through app."""

    async def facts(self, file_ids: Collection[str]) -> dict[str, FileFacts]:
        """What is known of these files; a file that is gone is left out."""

    async def body(self, file_id: str) -> FileBody:
        """The bytes to send to a printer, final newline included; raises UnknownFile."""
