"""Streaming G-code over a serial line: the board in C, the file, and everybody who streams it.

The board (`serial_firmware.c`) keeps the record: how many moves it accepted, a digest of them, when
the first and the last came. A run whose record is not the file's counts for nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.processes import cpu_seconds
from tests.integration.octoprint_host import PROGRAM, make_template, octoprint_host

HERE = Path(__file__).parent
PRINTCORE = ("printrun==2.2.0", "pyserial==3.5")
MOVES = 1 << 17
"""Different moves; a longer file has them again."""

BAUD = 250_000
LATENCY_S = 0.001
LIMIT_S = 300.0
FNV, PRIME, MASK = 1469598103934665603, 1099511628211, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Link:
    """The cable and the mechanics: baud 0 is no cable at all, 0 s a move that takes no time."""

    baud: int = 0
    latency_s: float = 0.0
    move_s: float = 0.0

    def arguments(self) -> list[str]:
        """As the board takes them."""
        return [str(self.baud), f"{self.latency_s * 1e6:.0f}", f"{self.move_s * 1e6:.0f}"]


@dataclass(frozen=True, slots=True)
class Run:
    """What one client did: lines a second, CPU seconds for 100,000 lines, share of hungry moves.

    `longest` is the longest pause between two moves, in s.
    """

    rate: float
    cpu: float
    starved: float
    longest: float


@dataclass(frozen=True, slots=True)
class File:
    """A file of moves on the disk, and the digest that the board must come to."""

    path: Path
    lines: int
    digest: str


@dataclass
class Bench:
    """Compiled programs, an OctoPrint's template and a printcore, for as long as it is open."""

    folder: Path
    link: Link
    files: dict[int, File] = field(default_factory=dict)

    @property
    def board(self) -> Path:
        """The compiled board."""
        return self.folder / "serial_firmware"

    def file(self, lines: int) -> File:
        """A file of so many moves; the text of each is 29 bytes, 40 on the wire."""
        if lines not in self.files:
            self.files[lines] = _written(self.folder / f"{lines}.gcode", lines)
        return self.files[lines]

    def measure(self, client: Callable[[Bench, str, File], float], lines: int) -> Run:
        """Let a client stream; it answers the CPU seconds it took."""
        file = self.file(lines)
        with _board(self) as board:
            cpu = client(self, board.device, file)
            found = board.stats()
        assert int(found["moves"]) == lines, f"{found} of {lines} moves"
        assert found["hash"] == file.digest, "the board has not accepted what the file says"
        seconds = float(found["seconds"])
        assert seconds > 0
        assert cpu > 0, "no processor time was seen"
        return Run(
            rate=(lines - 1) / seconds,
            cpu=cpu / lines * 1e5,
            starved=int(found["starved"]) / (lines - 1),
            longest=float(found["longest"]),
        )


@contextmanager
def bench(link: Link) -> Iterator[Bench]:
    """Compile with `cc` and install what is measured beside ours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in ("serial_firmware", "serial_client"):
            command = ["cc", "-O2", "-o", str(folder / source), str(HERE / f"{source}.c")]
            subprocess.run(command, check=True, timeout=60)
        venv.create(folder / "printcore", with_pip=True)
        pip = [str(folder / "printcore/bin/python"), "-m", "pip", "-qq", "install", "--no-deps"]
        subprocess.run([*pip, *PRINTCORE], check=True, timeout=300)
        asyncio.run(make_template(folder / "octoprint-template"))
        yield Bench(folder, link)


def _written(path: Path, lines: int) -> File:
    chance = random.Random(1)
    known = [
        f"G1 X{chance.uniform(100, 199):.3f} Y{chance.uniform(100, 199):.3f} "
        f"E{chance.uniform(1, 9):.5f}".encode()
        for _ in range(min(lines, MOVES))
    ]
    digest = FNV
    with path.open("wb") as file:
        for number in range(lines):
            line = known[number % len(known)] + b"\n"
            file.write(line)
            for byte in line:
                digest = (digest ^ byte) * PRIME & MASK
    return File(path, lines, f"{digest:016x}")


class _Board:
    """A running board."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.device = self._line().strip()

    def stats(self) -> dict[str, str]:
        """The record since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("stats\n")
        self._process.stdin.flush()
        return dict(part.split("=") for part in self._line().split())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _board(bench: Bench) -> Iterator[_Board]:
    command = [str(bench.board), *bench.link.arguments()]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield _Board(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


# --- who streams


def c_client(window: int) -> Callable[[Bench, str, File], float]:
    """The client in C with so many lines unanswered."""
    return partial(_c_client, window)


def _c_client(window: int, bench: Bench, device: str, file: File) -> float:
    command = [str(bench.folder / "serial_client"), device, str(file.path), str(window)]
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"the client in C ended with {process.returncode}"
    return float(usage.ru_utime + usage.ru_stime)


def printcore(bench: Bench, device: str, file: File) -> float:
    """Printrun's printcore in an environment of its own."""
    python = bench.folder / "printcore/bin/python"
    return _reported([str(python), str(HERE / "serial_printcore.py"), device, str(file.path)])


def ours(_: Bench, device: str, file: File) -> float:
    """Our driver, held by a session as the fleet holds it."""
    return _reported([sys.executable, "-m", "bench.serial_ours", device, str(file.path)])


def _reported(command: list[str]) -> float:
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, cwd=HERE.parent
    )
    return float(json.loads(done.stdout.splitlines()[-1])["cpu"])


def octoprint(bench: Bench, device: str, file: File) -> float:
    """A real OctoPrint with its own serial connection."""
    return asyncio.run(_octoprint(bench, device, file))


async def _octoprint(bench: Bench, device: str, file: File) -> float:
    assert PROGRAM.exists(), "make develop installs OctoPrint"
    folder = bench.folder / "octoprint"
    serial = {"port": device, "baudrate": BAUD, "additionalPorts": [device]}
    try:
        async with octoprint_host(
            bench.folder / "octoprint-template", folder, serial=serial
        ) as host:
            await host.connect_printer()
            assert host.process is not None
            await host.put("bench.gcode", file.path.read_bytes())
            before = cpu_seconds(host.process.pid)
            body = {"command": "select", "print": True}
            await host.api("POST", "/api/files/local/bench.gcode", body)
            await host.finishes("bench.gcode", limit=LIMIT_S)
            return cpu_seconds(host.process.pid) - before
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- figures


def median(runs: list[Run], what: str) -> float:
    """The median of a figure over the rounds."""
    figures: list[float] = [getattr(run, what) for run in runs]
    return statistics.median(figures)


def ratios(mine: list[Run], theirs: list[Run]) -> list[float]:
    """Of the rates, round by round."""
    return [a.rate / b.rate for a, b in zip(mine, theirs, strict=True)]
