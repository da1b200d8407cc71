"""A skipped test proves nothing: in CI it fails, but for those that need a Klipper."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

SKIPPING = """
import pytest

@pytest.mark.skip(reason="by mark")
def test_by_mark(): pass

def test_by_call(): pytest.skip("by call")

@pytest.mark.needs_klipper
@pytest.mark.skip(reason="allowed")
def test_allowed(): pass
"""
WHOLE_FILE = 'import pytest\npytest.skip("whole file", allow_module_level=True)\n'


def run(folder: Path, source: str, ci: str) -> dict[str, int]:
    (folder / "test_skipping.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    summary = done.stdout.splitlines()[-1]
    found = re.findall(r"(\d+) (failed|error|skipped|passed)", summary)
    return {word: int(number) for number, word in found}


def test_a_skipped_test_fails_in_ci(tmp_path: Path) -> None:
    # one skipped in its set-up (an error), one in its call (a failure), one allowed
    assert run(tmp_path, SKIPPING, "true") == {"error": 1, "failed": 1, "skipped": 1}


def test_a_skipped_test_is_only_reported_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPING, "") == {"skipped": 3}


def test_a_skipped_file_fails_in_ci(tmp_path: Path) -> None:
    assert run(tmp_path, WHOLE_FILE, "true") == {"error": 1}


def test_a_skipped_file_is_only_reported_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path, WHOLE_FILE, "") == {"skipped": 1}
