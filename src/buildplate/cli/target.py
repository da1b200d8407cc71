"""Which server a command talks to, and with which key: flags, environment, then a 0600 file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildplate.cli.failures import USAGE, fail

DEFAULT_URL = "http://127.0.0.1:4000"


@dataclass(frozen=True, slots=True)
class Target:
    """Where commands go; `data_dir` is only for those that may work without a server.

    `ca` is a file with the authority of the server's certificate; None: those of the machine.
    """

    url: str
    api_key: str | None
    data_dir: Path | None
    ca: Path | None = None


def config_path() -> Path:
    """The file that holds url and api_key."""
    given = os.environ.get("BUILDPLATE_CONFIG")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "buildplate" / "cli.json"


def _kept() -> dict[str, Any]:
    path = config_path()
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        fail(f"{path} cannot be read: {error}", "Run `buildplate login` again.", code=USAGE)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        fail(f"{path} may be read by others", f"Run: chmod 600 {path}", code=USAGE)
    return content if isinstance(content, dict) else {}


def keep(url: str, api_key: str) -> Path:
    """Write the file, readable by its owner only."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url, "api_key": api_key}, file)
    fresh.replace(path)
    return path


def target_of(
    url: str | None, api_key: str | None, data_dir: Path | None, ca: Path | None = None
) -> Target:
    """The target: what flags and environment (typer reads it) leave open comes from the file."""
    kept = _kept() if url is None or api_key is None else {}
    found = url or str(kept.get("url") or DEFAULT_URL)
    # A kept key belongs to the kept server: it is never shown to another one.
    fits = url is None or url.rstrip("/") == str(kept.get("url", "")).rstrip("/")
    key = api_key or (kept.get("api_key") if fits else None)
    return Target(found.rstrip("/"), key, data_dir, ca)
