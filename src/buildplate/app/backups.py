"""Backups as this farm's settings have them: where they lie, and the key file that goes in."""

from __future__ import annotations

from collections.abc import Sequence

from buildplate.app.key_file import KeyFile, KeyFileError
from buildplate.app.settings import Settings
from buildplate.fleet.sealing import key_name

BACKUPS = "backups"


class FarmKeys:
    """The key file, for a backup that takes it in sealed."""

    def __init__(self, settings: Settings) -> None:
        self._file = KeyFile(settings.key_path)

    def held(self) -> tuple[Sequence[bytes], str | None]:
        """The keys, and what the present one is called; nothing where none can be read."""
        try:
            keys = self._file.read()
        except KeyFileError:
            return (), None
        return keys, key_name(keys[0])
