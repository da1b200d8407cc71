"""What the process does for its memory."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from buildplate.app.memory import give_back_memory, settle_memory


def test_what_lives_at_the_start_is_walked_through_no_more() -> None:
    try:
        settle_memory()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1_000
    finally:
        gc.unfreeze()


LEFT_AFTER = """
import sys
from pathlib import Path
from buildplate.app.memory import give_back_memory

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

if sys.argv[1] == "given back":
    assert give_back_memory()
before = held()
for _ in range(2):
    buffers = [bytearray(200_000) for _ in range(300)]
    kept = buffers[::50]
    del buffers
print(held() - before)
"""


def left_after(how: str) -> int:
    """What a process still holds when it has freed 60 MB but for a few buffers among it (kB)."""
    told = subprocess.run(
        [sys.executable, "-c", LEFT_AFTER, how], capture_output=True, text=True, check=True
    )
    return int(told.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux what is held")
def test_what_large_buffers_leave_behind_goes_back_to_the_machine() -> None:
    assert left_after("given back") < 5_000
    assert left_after("kept") > 20_000


def test_a_c_library_without_the_switch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert give_back_memory() is False
