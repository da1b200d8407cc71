"""`buildplate printer discover`: a table for people, JSON for programs, and what to type next."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.fleet.ports import Deaf
from tests.service.cli.test_commands import Terminal, at_a_terminal
from tests.service.fleet.around import Network, Sockets, heard, port


def look(me: Terminal, monkeypatch: pytest.MonkeyPatch, network: Network) -> None:
    """What is around the farm from now on."""
    discovery = me.surface.farm.discovery
    monkeypatch.setattr(discovery, "_network", network)
    monkeypatch.setattr(discovery, "_sockets", Sockets([port()]))


async def test_printers_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_a_terminal(tmp_path) as me:
        prusa = heard("_prusalink._tcp", "MK4\u202e", addresses=("192.168.1.21",))
        look(me, monkeypatch, Network([prusa, heard(addresses=("Left",)), heard(name="R")]))
        await me.ready("Left")
        shown = (await me.type("printer discover --seconds 1")).stdout
        rows = {line.split()[1]: line for line in shown.splitlines()[1:]}
        assert rows["Left"].rstrip().endswith("is Left")
        assert rows["R"].rstrip().endswith("new")
        assert "no driver for PrusaLink is installed" in shown
        assert "\u202e" not in shown
        assert (
            "Try one with: buildplate printer probe --driver paper --connection host=192.168.1.20"
            in shown
        )
        seen = await me.json("printer discover --seconds 1")
        assert [one["kind"] for one in seen["items"]] == ["network"] * 3 + ["serial"]
        await me.type("printer discover --seconds 11", 2)


async def test_where_nothing_can_be_heard_it_is_said_beside_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_a_terminal(tmp_path) as me:
        look(me, monkeypatch, Network(deaf=Deaf("mdns_off", "it is off", "Switch it on.")))
        told = await me.type("printer discover")
        assert "it is off. Switch it on." in told.stderr
        assert "Left USB" in told.stdout
