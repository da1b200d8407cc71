"""What the stand-in for Klippy is held to, once more on a real Klipper, where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.installed_klipper import InstalledKlippy, installed_klipper
from tests.integration.moonraker_host import moonraker_host
from tests.integration.moonraker_side import MoonrakerSide, RpcClient, RpcError, gcode

pytestmark = [
    pytest.mark.needs_klipper,
    pytest.mark.needs_moonraker,
    pytest.mark.asyncio(loop_scope="module"),
]
OBJECTS = ("print_stats", "virtual_sdcard", "webhooks", "idle_timeout", "toolhead")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MoonrakerSide]:
    checkout, folder = installed_klipper(), tmp_path_factory.mktemp("k")
    klippy = InstalledKlippy(checkout, Path(folder))
    async with moonraker_host(Path(folder), klippy=klippy) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(host: MoonrakerSide) -> AsyncIterator[RpcClient]:
    async with host.client() as connected:
        await connected.subscribe(*OBJECTS)
        yield connected


async def _row(client: RpcClient, name: str) -> str:
    while True:
        row = (await client.hears("notify_history_changed"))[0]["job"]
        if row["filename"] == name:
            return str(row["status"])


async def test_a_print_runs_from_its_upload_to_its_row(
    host: MoonrakerSide, client: RpcClient
) -> None:
    assert (await host.put("whole.gcode", gcode(2.0, "whole")))[0] == 201
    assert await client.call("printer.print.start", filename="whole.gcode") == "ok"
    assert await _row(client, "whole.gcode") == "in_progress"
    assert await _row(client, "whole.gcode") == "completed"


async def test_a_print_is_paused_resumed_and_cancelled(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await host.put("stop.gcode", gcode(60.0, "stop"))
    await client.call("printer.print.start", filename="stop.gcode")
    await host.print_is("printing")
    assert await client.call("printer.print.pause") == "ok"
    assert await host.print_is("paused") == "paused"
    assert await client.call("printer.print.resume") == "ok"
    await host.print_is("printing")
    assert await client.call("printer.print.cancel") == "ok"
    assert await host.print_is("cancelled") == "cancelled"


async def test_the_queue_is_first_in_first_out_and_m115_tells_when_it_is_through(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await host.put("queued.gcode", gcode(20.0, "queued"))
    hold = await client.send("printer.gcode.script", script="G4 P2000")
    first = await client.send("printer.print.start", filename="queued.gcode")
    second = await client.send("printer.print.start", filename="queued.gcode")
    barrier = await client.send("printer.gcode.script", script="M115")
    await asyncio.sleep(0.6)
    assert not any(answer.done() for answer in (hold, first, second, barrier))
    assert (await host.status("idle_timeout"))["idle_timeout"]["state"] == "Printing"
    assert await barrier == "ok"
    assert (await hold, await first) == ("ok", "ok")
    with pytest.raises(RpcError, match="SD busy"):
        await second
    await client.call("printer.print.cancel")


async def test_an_emergency_stop_is_ended_by_a_firmware_restart_alone(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await host.put("halted.gcode", gcode(60.0, "halted"))
    await client.call("printer.print.start", filename="halted.gcode")
    assert await _row(client, "halted.gcode") == "in_progress"
    process = (await client.call("printer.info"))["process_id"]
    assert await client.call("printer.emergency_stop") == "ok"
    await client.hears("notify_klippy_shutdown")
    seen = await host.status("print_stats", "webhooks")
    assert (seen["print_stats"]["state"], seen["webhooks"]["state"]) == ("paused", "shutdown")
    await client.call("printer.restart")
    await host.klippy_is("error")
    await client.call("printer.firmware_restart")
    await host.settled()
    assert (await client.call("printer.info"))["process_id"] == process
    row = (await host.history())[0]
    assert (row["filename"], row["status"]) == ("halted.gcode", "klippy_shutdown")


async def test_a_line_without_its_end_is_never_carried_out(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await host.put("last.gcode", b"M117 carried out\r\nG4 P1000\nM117 never")
    await client.call("printer.print.start", filename="last.gcode")
    await host.print_is("complete")
    seen = await host.status("display_status", "virtual_sdcard")
    assert seen["display_status"]["message"] == "carried out"
    assert seen["virtual_sdcard"]["progress"] < 1


async def test_a_wrong_byte_pauses_the_print_without_a_word(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await host.put("latin.gcode", b"G4 P1000\n; caf\xe9\nG4 P1000\n")
    await client.call("printer.print.start", filename="latin.gcode")
    assert await host.print_is("paused", "complete", "error") == "paused"
    stats = (await host.status("print_stats", "virtual_sdcard"))["virtual_sdcard"]
    assert stats["file_position"] == 0
    await client.call("printer.print.cancel")
