"""The doctor straight on the data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from buildplate.app.doctor import FAILED, Doctor, Finding
from buildplate.app.drivers import installed_drivers
from buildplate.app.settings import SettingsError, load_settings


def examined(data_dir: Path) -> list[Finding]:
    """What there is to find; wrong settings are a finding, too."""
    try:
        settings = load_settings(data_dir=data_dir)
    except SettingsError as error:
        return [Finding("settings", FAILED, str(error), error.hint)]
    return asyncio.run(Doctor(settings, installed_drivers()).findings())
