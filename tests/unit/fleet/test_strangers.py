"""What strangers announce: cut, cleaned, and led nowhere but into the local network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.fleet.strangers import (
    MOST_PROPERTIES,
    MOST_SIGNS,
    MOST_VALUE_SIGNS,
    Here,
    addresses_of,
    cleaned,
    heard_of,
    host_of,
    is_local,
    properties_of,
)

HERE = Here(
    addresses=frozenset(map(ip_address, ("192.168.1.2", "172.17.0.1", "203.0.113.2", "fd00::2"))),
    networks=tuple(
        map(ip_network, ("192.168.1.0/24", "172.17.0.0/16", "203.0.113.0/24", "fd00::/64"))
    ),
)
ALONE = Here(addresses=frozenset({ip_address("127.0.0.1")}), alone=True)


@given(st.text(max_size=400))
def test_text_is_visible_on_one_line_and_short(said: str) -> None:
    seen = cleaned(said)
    assert seen.isprintable()
    assert len(seen) <= MOST_SIGNS


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("OctoPrint on left", "OctoPrint on left"),
        ("Küche 3 – „Prusa“", "Küche 3 – „Prusa“"),
        ("a\nb\x1b[31mc", "a�b�[31mc"),
        ("left\u202etxt.exe", "left�txt.exe"),
        ("  ", ""),
        ("x" * 101, "x" * 99 + "…"),
        ("x" * 100, "x" * 100),
    ],
)
def test_what_is_plain_stays_and_what_is_hidden_shows(said: str, shown: str) -> None:
    assert cleaned(said) == shown


def test_names_and_passwords_that_hosts_announce_are_passed_on_to_nobody() -> None:
    said = {b"path": b"/", b"u": b"ann", b"P": b"secret", b"version": None}
    assert properties_of(said) == {"path": "/", "version": ""}


@given(st.dictionaries(st.binary(max_size=80), st.none() | st.binary(max_size=300), max_size=60))
def test_properties_are_few_and_short(said: dict[bytes, bytes | None]) -> None:
    found = properties_of(said)
    assert len(found) <= MOST_PROPERTIES
    assert all(0 < len(name) <= 32 and name.isprintable() for name in found)
    assert all(len(v) <= MOST_VALUE_SIGNS and v.isprintable() for v in found.values())


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.31.0.1", "192.168.7.7", "169.254.1.1", "fd12::1", "203.0.113.9"],
)
def test_addresses_of_the_local_network_are_kept(address: str) -> None:
    assert is_local(ip_address(address), HERE)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "0.0.0.0", "::", "8.8.8.8", "172.32.0.1", "224.0.0.251", "ff02::fb",
        "255.255.255.255", "240.0.0.1", "2001:db8::1", "fe80::1", "::ffff:192.168.1.20",
    ],
)  # fmt: skip
def test_addresses_that_lead_elsewhere_or_back_to_this_machine_are_not(address: str) -> None:
    assert not is_local(ip_address(address), HERE)


def test_loopback_is_local_only_to_a_machine_that_listens_to_itself_alone() -> None:
    assert is_local(ip_address("127.0.0.1"), ALONE)
    assert not is_local(ip_address("127.0.0.1"), HERE)


@pytest.mark.parametrize(
    ("announced", "kept"),
    [
        (["fd00::20", "10.9.9.9", "192.168.1.20"], ["192.168.1.20", "fd00::20", "10.9.9.9"]),
        (["169.254.3.3", "10.9.9.9"], ["10.9.9.9", "169.254.3.3"]),
        # Docker's own network has the same addresses on each host.
        (["172.17.0.1", "192.168.1.20"], ["192.168.1.20"]),
        (["172.17.0.1", "192.168.1.2"], ["172.17.0.1", "192.168.1.2"]),
        (["8.8.8.8", "192.168.1.20", "192.168.1.20"], ["192.168.1.20"]),
        (["8.8.8.8"], []),
    ],
)
def test_the_likeliest_address_comes_first(announced: list[str], kept: list[str]) -> None:
    assert [str(one) for one in addresses_of(map(ip_address, announced), HERE)] == kept


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("Left.local.", "left.local"),
        ("left.hall.local.", "left.hall.local"),
        ("left.example.com.", None),
        ("-left.local.", None),
        ("le ft.local.", None),
        (".local.", None),
        (("a" * 60 + ".") * 5 + "local.", None),
        (None, None),
    ],
)
def test_a_host_is_named_by_what_can_be_asked_for(server: str | None, host: str | None) -> None:
    assert host_of(server) == host


@pytest.mark.parametrize(("port", "heard"), [(80, True), (0, False), (None, False), (70000, False)])
def test_what_cannot_be_reached_is_not_heard_of(port: int | None, heard: bool) -> None:
    found = heard_of("_x._tcp", "X", None, [ip_address("192.168.1.20")], port, {}, HERE)
    assert (found is not None) is heard


def test_a_service_of_this_machine_is_known_as_such() -> None:
    own = heard_of("_x._tcp", "X", None, [ip_address("192.168.1.2")], 80, {}, HERE)
    other = heard_of("_x._tcp", "X", None, [ip_address("192.168.1.20")], 80, {}, HERE)
    assert own is not None
    assert other is not None
    assert (own.ours, other.ours) == (True, False)
