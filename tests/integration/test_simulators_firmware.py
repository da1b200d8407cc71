"""Simulated boards: each dialect's words, each fault, and a record that leaves nothing out."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.serial_terminal import WITHIN_S, Terminal, numbered, terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACTOR = 50.0
QUIET = ["--no-reset-on-open"]
UNKNOWN = {
    "marlin1": 'echo:Unknown command: "G999"',
    "marlin2": 'echo:Unknown command: "G999"',
    "prusa": 'echo:Unknown command: "G999"',
    "repetier-0.92": "Unknown command:G999",
    "repetier-1.0": "Unknown command:G999",
    "smoothie": "ok",
}
NAMES = {
    "marlin1": "FIRMWARE_NAME:Marlin 1.1.9",
    "marlin2": "FIRMWARE_NAME:Marlin 2.1.2.1",
    "prusa": "FIRMWARE_NAME:Prusa-Firmware 3.13.3-7094 based on Marlin",
    "repetier-0.92": "FIRMWARE_NAME:Repetier_0.92.9",
    "repetier-1.0": "FIRMWARE_NAME:Repetier_1.0.4",
    "smoothie": "FIRMWARE_NAME:Smoothieware,",
}
WRONG_SUM = {
    "marlin1": ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"],
    "marlin2": ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"],
    "prusa": ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"],
    "repetier-0.92": ["Error:Wrong checksum", "", "Resend:2", "ok"],
    "repetier-1.0": ["Error:Wrong checksum", "", "Resend:2", "ok"],
    "smoothie": ["rs N2"],
}
WRONG_NUMBER = {
    "marlin1": "Error:Line Number is not Last Line Number+1, Last Line: 1",
    "marlin2": "Error:Line Number is not Last Line Number+1, Last Line: 1",
    "prusa": "Error:Line Number is not Last Line Number+1, Last Line: 1",
    "repetier-0.92": "Error:expected line 2 got 7",
    "repetier-1.0": "Error:expected line 2 got 7",
    "smoothie": "rs N2",
}
HEAT = {
    "marlin1": r"^ok T:\d+\.\d\d /0\.00 B:\d+\.\d\d /0\.00 @:0 B@:0$",
    "marlin2": r"^ok T:\d+\.\d\d /0\.00 B:\d+\.\d\d /0\.00 @:0 B@:0$",
    "prusa": r"^ok T:\d+\.\d /0\.0 B:\d+\.\d /0\.0 T0:\d+\.\d /0\.0 @:0 B@:0 P:0\.0 A:25\.0$",
    "repetier-0.92": r"^T:\d+\.\d\d /0 B:\d+\.\d\d /0 B@:0 @:0$",
    "repetier-1.0": r"^T:\d+\.\d\d /0 B:\d+\.\d\d /0 B@:0 @:0$",
    "smoothie": r"^ok T:\d+\.\d /0\.0 @0 B:\d+\.\d /0\.0 @0 $",
}
PLACE = {
    "marlin1": "X:1.00 Y:0.00 Z:0.00 E:0.00 Count X:80 Y:0 Z:0",
    "marlin2": "X:1.00 Y:0.00 Z:0.00 E:0.00 Count X:80 Y:0 Z:0",
    "prusa": "X:1.00 Y:0.00 Z:0.00 E:0.00 Count X:80 Y:0 Z:0",
    "repetier-0.92": "X:1.00 Y:0.00 Z:0.000 E:0.0000",
    "repetier-1.0": "X:1.00 Y:0.00 Z:0.000 E:0.0000",
    "smoothie": "ok C: X:1.0000 Y:0.0000 Z:0.0000 E:0.0000",
}
BANNER = {
    "marlin1": ["start", " External Reset", "echo:Marlin 1.1.9"],
    "marlin2": ["start", " External Reset", "Marlin 2.1.2.1"],
    "prusa": ["start", "echo: 3.13.3-7094"],
    "repetier-0.92": ["start", "Info:External Reset", "Free RAM:92960"],
    "repetier-1.0": ["start", "Info:External Reset", "Free RAM:92960"],
    "smoothie": ["Smoothie", "ok"],
}
KILLED = {
    "marlin1": "Error:Printer halted. kill() called!",
    "marlin2": "Error:Printer halted. kill() called!",
    "prusa": "Error:Printer halted. kill() called!",
    "repetier-0.92": "Info:Watchdog Reset",
    "repetier-1.0": "Info:Watchdog Reset",
    "smoothie": "ok Emergency Stop Requested - reset or M999 required to exit HALT state",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dialects(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    folder = tmp_path_factory.mktemp("dialects")
    async with firmware_printers(
        folder, count=6, dialect="all", link="tcp", time_factor=FACTOR, more=QUIET
    ) as simulator:
        yield simulator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def boards(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Iterator[Board]]:
    """Marlin 2 on pseudo-terminals; each test takes its own."""
    folder = tmp_path_factory.mktemp("boards")
    async with firmware_printers(folder, count=24, time_factor=FACTOR, more=QUIET) as simulator:
        yield (Board(simulator, printer) for printer in simulator.printers)


class Board:
    """One printer of a simulator."""

    def __init__(self, simulator: Simulator, printer: dict[str, Any]) -> None:
        self.admin = simulator.admin
        self.name, self.port = str(printer["name"]), str(printer["port"])

    async def truth(self) -> dict[str, Any]:
        return await self.admin.printer(self.name)

    async def accepted(self) -> list[str]:
        """The numbered commands since the last M110, in order."""
        found: list[str] = []
        for entry in await self.admin.accepted(self.name):
            if entry.get("text", "").startswith("M110"):
                found.clear()
            elif entry.get("number") is not None:
                found.append(entry["text"])
        return found

    @asynccontextmanager
    async def host(self, baud: int = 115200) -> AsyncIterator[Terminal]:
        async with terminal(self.port, baud) as host:
            host.renumber()
            await host.answered()
            host.forget()
            yield host


def one(simulator: Simulator, dialect: str) -> Board:
    return next(Board(simulator, p) for p in simulator.printers if p["dialect"] == dialect)


# --- dialects


@pytest.mark.parametrize("dialect", sorted(NAMES))
async def test_each_dialect_answers_in_its_own_words(dialects: Simulator, dialect: str) -> None:
    board = one(dialects, dialect)
    async with board.host() as host:
        assert NAMES[dialect] in await host.ask("M115")
        host.write(b"M105\n")
        await host.until("/0")
        await host.answered(2)
        assert any(re.match(HEAT[dialect], line) for line in host.lines), host.lines
        host.send("G1 X1 F6000")
        await host.ask("M400")
        host.write(b"M114\n")
        await host.until(PLACE[dialect])
        assert UNKNOWN[dialect] in await host.ask("G999") or await host.until(UNKNOWN[dialect])


@pytest.mark.parametrize("dialect", sorted(NAMES))
async def test_each_dialect_refuses_and_asks_again_as_it_does(
    dialects: Simulator, dialect: str
) -> None:
    board = one(dialects, dialect)
    async with board.host() as host:
        host.send("G4 P1")
        await host.answered()
        host.forget()
        host.write(b"N2 G4 P2*1\n")
        await host.said(*WRONG_SUM[dialect])
        host.send("G4 P2")
        await host.until("\nok")
        await asyncio.sleep(0.02)
        host.renumber()
        host.send("G4 P1")
        await asyncio.sleep(0.05)
        host.forget()
        host.write(numbered(7, "G4 P7"))
        await host.said(WRONG_NUMBER[dialect])
        assert await board.accepted() == ["G4 P1"]


@pytest.mark.parametrize("dialect", sorted(NAMES))
async def test_each_dialect_starts_and_stops_as_it_does(dialects: Simulator, dialect: str) -> None:
    board = one(dialects, dialect)
    async with board.host() as host:
        await host.ask("M104 S100")
        host.forget()
        host.write(b"M112\n")
        await host.said(KILLED[dialect])
        assert (await board.truth())["heaters"]["tool0"]["target"] == 0
        if dialect == "smoothie":
            host.write(b"G1 X1\n")
            await host.said("!!")
            assert "ok" in await host.ask("M999")
        host.forget()
        await board.admin.do(board.name, "reset")
        await host.said(*BANNER[dialect])
        assert "ok" in await host.ask("M105")


async def test_repetier_waits_and_skips_what_it_did_not_ask_for(dialects: Simulator) -> None:
    async with one(dialects, "repetier-0.92").host() as host:
        await host.said("wait", "wait")
        host.write(b"N1 G4 P1*0\n")
        await host.said("Error:Wrong checksum", "Resend:1", "Resend:1")
        host.write(numbered(5, "G4 P1"))
        await host.said("skip 5", "ok")
        host.forget()
        host.send("G4 P1")
        await host.said("ok 1")


async def test_a_prusa_lets_its_heaters_cool_when_nobody_speaks_to_it(tmp_path: Path) -> None:
    async with firmware_printers(
        tmp_path, dialect="prusa", time_factor=2000, more=QUIET
    ) as simulator:
        board = Board(simulator, simulator.printers[0])
        async with board.host() as host:
            await host.ask("M104 S100")
            await host.until("echo:Heating disabled by safety timer.")
            assert (await board.truth())["heaters"]["tool0"]["target"] == 0


# --- answers of Marlin 2


async def test_advanced_ok_tells_the_line_and_what_is_free(tmp_path: Path) -> None:
    more = ["--advanced-ok", "--no-reset-on-open", "--planner=8"]
    async with (
        firmware_printers(tmp_path, link="tcp", time_factor=4, more=more) as simulator,
        Board(simulator, simulator.printers[0]).host() as host,
    ):
        for step in range(3):
            host.send(f"G1 X{90 * (step + 1)} F600")
            await host.said(f"ok N{step + 1} P{7 - step} B4")


async def test_a_full_planner_holds_the_answer_back_and_says_that_it_is_busy(
    boards: Iterator[Board],
) -> None:
    board = next(boards)
    async with board.host() as host:
        for step in range(18):
            host.send(f"G1 X{200 * ((step + 1) % 2)} F600")
            await asyncio.sleep(0.001)
        await host.answered(16)
        await host.said("echo:busy: processing")
        assert sum(line == "ok" for line in host.lines) == 16
        assert (await board.truth())["queued"] == 1
        await host.answered(17)


async def test_the_emergency_parser_stops_what_the_queue_would_not(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:
        host.send("M109 S200")
        await host.until("W:?")
        host.write(b"M108\n")
        await host.answered(2)
        assert (await board.truth())["heaters"]["tool0"]["reading"] < 150
        host.forget()
        host.send("M109 S220")
        await host.until("W:?")
        host.write(b"M112\n")
        await host.said("Error:Printer halted. kill() called!")
        await host.silent(0.1)
        assert (await board.truth())["state"] == "killed"


async def test_a_stop_for_a_person_prompts_and_goes_on_when_told(boards: Iterator[Board]) -> None:
    async with next(boards).host() as host:
        host.send("M0")
        await host.said(
            "//action:prompt_begin M0/1 Break Called",
            "//action:prompt_button Continue",
            "//action:prompt_show",
            "echo:busy: paused for user",
        )
        assert "ok" not in host.lines
        host.write(b"M108\n")
        await host.said("//action:prompt_end", "ok", "ok")


async def test_temperatures_are_reported_unasked_and_no_longer(boards: Iterator[Board]) -> None:
    async with next(boards).host() as host:
        host.send("M155 S1")
        await host.until("T:21.30 /0.00")
        async with asyncio.timeout(WITHIN_S):
            while host.text.count("\nT:") < 3:
                await asyncio.sleep(0.01)
        await host.ask("M155 S0")
        await host.silent(0.1)


async def test_what_the_card_would_do_is_refused(boards: Iterator[Board]) -> None:
    async with next(boards).host() as host:
        assert 'echo:Unknown command: "M20"' in await host.ask("M20")
        assert 'echo:Unknown command: "M24"' in await host.ask("M24")


async def test_every_tool_and_the_chamber_are_told_of(tmp_path: Path) -> None:
    more = [*QUIET, "--tools=2", "--chamber", "--no-bed"]
    async with (
        firmware_printers(tmp_path, link="tcp", time_factor=FACTOR, more=more) as simulator,
        Board(simulator, simulator.printers[0]).host() as host,
    ):
        await host.ask("M141 S40")
        assert "echo:Active Extruder: 1" in await host.ask("T1")
        assert "echo:T2 Invalid extruder" in await host.ask("T2")
        cold = r"\d+\.\d\d /0\.00"
        warm = r"\d+\.\d\d /40\.00"
        wanted = rf"ok T:{cold} C:{warm} T0:{cold} T1:{cold} @:0 C@:\d+ @0:0 @1:0\n"
        assert re.fullmatch(wanted, await host.ask("M105"))


# --- the machine


async def test_the_state_is_what_the_commands_made_of_it(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:
        await host.ask("M140 S60")
        for line in ("G28", "G1 X10 Y20 Z0.3 F6000", "M83", "G91", "G1 X5", "G90", "G92 E7"):
            await host.ask(line)
        for line in ("M106 S51", "M220 S150", "M221 S90", "M290 Z0.1", "M400"):
            await host.ask(line)
        truth = await board.truth()
        assert truth["position"] == {"x": 15, "y": 20, "z": 0.3, "e": 7}
        assert truth["head"] == {"x": 15, "y": 20, "z": 0.3, "e": 0}
        assert (truth["homed"], truth["absolute"], truth["absolute_e"]) == ("XYZ", True, True)
        assert (truth["fan"], truth["pace"], truth["flow"]) == ({"0": 0.2}, 1.5, 0.9)
        assert (truth["baby_z"], truth["feed"], truth["still"]) == (0.1, 100, True)
        assert truth["heaters"]["bed"]["target"] == 60


PART = ["M109 S180", "G92 E0", "G1 X10 E1 F6000", "M104 S0"]


async def test_a_part_begins_and_ends_and_the_next_one_collides(tmp_path: Path) -> None:
    async with firmware_printers(tmp_path, time_factor=200, more=QUIET) as simulator:
        board = Board(simulator, simulator.printers[0])
        async with board.host() as host:
            for _ in range(2):
                host.forget()
                for line in PART:
                    host.send(line)
                await host.answered(len(PART))
        events = [entry["event"] for entry in await board.admin.log(board.name)]
        assert events == ["start", "end", "collision", "start", "end"]
        ends = await board.admin.log(board.name, "end")
        assert [(end["run"], end["outcome"]) for end in ends] == [
            ("run-1", "ended"),
            ("run-2", "ended"),
        ]
        assert ends[0]["digest"] == digest(PART)


def digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


async def test_cold_filament_does_not_move(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:
        assert "echo: cold extrusion prevented" in await host.ask("G1 X5 E3 F6000")
        await host.ask("M400")
        assert (await board.truth())["head"]["e"] == 0


async def test_a_heater_that_fails_stops_the_board(tmp_path: Path) -> None:
    faults = {
        "failed": "Heating failed",
        "open": "MINTEMP triggered",
        "runaway": "MAXTEMP triggered",
    }
    async with firmware_printers(tmp_path, count=4, time_factor=400, more=QUIET) as simulator:
        for printer, (fault, why) in zip(simulator.printers, faults.items(), strict=False):
            board = Board(simulator, printer)
            async with board.host() as host:
                await board.admin.do(board.name, "heater", heater="tool0", fault=fault)
                host.send("M104 S200")
                await host.said(
                    f"Error:{why}, system stopped! Heater_ID: E0",
                    "Error:Printer halted. kill() called!",
                )
        board = Board(simulator, simulator.printers[3])
        async with board.host() as host:
            host.send("M109 S200")
            await host.answered()
            await board.admin.do(board.name, "heater", heater="tool0", fault="detached")
            await host.said("Error:Thermal Runaway, system stopped! Heater_ID: E0")


# --- faults


async def stream(host: Terminal, texts: list[str]) -> None:
    """A plain host: one line at a time, again when asked; a lost answer is waited for no longer."""
    number = 1
    async with asyncio.timeout(WITHIN_S * 2):
        while number <= len(texts):
            host.forget()
            host.write(numbered(number, texts[number - 1]))
            number = await next_number(host, number)


async def next_number(host: Terminal, number: int) -> int:
    for waited in count():
        await asyncio.sleep(0.002)
        asked = re.findall(r"Resend: (\d+)\n", host.text)
        if asked:
            return int(asked[-1])
        if re.search(r"(^|\n)ok", host.text) and host.text.endswith("\n"):
            return number + 1
        if waited > 30:
            return number
    raise AssertionError


async def test_the_record_is_the_file_whatever_the_wire_does(
    boards: Iterator[Board], seed: int
) -> None:
    board = next(boards)
    chance = Random(seed)
    texts = [f"G1 X{chance.uniform(0, 200):.3f} Y{n} F9000" for n in range(150)]
    rates = {"line.corrupt": 0.05, "line.drop": 0.03, "line.drop-byte": 0.05}
    rates |= {"line.duplicate": 0.05, "reply.drop": 0.02, "line.garbage": 0.02}
    async with board.host() as host:
        await board.admin.rates(board.name, rates)
        await stream(host, texts)
        await board.admin.clear_rules(board.name)
    assert await board.accepted() == texts
    assert (await board.truth())["digest"] == digest(texts)
    assert (await board.truth())["refused"] > 5


async def test_each_fault_of_the_wire_does_what_it_says(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:

        async def played(play: str, **params: Any) -> None:
            host.forget()
            await board.admin.rule(board.name, "line", play, params=params)
            host.send("G4 P1")

        await played("corrupt")
        await host.until("Resend: 1\nok\n")
        host.number -= 1
        await played("drop")
        await host.silent(0.1)
        host.number -= 1
        await played("duplicate")
        await host.said("Error:Line Number is not Last Line Number+1, Last Line: 1", "Resend: 2")
        await host.answered(2)
        await played("delay", seconds=10)
        await host.silent(0.1)
        await host.answered()
        await played("stall", seconds=10)
        await host.silent(0.1)
        await host.answered()
        await played("storm", lines=3)
        for _ in range(2):
            host.write(numbered(host.number, "G4 P1"))
            await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            while host.text.count("Error:checksum mismatch, Last Line: 3") < 3:
                await asyncio.sleep(0.01)
        host.number -= 1
        host.forget()
        await board.admin.rule(board.name, "reply", "garbage")
        host.send("G4 P1")
        await host.until("ok")
        assert max(host.heard) > 127
        host.forget()
        await board.admin.rule(board.name, "reply", "drop")
        host.send("G4 P1")
        await host.silent(0.1)
        assert len(await board.accepted()) == 5


async def test_a_rule_strikes_the_line_that_it_names(boards: Iterator[Board]) -> None:
    board = next(boards)
    await board.admin.rule(board.name, "line", "reset", path="N3 *")
    async with board.host() as host:
        for answers in (1, 2):
            host.send("G4 P1")
            await host.answered(answers)
        host.send("G4 P1")
        await host.said("ok", "ok", "start", " External Reset", "Marlin 2.1.2.1")
        truth = await board.truth()
        assert (truth["last_line"], truth["boots"]) == (0, 2)


async def test_faults_that_end_a_connection_strike_at_their_line(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:
        await board.admin.rule(board.name, "line", "kill", params={"reason": "Error:Because"})
        host.send("G4 P1")
        await host.said("Error:Because", "Error:Printer halted. kill() called!")
        for action in ("power-off", "power-on"):
            await board.admin.do(board.name, action)
        await host.said("start", "PowerUp", "Marlin 2.1.2.1")
        await board.admin.rule(board.name, "line", "unplug", params={"seconds": 5})
        host.send("G4 P1")
        async with asyncio.timeout(WITHIN_S):
            while (await board.truth())["connected"]:
                await asyncio.sleep(0.005)
    async with asyncio.timeout(WITHIN_S):
        while not Path(board.port).exists():  # noqa: ASYNC240 -- a look at a link waits for nothing
            await asyncio.sleep(0.01)
    async with board.host() as host:
        assert "ok" in await host.ask("M105")
    assert await board.accepted() == []


async def test_what_a_person_or_the_filament_does_is_told(boards: Iterator[Board]) -> None:
    board = next(boards)
    async with board.host() as host:
        await board.admin.do(board.name, "runout")
        await host.said("//action:prompt_begin FilamentRunout T0", "//action:pause")
        await board.admin.do(board.name, "say", lines=["//action:cancel", "echo:hello"])
        await host.said("//action:cancel", "echo:hello")
        host.send("M600")
        await host.said("//action:paused", "//action:prompt_begin Filament Change")
        await board.admin.do(board.name, "continue")
        await host.said("//action:prompt_end", "//action:resumed", "ok")
        host.forget()
        await board.admin.do(board.name, "garbage", bytes=40)
        async with asyncio.timeout(WITHIN_S):
            while len(host.heard) < 40:
                await asyncio.sleep(0.005)


async def test_what_cannot_be_done_is_answered_with_what_can(boards: Iterator[Board]) -> None:
    board = next(boards)
    for action, params, told in (
        ("dance", {}, "brown-out"),
        ("heater", {"fault": "melted"}, "runaway"),
    ):
        with pytest.raises(RefusedControlError, match=told):
            await board.admin.do(board.name, action, **params)
    with pytest.raises(RefusedControlError, match=re.escape("line.corrupt")):
        await board.admin.rule(board.name, "line", "dance")


async def test_a_brown_out_is_silence_and_then_a_cold_start(tmp_path: Path) -> None:
    async with firmware_printers(tmp_path, time_factor=200, more=QUIET) as simulator:
        board = Board(simulator, simulator.printers[0])
        async with board.host() as host:
            for line in ("M109 S180", "G1 X10 E1 F6000"):
                host.send(line)
            await host.answered(2)
            await board.admin.do(board.name, "brown-out", seconds=40)
            host.send("G1 X20 E2")
            await host.silent(0.1)
            await host.said("start", " Brown out Reset")
        truth = await board.truth()
        assert truth["heaters"]["tool0"]["target"] == 0
        assert truth["heaters"]["tool0"]["actual"] > 60
        assert (await board.admin.log(board.name, "end"))[0]["outcome"] == "reset"
        entries = await board.admin.accepted(board.name)
        assert {"remark": "power lost: brown-out"} in entries


async def test_a_pulled_plug_ends_the_port_and_comes_back_under_its_name(
    boards: Iterator[Board],
) -> None:
    board = next(boards)
    link = Path(board.port)
    device = str(link.readlink())  # noqa: ASYNC240 -- a look at a link waits for nothing
    assert link.name == f"usb-Simulated_{board.name}-if00-port0"
    async with board.host() as host:
        await board.admin.do(board.name, "pull")
        assert not link.is_symlink()  # noqa: ASYNC240 -- as above
        with pytest.raises(OSError, match=device):
            os.close(os.open(device, os.O_RDWR | os.O_NOCTTY))
        await host.silent(0.02)
    await board.admin.do(board.name, "plug")
    async with board.host() as host:
        assert "ok" in await host.ask("M105")


async def test_a_flooded_receive_buffer_loses_bytes_and_flow_control_does_not(
    tmp_path: Path,
) -> None:
    lines = [numbered(n, f"G1 X{n} F6500") for n in range(1, 60)]
    for buffer, lost in (("128", True), ("0", False)):
        more = [*QUIET, f"--rx-buffer={buffer}", "--planner=4"]
        async with firmware_printers(tmp_path / buffer, time_factor=20, more=more) as simulator:
            board = Board(simulator, simulator.printers[0])
            async with board.host() as host:
                host.write(b"".join(lines))
                await host.answered(10 if lost else 59)
                if lost:
                    while (await board.truth())["queued"]:
                        await asyncio.sleep(0.01)
                    host.write(numbered(60, "G1 X60"))
                    await host.until("Error:")
                assert ((await board.truth())["overruns"] > 0) is lost
                assert (len(await board.accepted()) < 59) is lost


# --- ports


async def test_a_wrong_speed_is_garbage_both_ways_and_the_right_one_is_not(
    boards: Iterator[Board],
) -> None:
    board = next(boards)
    async with terminal(board.port, 250000) as host:
        host.write(b"M115\n" * 20)
        await asyncio.sleep(0.05)
        await board.admin.do(board.name, "say", lines=["echo:here"])
        await asyncio.sleep(0.05)
        assert host.heard
        assert b"here" not in host.heard
        assert (await board.truth())["host_baud"] == 250000
    assert not any(
        "M115" in entry.get("text", "") for entry in await board.admin.accepted(board.name)
    )
    async with board.host() as host:
        host.write(b"\n")
        assert "FIRMWARE_NAME:Marlin" in await host.ask("M115")


async def test_opening_the_port_resets_the_board_that_is_wired_so(tmp_path: Path) -> None:
    async with firmware_printers(tmp_path, time_factor=FACTOR) as simulator:
        board = Board(simulator, simulator.printers[0])
        for boots in (2, 3):
            async with terminal(board.port) as host:
                await host.said("start", " External Reset", "Marlin 2.1.2.1")
                assert "ok" in await host.ask("M105")
            assert (await board.truth())["boots"] == boots


async def test_rfc_2217_sets_the_speed_and_pulls_dtr(tmp_path: Path) -> None:
    async with firmware_printers(tmp_path, link="rfc2217", time_factor=FACTOR) as simulator:
        board = Board(simulator, simulator.printers[0])
        host, port = board.port.removeprefix("rfc2217://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await reader.readexactly(12) == bytes(
            [255, 251, 0, 255, 253, 0, 255, 251, 3, 255, 253, 44]
        )
        writer.write(bytes([255, 251, 44, 255, 253, 1]))
        assert await reader.readexactly(3) == bytes([255, 252, 1])
        writer.write(bytes([255, 250, 44, 1, 0, 1, 0xC2, 0, 255, 240]))
        assert await reader.readexactly(10) == bytes([255, 250, 44, 101, 0, 1, 0xC2, 0, 255, 240])
        assert (await board.truth())["host_baud"] == 115200
        writer.write(b"M11")
        writer.write(bytes([255, 250, 44, 5, 9, 255, 240]) + b"5\n")
        assert await reader.readexactly(7) == bytes([255, 250, 44, 105, 9, 255, 240])
        said = await asyncio.wait_for(reader.readuntil(b"ok\n"), WITHIN_S)
        assert said.startswith(b"FIRMWARE_NAME:Marlin 2")
        writer.write(bytes([255, 250, 44, 5, 8, 255, 240]))
        await asyncio.wait_for(reader.readuntil(b"start\n"), WITHIN_S)
        assert (await board.truth())["boots"] == 2
        writer.close()


async def test_only_one_host_has_the_port(dialects: Simulator) -> None:
    board = one(dialects, "marlin1")
    async with board.host():
        host, port = board.port.removeprefix("socket://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), WITHIN_S)
        writer.close()


async def test_a_paced_cable_takes_the_time_of_its_bytes(tmp_path: Path) -> None:
    more = [*QUIET, "--paced", "--latency=0.1"]
    async with (
        firmware_printers(tmp_path, link="tcp", baud=9600, time_factor=1, more=more) as simulator,
        Board(simulator, simulator.printers[0]).host() as host,
    ):
        loop = asyncio.get_running_loop()
        before = loop.time()
        await host.ask("M117 " + "x" * 90)
        took = loop.time() - before
    assert took >= 96 * 10 / 9600 + 0.1 + 3 * 10 / 9600 - 0.005
    assert took < 0.6
