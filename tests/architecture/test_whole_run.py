"""The run of all tests leaves out none and hides no failure, that of measurements finds all."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS.parent / "scripts" / "test"
ALL_PASSED, SOME_FAILED = 0, 1

# Fails among others for as many times as it says.
FAILS = """
from pathlib import Path

def test_{name}():
    mark = Path(__file__).with_suffix(".times")
    times = len(mark.read_text()) if mark.exists() else 0
    mark.write_text("x" * (times + 1))
    assert times >= {times}
"""


def folders() -> list[str]:
    """Those that the script runs."""
    named = re.search(r"^order=\((.+)\)$", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert named is not None
    return named[1].split()


def test_every_folder_of_tests_is_run() -> None:
    there = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert sorted(folders()) == sorted(there)


@pytest.mark.parametrize(
    ("failing", "times", "code", "said"),
    [
        (0, 0, ALL_PASSED, "9 passed"),
        (2, 1, ALL_PASSED, "2 passed"),
        (2, 2, SOME_FAILED, "2 failed"),
        (9, 1, SOME_FAILED, "9 failed"),
    ],
    ids=["all pass", "two pass alone", "two fail alone too", "too many for chance"],
)
def test_what_failed_passes_only_if_it_passes_alone(
    tmp_path: Path, failing: int, times: int, code: int, said: str
) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts" / "test")
    (tmp_path / "scripts" / "web.py").write_text("")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for folder in folders():
        (tmp_path / "tests" / folder).mkdir(parents=True)
    for n in range(9):
        test = FAILS.format(name=n, times=times if n < failing else 0)
        (tmp_path / "tests" / folders()[n % 3] / f"test_{n}.py").write_text(test)
    ran = subprocess.run(
        [tmp_path / "scripts" / "test"], check=False, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert said in ran.stdout.splitlines()[-1]
    again = re.findall(r'^\s+"(tests/.+)": true', ran.stdout, re.MULTILINE)
    assert len(again) == (failing if failing < 9 else 0), "what is run again is named"


def test_every_measurement_is_found() -> None:
    asked = [sys.executable, "-m", "bench", "no such"]
    told = subprocess.run(
        asked, check=False, cwd=TESTS.parent, capture_output=True, text=True, timeout=60
    )
    assert "there are" in told.stderr, told.stderr
    for path in sorted((TESTS.parent / "bench").glob("*.py")):
        named = re.search(r'^NAME = "(.+)"$', path.read_text("utf-8"), re.MULTILINE)
        assert named is None or named[1] in told.stderr
