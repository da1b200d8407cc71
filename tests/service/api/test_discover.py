"""GET /api/v1/printers/discover: who may look, for how long, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from buildplate.access.model import Role
from buildplate.app.clock import SystemClock
from buildplate.app.composition import Outside
from tests.service.api.paper import KEY
from tests.service.api.surface import Surface, open_surface
from tests.service.fleet.around import Network, Sockets, heard, port

PATH = "/api/v1/printers/discover"


@pytest.fixture(name="around")
def _around() -> tuple[Network, Sockets]:
    return Network([heard(), heard(name="Right", addresses=("192.168.1.21",))]), Sockets()


@pytest.fixture(name="surface")
async def _surface(tmp_path: Path, around: tuple[Network, Sockets]) -> AsyncIterator[Surface]:
    network, sockets = around
    outside = Outside(SystemClock(), network=network, sockets=sockets)
    async with open_surface(tmp_path, outside=outside) as found:
        yield found


async def test_what_is_a_printer_already_is_marked_with_its_id(
    surface: Surface, around: tuple[Network, Sockets]
) -> None:
    around[1].ports.append(port())
    left = await surface.printer("Left", connection={"host": "left.local", "api_key": KEY})
    items = (await surface.client.get(PATH)).json()["items"]
    assert [(one["name"], one["printer_id"]) for one in items] == [
        ("Left", left["id"]),
        ("Right", None),
        ("Left USB", None),
    ]
    assert items[1]["connection"] == {"host": "192.168.1.21"}
    await surface.client.delete(f"/api/v1/printers/{left['id']}")
    items = (await surface.client.get(PATH)).json()["items"]
    assert [one["printer_id"] for one in items] == [None, None, None]


@pytest.mark.parametrize("query", ["seconds=0.9", "seconds=11", "seconds=nan", "seconds=", "s=3"])
async def test_how_long_is_looked_is_bounded(surface: Surface, query: str) -> None:
    refused = await surface.client.get(f"{PATH}?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_only_whoever_may_add_printers_may_look_for_them(
    surface: Surface, around: tuple[Network, Sockets]
) -> None:
    for role in (Role.VIEWER, Role.OPERATOR):
        async with await surface.caller(role) as caller:
            assert (await caller.get(PATH)).json()["code"] == "role_too_low"
    assert around[0].asked == []


async def test_nothing_that_is_found_is_connected_to(surface: Surface) -> None:
    assert len((await surface.client.get(PATH)).json()["items"]) == 2
    assert surface.floor == {}


async def test_a_farm_that_must_not_listen_says_so_at_once(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as quiet:
        seen = (await quiet.client.get(f"{PATH}?seconds=10")).json()
        assert [one["code"] for one in seen["remarks"]] == ["mdns_off"]
        assert not seen["more"]
