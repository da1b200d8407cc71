"""The run of all tests leaves out none, and that of all measurements finds them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS.parent / "scripts" / "test"


def test_every_folder_of_tests_is_run() -> None:
    named = re.search(r"^order=\((.+)\)$", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert named is not None
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert sorted(named[1].split()) == sorted(folders)


def test_every_measurement_is_found() -> None:
    asked = [sys.executable, "-m", "bench", "no such"]
    told = subprocess.run(
        asked, check=False, cwd=TESTS.parent, capture_output=True, text=True, timeout=60
    )
    assert "there are" in told.stderr, told.stderr
    for path in sorted((TESTS.parent / "bench").glob("*.py")):
        named = re.search(r'^NAME = "(.+)"$', path.read_text("utf-8"), re.MULTILINE)
        assert named is None or named[1] in told.stderr
