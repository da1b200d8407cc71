"""A process that a test leaves behind fails that test, and no later one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.architecture.source import ROOT

LEAVING = """
import asyncio, gc
from asyncio.subprocess import PIPE

KEPT = []

async def start(**more):
    process = await asyncio.create_subprocess_exec("sleep", "600", **more)
    print("sleeps as", process.pid)
    return process

def test_leaves_one_behind(): KEPT.append(asyncio.run(start()))

def test_leaves_one_to_be_collected(): asyncio.run(start(stdin=PIPE, stdout=PIPE))

def test_later(): gc.collect()

async def waited():
    process = await start()
    process.kill()
    await process.wait()

def test_ends_its_own():
    asyncio.run(waited())
    gc.collect()
"""
SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


def test_a_process_left_behind_fails_its_own_test(tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-sv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "CI": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout
    left = set(re.findall(r"^ERROR \S+::(test_\w+)", said, re.MULTILINE))
    assert left == {"test_leaves_one_behind", "test_leaves_one_to_be_collected"}, said
    assert re.search(r"4 passed, 2 errors", said), said
    assert said.count("in start\n") == 2, "each error says where the process was started"
    pids = [int(pid) for pid in re.findall(r"sleeps as (\d+)", said)]
    assert len(pids) == 3
    deadline = time.monotonic() + 5
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"still alive: {alive}"
