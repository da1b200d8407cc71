"""How long a person's command takes from the HTTP API to the wire while a serial print streams.

`python -m tests.faults.serial_latency [--orders 100] [--stops 20] [--rate 0] [--lines 1000000]`

A real server process streams to a board in a process of its own; a third one, this, orders. The
time runs from just before the request is sent until the board has read the line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.real_server import RealServer, serving

ACCEPTED = 202
STOOD_S = 0.25
WITHIN_S = 60.0
HEARD_WITHIN_S = 20.0
VOLUME = {"x": 250, "y": 250, "z": 250}


@dataclass
class Times:
    """What was measured, in s: a time for each order and each stop, in turn.

    `rate`: moves a second that the board took meanwhile.
    """

    orders: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    rate: float = 0.0


@dataclass
class BoardProcess:
    """The board, and what it has noted and nobody has looked at yet."""

    process: asyncio.subprocess.Process
    device: str

    async def heard(self, text: str) -> dict[str, Any]:
        """The note of this command; every one before it is passed over."""
        async with asyncio.timeout(HEARD_WITHIN_S):
            while (note := await _note(self.process)).get("text") != text:
                pass
            return note


async def _note(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    note: dict[str, Any] = json.loads(await process.stdout.readline())
    return note


@asynccontextmanager
async def board(rate: float) -> AsyncIterator[BoardProcess]:
    """A running board."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.timed_board", str(rate)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield BoardProcess(process, (await _note(process))["device"])
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def measured(
    folder: Path, *, orders: int, stops: int, lines: int, rate: float = 0.0
) -> Times:
    """Stream a file of so many moves, order meanwhile; rate 0: as fast as both can."""
    # The board goes first: a server waits for the prints that it streams.
    async with serving(folder) as server, board(rate) as one:
        printer = await _printing(server, one, lines)
        path, times = f"/printers/{printer}", Times()
        notes = [(await _ordered(server, one, path, "first"))[0]]
        for nth in range(orders):
            note, took = await _ordered(server, one, path, f"{nth}")
            notes.append(note)
            times.orders.append(took)
        for _ in range(stops):
            sent = time.monotonic()
            await server.call("POST", f"{path}/emergency-stop")
            notes.append(await one.heard("M112"))
            times.stops.append(notes[-1]["at"] - sent)
        moves = [note["moves"] for note in notes]
        streamed = moves[-1] - moves[0] > len(moves) and max(_gaps(notes)) < STOOD_S
        assert streamed, f"it did not stream all the time: {notes}"
        assert moves[-1] < lines, "the print was over before the measurement"
        times.rate = (moves[-1] - moves[0]) / (notes[-1]["at"] - notes[0]["at"])
        return times


def _gaps(notes: list[dict[str, Any]]) -> list[float]:
    """For how long no move came, as far as the notes tell; in s."""
    gaps, since = [0.0], notes[0]
    for note in notes[1:]:
        gaps.append(note["at"] - since["at"] if note["moves"] == since["moves"] else 0.0)
        since = since if note["moves"] == since["moves"] else note
    return gaps


async def _ordered(
    server: RealServer, one: BoardProcess, path: str, name: str
) -> tuple[dict[str, Any], float]:
    """Have the display show a text that only this order has: the board's note of it, and the s.

    An order that is refused because the last one is still under way is given again.
    """
    code = f"M117 {name}"
    async with asyncio.timeout(WITHIN_S):
        while True:
            sent = time.monotonic()
            status, said = await server.ask("POST", f"{path}/gcode", {"lines": [code]})
            if status == ACCEPTED:
                note = await one.heard(code)
                return note, note["at"] - sent
            assert said["code"] == "command_pending", said
            await asyncio.sleep(0.005)


async def _printing(server: RealServer, one: BoardProcess, lines: int) -> str:
    """Add the board as a printer and have it print; its id."""
    body = {
        "name": "timed",
        "driver": "marlin",
        "connection": {"port": one.device, "baud": 250000},
        "model": {"build_volume": VOLUME},
    }
    printer = str((await server.call("POST", "/printers", body))["id"])
    async with asyncio.timeout(WITHIN_S):
        while (await server.call("GET", f"/printers/{printer}"))["link"] != "online":
            await asyncio.sleep(0.05)
    await server.clear_bed(printer)
    moves = (f"G1 X{100 + nth % 90}.125 Y{100 + nth % 70}.25 E{nth % 9}.5" for nth in range(lines))
    file = await server.upload("M83\nG28\nM117 begun\nG1 Z0.3 F600\n" + "\n".join(moves) + "\n")
    await server.call("POST", "/jobs", {"file_id": file})
    async with asyncio.timeout(WITHIN_S):
        await one.heard("M117 begun")
    return printer


def share(times: list[float], part: float) -> float:
    """The time that this part of all are not longer than, in s."""
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


async def _main(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        found = await measured(
            Path(name), orders=asked.orders, stops=asked.stops, lines=asked.lines, rate=asked.rate
        )
    print(f"{found.rate:.0f} moves/s meanwhile, load average {os.getloadavg()[0]:.1f}")
    for what, times in (("command", found.orders), ("emergency stop", found.stops)):
        if times:
            shown = [f"{share(times, part) * 1000:.1f}" for part in (0.5, 0.99, 1.0)]
            print(f"{what}: p50 {shown[0]} ms, p99 {shown[1]} ms, worst {shown[2]} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=0.0, help="moves/s at most; 0: no bound")
    asyncio.run(_main(parser.parse_args()))
