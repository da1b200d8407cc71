"""The run of all tests leaves out none."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS.parent / "scripts" / "test"


def test_every_folder_of_tests_is_run() -> None:
    named = re.search(r"^order=\((.+)\)$", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert named is not None
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert sorted(named[1].split()) == sorted(folders)
