"""Uploads that can mix take turns by the machine they go to."""

from __future__ import annotations

import pytest

from buildplate.fleet.hands import host_of


def test_two_services_on_one_machine_are_one_host() -> None:
    assert host_of({"url": "http://Farm.local:7125"}) == host_of({"url": "https://farm.local./two"})
    assert host_of({"url": "http://10.0.0.5:7125/"}) == host_of({"url": "http://10.0.0.5:7126"})
    assert host_of({"host": "farm.local", "port": 1}) == "farm.local"


def test_two_machines_are_two_hosts() -> None:
    assert host_of({"url": "http://a.local:7125"}) != host_of({"url": "http://b.local:7125"})


@pytest.mark.parametrize("connection", [{}, {"url": ""}, {"port": "/dev/ttyUSB0"}])
def test_what_names_no_machine_shares_no_turn(connection: dict[str, str]) -> None:
    assert host_of(connection) == ""
