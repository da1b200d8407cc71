"""A run of schemathesis notices what it is for: a server that breaks its promises is caught."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.schema.mischief import BROKEN, FOR_ADMINISTRATORS, OF_GROUPS
from tests.schema.run import SHORT, ask, served

NOTICED = {
    "/api/v1/drivers": "Server error",
    "/api/v1/dashboard/stats": "Undocumented status code",
    "/api/v1/events": "Response violates schema",
    "/api/v1/analytics/utilization": "says_what_to_do",
    "/api/v1/queue/stop": "Schema-violating request accepted",
    FOR_ADMINISTRATORS: "beyond_its_role",
}
HEADING = re.compile(r"^_+ [A-Z]+ (/\S+) _+$", re.MULTILINE)


def findings(said: str) -> dict[str, str]:
    """What was said of each path."""
    parts = HEADING.split(said)[1:]
    found: dict[str, str] = {}
    for path, about in zip(parts[::2], parts[1::2], strict=True):
        found[path] = found.get(path, "") + about
    return found


@pytest.mark.timeout(300)
def test_every_broken_promise_is_noticed(tmp_path: Path) -> None:
    assert BROKEN.keys() < NOTICED.keys()
    folder = tmp_path / "farm"
    folder.mkdir()
    paths = [part for path in NOTICED for part in ("--include-path", path)]
    with served(folder, mischief=True) as farm:
        viewer = findings(ask(farm, "viewer", tmp_path, *SHORT, *paths).said)
        groups = ask(farm, "confined", tmp_path, *SHORT, "--include-path", OF_GROUPS).said
    for path, said in NOTICED.items():
        assert said in viewer.get(path, ""), f"{path}: {viewer.get(path)}"
    assert "beyond_its_groups" in findings(groups).get(OF_GROUPS, ""), groups
