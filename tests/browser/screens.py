"""The screens that tests run on: a desktop and a phone, and who reads what there."""

from __future__ import annotations

import pytest

from tests.browser.chrome import DESKTOP, PHONE

SIZES = pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
READERS = pytest.mark.parametrize(
    ("language", "phone"),
    [
        pytest.param("en", False, id="english-desktop"),
        pytest.param("de", True, id="german-phone"),
    ],
)
