"""Processes under measurement: what they use of the processor and of memory (Linux)."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and of the children it has waited for, in s."""
    return sum(map(int, _stat(pid)[11:15])) / TICK


def own_cpu_seconds(pid: int) -> float:
    """User and system time of the process alone, all its threads, in s."""
    return sum(map(int, _stat(pid)[11:13])) / TICK


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
        output = _Output(process, ready_line)
        try:
            output.await_ready(seconds)
            yield process.pid
        except BaseException:
            print("\n".join(output.last))
            raise
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


class _Output:
    """Reads a program's output, so that it never waits for a reader, and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[str], ready_line: str) -> None:
        self.ready = threading.Event()
        self.last: deque[str] = deque(maxlen=50)
        self._process = process
        self._ready_line = ready_line
        threading.Thread(target=self._read, daemon=True).start()

    def await_ready(self, seconds: float) -> None:
        if not self.ready.wait(seconds):
            raise TimeoutError(self._ready_line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.last.append(line.rstrip())
            if self._ready_line in line:
                self.ready.set()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


class Tree:
    """A process with all that it has started, by whatever lives of it now."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_seconds(self) -> float:
        """User and system time of all, those that have ended and were waited for among them."""
        return sum(cpu_seconds(pid) for pid in self._pids())

    def resident_bytes(self) -> int:
        """What they hold of memory now; pages they share count once for each."""
        return sum(resident_bytes(pid) for pid in self._pids())

    def written_bytes(self) -> int:
        """What they had the kernel write to disks."""
        return sum(_written(pid) for pid in self._pids())

    def _pids(self) -> Iterator[int]:
        waiting = [self._pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())


def _written(pid: int) -> int:
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise KeyError(pid)
