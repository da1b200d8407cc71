"""Which server a command talks to, and whose key it shows."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from buildplate.cli.target import DEFAULT_URL, keep, target_of

OTHER = "http://other:4000"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "cli.json"
    monkeypatch.setenv("BUILDPLATE_CONFIG", str(path))
    return path


def test_without_anything_the_server_is_here_and_there_is_no_key() -> None:
    target = target_of(None, None, None)
    assert (target.url, target.api_key) == (DEFAULT_URL, None)


def test_what_is_kept_is_used(config: Path) -> None:
    keep(OTHER, "bp_kept")
    target = target_of(None, None, None)
    assert (target.url, target.api_key) == (OTHER, "bp_kept")
    assert target_of(OTHER + "/", None, None).api_key == "bp_kept"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_what_is_said_wins_over_what_is_kept() -> None:
    keep(OTHER, "bp_kept")
    target = target_of("http://third", "bp_said", None)
    assert (target.url, target.api_key) == ("http://third", "bp_said")


def test_a_kept_key_is_shown_to_its_own_server_only() -> None:
    keep(OTHER, "bp_kept")
    assert target_of("http://third", None, None).api_key is None


def test_keeping_again_replaces_what_was_kept(config: Path) -> None:
    keep(OTHER, "bp_old")
    keep(OTHER, "bp_new")
    assert target_of(None, None, None).api_key == "bp_new"
    assert [path.name for path in config.parent.iterdir()] == ["cli.json"]
