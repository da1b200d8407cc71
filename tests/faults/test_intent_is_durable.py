"""The real server's system calls: the intent is on the disk before the first byte of its start."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from buildplate_sim.launch import octoprints
from tests.faults.real_server import RealServer, serving
from tests.faults.worlds import part

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_S = 60.0
CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg,connect"
_BEGUN = re.compile(r"^(\d+) +(\S+) (\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +\S+ <\.\.\. (\w+) resumed>(.*)$")
_WRITES = {"write", "writev", "sendto", "sendmsg"}


@dataclass(slots=True)
class Call:
    """One system call: the lines of the trace on which it began and returned."""

    name: str
    text: str
    begun: int
    returned: int | None = None
    result: str = ""


def read_trace(lines: list[str]) -> list[Call]:
    """The calls in the order in which they began; threads interleave."""
    calls: list[Call] = []
    open_calls: dict[str, Call] = {}
    for number, line in enumerate(lines):
        if (resumed := _RESUMED.match(line)) is not None:
            call = open_calls.pop(resumed.group(1), None)
            if call is not None:
                call.returned = number
                call.result = line.rpartition(" = ")[2]
        elif (begun := _BEGUN.match(line)) is not None:
            pid, _, name, rest = begun.groups()
            call = Call(name, rest, number)
            calls.append(call)
            if rest.endswith("<unfinished ...>"):
                open_calls[pid] = call
            else:
                call.returned, call.result = number, rest.rpartition(" = ")[2]
    return calls


@pytest.mark.needs_strace
@pytest.mark.timeout(180)
async def test_the_intents_fdatasync_returns_before_the_first_byte_of_the_start_is_sent(
    tmp_path: Path,
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace, to see the order of the server's system calls")
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-tt", "-y", "-s", "9000", "-e", f"trace={CALLS}", "-o", str(trace))
    async with (
        octoprints(tmp_path / "printers", time_factor=20, base_address="127.0.26.10") as simulator,
        serving(tmp_path / "farm", through=strace, time_factor="5") as server,
    ):
        await _print_one(server, simulator.printers[0])
    lines = await asyncio.to_thread(lambda: trace.read_text(errors="replace").splitlines())
    _check(read_trace(lines))


async def _print_one(server: RealServer, simulated: dict[str, str]) -> None:
    printer = await server.add_printer(simulated)
    await _until(server, f"/printers/{printer}/state", "link", "online")
    await server.clear_bed(printer)
    file = await server.upload(part("traced"))
    job = await server.call("POST", "/jobs", {"file_id": file})
    await _until(server, f"/jobs/{job['id']}", "state", "completed")


async def _until(server: RealServer, path: str, field: str, value: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await server.call("GET", path))[field] != value:
            await asyncio.sleep(0.05)


def _check(calls: list[Call]) -> None:
    starts = [
        call
        for call in calls
        if call.name in _WRITES
        and "POST /api/files/local/bp-" in call.text
        and "print" in call.text
    ]
    assert len(starts) == 1, "the one start is in the trace, and it is one"
    (start,) = starts
    found = re.search(r"bp-([0-9a-f]{32})-\d+\.gcode", start.text)
    assert found is not None
    print_id = _dashed(found.group(1))
    wal = [call for call in calls if "buildplate.db-wal>" in call.text]
    intents = [
        call
        for call in wal
        if call.name == "pwrite64" and print_id in call.text and "starting" in call.text
    ]
    assert intents, "the intent is written to the log of the database"
    written = intents[0]
    synced = [
        call
        for call in wal
        if call.name in {"fdatasync", "fsync"}
        and written.returned is not None
        and call.begun > written.returned
    ]
    assert synced, "the intent is synced"
    durable = synced[0]
    assert durable.result.split()[0] == "0"
    assert durable.returned is not None
    assert durable.returned < start.begun, "it was durable before the start's first byte"
    connects = [
        c for c in calls if c.name == "connect" and durable.returned < c.begun < start.begun
    ]
    assert connects, "the start goes out on a connection made after the intent"


def _dashed(digits: str) -> str:
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in pairwise(cuts))


def test_a_start_before_its_intent_is_synced_would_be_seen() -> None:
    """The check itself, on a trace in which the sync returns too late."""
    print_id = "0" * 32
    where = "7</x/buildplate.db-wal>"
    started = f"POST /api/files/local/bp-{print_id}-1.gcode {{print}}"
    good = [
        f'1 00:00 pwrite64({where}, "{_dashed(print_id)} starting", 9, 0) = 9',
        f"1 00:00 fdatasync({where}) = 0",
        "2 00:00 connect(9<TCP:[1]>, {}, 16) = 0",
        f'2 00:00 write(9<TCP:[1]>, "{started}", 9) = 9',
    ]
    _check(read_trace(good))
    late = [
        good[0],
        f"1 00:00 fdatasync({where} <unfinished ...>",
        *good[2:],
        "1 00:00 <... fdatasync resumed>) = 0",
    ]
    with pytest.raises(AssertionError, match="durable before"):
        _check(read_trace(late))
