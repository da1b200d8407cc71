"""What people order of a machine at the command line, and what it waits for before a stop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from buildplate.drivers.sdk import (
    Accepted,
    ConsoleLine,
    EmergencyStop,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    HostFile,
    Jog,
    Macro,
    Pace,
    Power,
    Refused,
    ShiftZ,
    Unknown,
)
from buildplate.fleet.stopping import let_end
from tests.gcode_samples import png
from tests.service.api.surface import Surface
from tests.service.cli.test_commands import at_a_terminal

ORDERS = {
    "home Left": Home(),
    "home Left xy": Home(("x", "y")),
    "jog Left --x 10 --z -2 --speed 50": Jog({"x": 10.0, "z": -2.0}, 50.0),
    "extrude Left 5": Extrude(5.0),
    "temperature Left bed 60": Heat("bed", 60.0),
    "fan Left 50": Fan(0.5),
    "speed Left 120": Pace(1.2),
    "macro Left LIGHT ON=1": Macro("LIGHT", {"ON": "1"}),
    "z-offset Left -- -0.05": ShiftZ(-0.05),
    "gcode Left M115 'M117 hello there'": Gcode(("M115", "M117 hello there")),
    "power Left light off": Power("light", on=False),
    "power Left light on": Power("light", on=True),
}


def streams(surface: Surface) -> None:
    """From now on prints on paper live and die with the farm's process."""
    for session in surface.farm.fleet.sessions.values():
        session.manifest = replace(session.manifest, streams=True)
    manifests = surface.farm.fleet.manifests
    manifests["paper"] = replace(manifests["paper"], streams=True)  # type: ignore[index]


async def test_each_order_is_a_command_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        host = me.surface.floor["Left"]
        for line in ORDERS:
            assert (await me.type(f"printer {line}")).stdout.strip() == "Done.", line
        assert host.orders == list(ORDERS.values())
        host.orders.clear()
        shown = await me.type("temperature Left --tool0 210 --bed 60")
        assert "bed: set to 60 °C" in shown.stderr
        assert host.orders == [Heat("tool0", 210.0), Heat("bed", 60.0)]
        host.reply = Refused("busy", "not now")
        refused = await me.type("printer fan Left 10", code=1)
        assert "the printer refused it: busy not now" in refused.stderr
        hot = await me.type("temperature Left --tool0 999", code=1)
        assert "more than the 300 °C" in hot.stderr
        host.said = [ConsoleLine("echo: hello")]
        await host.tell()
        await me.until("printer console Left", "echo: hello")
        assert "PURGE_LINE" in (await me.type("printer equipment Left")).stdout
        host.reply_to_stop = Refused("busy", "not now")
        refused = await me.type("printer emergency-stop Left", code=1)
        assert "the printer refused it: busy not now" in refused.stderr
        host.reply_to_stop = Unknown("the line went dead")
        unclear = await me.type("printer emergency-stop Left", code=1)
        assert "nobody knows whether Left stopped" in unclear.stderr
        host.reply_to_stop = Accepted()
        told = await me.type("printer emergency-stop Left")
        assert "Left was told to stop" in told.stdout + told.stderr
        assert host.orders[-1] == EmergencyStop()


async def test_a_print_of_others_is_told_in_words_and_its_picture_fetched(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        host = me.surface.floor["Left"]
        host.printed = HostFile(
            "vase.gcode",
            slicer="PrusaSlicer 2.7.4",
            estimated_s=5400.0,
            filament_mm=6120.5,
            filament_g=18.44,
            layers=120,
            layer_height=0.2,
            first_layer_bed_c=60.0,
            has_picture=True,
        )
        host.picture = png(32, 32)
        told = (await me.type("printer equipment Left")).stdout
        assert (
            "vase.gcode, PrusaSlicer 2.7.4, takes 1 h 30 min, 6.12 m of filament, 18.4 g, "
            "120 layers, 0.2 mm each, bed 60 °C"
        ) in told
        assert "light on" in told
        host.powered = False
        await host.halt()
        await me.until("status", "offline (its power is off)")
        target = tmp_path / "vase.png"
        await me.type(f"printer thumbnail Left -o {target}")
        assert target.read_bytes() == host.picture
        host.printed, there = None, tmp_path / "none.png"
        none = await me.type(f"printer thumbnail Left -o {there}", code=1)
        assert "shows no picture" in none.stderr
        assert not there.exists()


async def test_a_print_that_would_end_with_the_server_is_told_and_waited_for(
    tmp_path: Path,
) -> None:
    async with at_a_terminal(tmp_path) as me:
        host, print_ = await me.surface.running()
        assert (await me.json("status --busy"))[0]["ends_with_server"] is False
        streams(me.surface)
        busy = await me.type("status --busy", code=1)
        assert "these prints end with the server: Left" in busy.stderr
        told: list[str] = []
        sessions = me.surface.farm.fleet.sessions
        waiting = asyncio.create_task(  # noqa: TID251 (awaited below)
            let_end(lambda: list(sessions.values()), asyncio.Event(), told.append)
        )
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert "Left (printing, 25%)" in told[0]
        await me.surface.job(name="begun too late")
        await host.finish()
        await asyncio.wait_for(waiting, 5)
        await me.surface.until(print_["printer_id"], print_id=None)
        await me.type("status --busy")
        await me.surface.clear(print_["printer_id"])
        assert len(host.started) == 1  # nothing more is begun before a stop


async def test_a_second_word_ends_the_waiting_at_once(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.surface.running()
        streams(me.surface)
        now, sessions = asyncio.Event(), me.surface.farm.fleet.sessions
        waiting = asyncio.create_task(  # noqa: TID251 (awaited below)
            let_end(lambda: list(sessions.values()), now, lambda _: None)
        )
        await asyncio.sleep(0.3)
        assert not waiting.done()
        now.set()
        await asyncio.wait_for(waiting, 1)
