"""Processes under measurement: what they use of the processor and of memory (Linux)."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and of the children it has waited for, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def resident_bytes(pid: int) -> int:
    """What it holds of memory now."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most it held since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Lets `peak_bytes` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def running(command: Sequence[str], ready_line: str, seconds: float = 60.0) -> Iterator[int]:
    """Starts a program, waits for a line of its output that holds `ready_line`, ends it after."""
    with subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            _await_line(process, ready_line, time.monotonic() + seconds)
            yield process.pid
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _await_line(process: subprocess.Popen[str], ready_line: str, deadline: float) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if ready_line in line:
            return
        if time.monotonic() > deadline:
            break
    raise TimeoutError(ready_line)


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)
