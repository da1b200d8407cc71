from __future__ import annotations

from typing import Any

import pytest

from buildplate.drivers.moonraker import DRIVER
from buildplate.drivers.moonraker.config import read_settings
from buildplate.drivers.sdk import BadConnectionSettings, Capability, DriverTimings

KEY = "SECRET-0123456789abcdef"
GOOD = {"url": "http://voron.local:7125", "api_key": KEY}


def test_an_address_is_enough_where_moonraker_trusts_us() -> None:
    settings = read_settings({"url": "http://voron.local:7125"})
    assert (str(settings.url), settings.api_key) == ("http://voron.local:7125/", "")
    assert settings.verify_tls
    assert read_settings({"url": "http://voron.local", "api_key": ""}).api_key == ""


def test_a_path_in_the_address_is_kept() -> None:
    settings = read_settings({**GOOD, "url": "https://farm.example/voron"})
    assert str(settings.url) == "https://farm.example/voron/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "voron.local"},
        {"url": "ws://voron.local"},
        {"url": "http://"},
        {"url": "http://user:word@voron.local"},
        {"url": "http://voron.local/?token=1"},
        {"url": "http://[::1"},
        {"url": None},
        {"api_key": "with\nnewline"},
        {"api_key": "x" * 300},
        {"api_key": 12345678},
        {"api_key": None},
        {"verify_tls": "no"},
        {"apikey": KEY},
    ],
)
def test_a_wrong_form_is_refused_by_its_field_without_its_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadConnectionSettings) as refused:
        read_settings({**GOOD, **wrong})
    field, value = next(iter(wrong.items()))
    assert list(refused.value.fields) == [field]
    assert value is None or str(value) not in str(refused.value)
    assert KEY not in str(refused.value)


def test_the_key_never_shows() -> None:
    assert KEY not in repr(read_settings(GOOD))
    assert KEY not in repr(DRIVER.make(GOOD, DriverTimings()))


def test_the_manifest_says_what_the_service_relies_on() -> None:
    assert DRIVER.one_upload_per_host
    assert DRIVER.secrets == {"api_key"}
    assert DRIVER.capabilities == set(Capability)
    assert DRIVER.connection_schema["properties"].keys() == {"url", "api_key", "verify_tls"}
