from __future__ import annotations

from typing import Any

import pytest

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.octoprint.config import read_settings
from buildplate.drivers.sdk import BadConnectionSettings, DriverTimings

KEY = "SECRET-0123456789abcdef"
GOOD = {"url": "http://octopi.local", "api_key": KEY}


def test_a_plain_form_is_enough() -> None:
    settings = read_settings(GOOD)
    assert (str(settings.url), settings.api_key) == ("http://octopi.local/", KEY)
    assert settings.verify_tls
    assert settings.auto_connect


def test_a_path_in_the_address_is_kept() -> None:
    settings = read_settings({**GOOD, "url": "https://farm.example:8443/octoprint/3"})
    assert str(settings.url) == "https://farm.example:8443/octoprint/3/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "octopi.local"},
        {"url": "ftp://octopi.local"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http:///nohost"},
        {"url": "http://user:word@octopi.local"},
        {"url": "http://octopi.local/?key=1"},
        {"url": "http://octopi.local/#top"},
        {"url": "http://octo pi.local"},
        {"url": "http://[::1"},
        {"url": "http://octopi.local:99999"},
        {"url": 5},
        {"url": None},
        {"api_key": ""},
        {"api_key": "short"},
        {"api_key": "with\nnewline-and-more"},
        {"api_key": "schlüssel-schlüssel"},
        {"api_key": 12345678},
        {"verify_tls": "no"},
        {"auto_connect": 1},
        {"apikey": KEY},
    ],
)
def test_a_wrong_form_is_refused_by_its_field_without_its_value(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(BadConnectionSettings) as refused:
        read_settings({**GOOD, **wrong})
    field, value = next(iter(wrong.items()))
    assert field in str(refused.value)
    assert list(refused.value.fields) == [field]
    assert KEY not in str(refused.value)
    if isinstance(value, str) and len(value) > 6 and field == "api_key":
        assert value not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("missing", ["url", "api_key"])
def test_a_missing_field_is_named(missing: str) -> None:
    form = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(BadConnectionSettings, match=missing):
        read_settings(form)


def test_the_key_shows_in_no_representation() -> None:
    settings = read_settings(GOOD)
    driver = DRIVER.make(GOOD, DriverTimings())
    shown = f"{settings!r} {settings} {driver!r} {vars(driver)!r}"
    assert KEY not in shown


def test_the_manifest_s_form_says_what_the_check_demands() -> None:
    schema = DRIVER.connection_schema
    assert schema["required"] == ["url", "api_key"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"url", "api_key", "verify_tls", "auto_connect"}
    assert schema["properties"]["api_key"]["format"] == "password"
    assert DRIVER.secrets == {"api_key"}
