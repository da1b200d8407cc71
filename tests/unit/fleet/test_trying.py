"""Stored secrets of a connection that is tried: they go where they went, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from buildplate.drivers.octoprint.manifest import DRIVER
from buildplate.fleet.sealing import Sealed
from buildplate.fleet.trying import SecretNotSent, with_stored_secrets

SECRET = Sealed("key", "token")
STORED = {"url": "http://octopi.local:5000/one", "api_key": SECRET}


def tried(given: dict[str, Any], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return with_stored_secrets(STORED if stored is None else stored, given, DRIVER)


@pytest.mark.parametrize(
    "url",
    [
        "http://octopi.local:5000/one",
        "http://octopi.local:5000",
        "http://octopi.local:5000/",
        "HTTP://OctoPi.local:5000/two/three",
    ],
)
def test_the_stored_secret_goes_to_the_same_host(url: str) -> None:
    assert tried({"url": url}) == {"url": url, "api_key": SECRET}


def test_a_field_that_says_its_default_is_no_change() -> None:
    given = {"url": STORED["url"], "verify_tls": True, "auto_connect": None}
    assert tried(given)["api_key"] is SECRET
    assert tried({"url": STORED["url"]}, STORED | {"verify_tls": True})["api_key"] is SECRET


@pytest.mark.parametrize(
    "url",
    [
        "http://evil:5000/one",
        "http://octopi.local:5001/one",
        "http://octopi.local/one",
        "https://octopi.local:5000/one",
        "http://octopi.local:5000.evil/one",
        "http://octopi.local:5000@evil/one",
        "http://evil#octopi.local:5000/one",
        "http://octopi.local:5000\\@evil/one",
        "http://octopi.local:5000/one?to=evil",
        "http://octopi.local:5000/\n@evil",
        "http://octopi.local:5000/\u2215evil",
        "//octopi.local:5000/one",
        "",
        5000,
        None,
        {"url": "http://octopi.local:5000"},
    ],
)
def test_the_stored_secret_goes_nowhere_else(url: object) -> None:
    with pytest.raises(SecretNotSent, match="url is not as stored") as refused:
        tried({"url": url})
    assert list(refused.value.fields) == ["api_key"]


@pytest.mark.parametrize(
    "more", [{"verify_tls": False}, {"auto_connect": False}, {"proxy": "http://evil"}]
)
def test_whatever_else_differs_might_lead_elsewhere(more: dict[str, Any]) -> None:
    """Without a check of the certificate, somebody in between could be told the key."""
    with pytest.raises(SecretNotSent, match=f"{next(iter(more))} is not as stored"):
        tried({"url": STORED["url"], **more})


def test_a_secret_that_is_typed_goes_where_one_says() -> None:
    given = {"url": "http://elsewhere", "api_key": "typed"}
    assert tried(given) == given
    assert tried({"url": "http://elsewhere", "api_key": None})["api_key"] is None


def test_what_is_sealed_is_a_secret_though_its_driver_does_not_say_so() -> None:
    stored = {"url": STORED["url"], "api_key": None, "token": SECRET}
    with pytest.raises(SecretNotSent, match="the stored token"):
        tried({"url": "http://evil"}, stored)
    assert tried({"url": "http://evil"}, {"url": STORED["url"]}) == {"url": "http://evil"}


def test_true_is_not_one() -> None:
    with pytest.raises(SecretNotSent):
        tried({"url": STORED["url"], "verify_tls": 1})
