"""A real Klipper beside the stand-in, where BUILDPLATE_KLIPPER names one.

The variable is the path to a checkout of Klipper with its Python environment in `env` and a
firmware for "Linux process" in `out/klipper.elf`; neither is fetched or built here. Its machine has
no axes and one sensor, read from a file: enough for what Moonraker and we see of prints.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.processes import gone

VARIABLE = "BUILDPLATE_KLIPPER"
START_LIMIT_S, STOP_LIMIT_S = 30.0, 10.0


def installed_klipper() -> Path:
    """Where it is; the test that asks is skipped, with the reason, where there is none."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        pytest.skip(f"no real Klipper: {VARIABLE} names no checkout of it")
    checkout = Path(named)
    for part in ("klippy/klippy.py", "env/bin/python", "out/klipper.elf"):
        if not (checkout / part).exists():
            pytest.fail(f"{VARIABLE} is {named}, which has no {part}")
    return checkout


def _is_there(path: Path) -> bool:
    return path.exists()


@dataclass
class InstalledKlippy:
    """Klipper's host program and its firmware, as two processes; `data` is Moonraker's folder."""

    checkout: Path
    data: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.data / "comms" / "klippy.sock"

    @property
    def _tty(self) -> Path:
        return self.data / "comms" / "mcu"

    async def start(self) -> None:
        config = self._configure()
        self.socket.unlink(missing_ok=True)
        await self._run(str(self.checkout / "out/klipper.elf"), "-I", str(self._tty))
        await self._appears(self._tty)
        await self._run(
            str(self.checkout / "env/bin/python"),
            str(self.checkout / "klippy/klippy.py"),
            str(config),
            "-a",
            str(self.socket),
            "-I",
            str(self.data / "comms" / "tty"),
            "-l",
            str(self.data / "logs" / "klippy.log"),
        )
        await self._appears(self.socket)

    def _configure(self) -> Path:
        sensor = self.data / "temperature"
        sensor.write_text("42000\n")
        config = self.data / "config" / "printer.cfg"
        config.write_text(
            f"[mcu]\nserial: {self._tty}\n"
            "[printer]\nkinematics: none\nmax_velocity: 300\nmax_accel: 3000\n"
            f"[virtual_sdcard]\npath: {self.data / 'gcodes'}\n"
            "[force_move]\nenable_force_move: True\n"
            "[pause_resume]\n[display_status]\n[exclude_object]\n"
            f"[temperature_sensor host]\nsensor_type: temperature_host\nsensor_path: {sensor}\n"
            "min_temp: 0\nmax_temp: 100\n"
        )
        return config

    async def _run(self, *command: str) -> None:
        with (self.data / "klipper.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)

    async def _appears(self, path: Path) -> None:
        async with asyncio.timeout(START_LIMIT_S):
            while not _is_there(path):
                if any(process.returncode is not None for process in self.processes):
                    raise RuntimeError((self.data / "klipper.log").read_text()[-3000:])
                await asyncio.sleep(0.05)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        processes, self.processes = self.processes, []
        for process in reversed(processes):
            if process.returncode is None:
                process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
            finally:
                await gone(process)
