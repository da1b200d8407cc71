"""What the repository promises about itself: locks, generated pages, links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.architecture.source import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")


def locks() -> list[Path]:
    return sorted((ROOT / "requirements").glob("*.txt"))


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_locks_hold_hashes_and_no_addresses() -> None:
    assert len(locks()) == 6
    for lock in locks():
        text = lock.read_text(encoding="utf-8")
        pins = re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==\S+(?: ; [^\n]+?)? \\$", text, re.MULTILINE)
        starts = [line for line in text.splitlines() if line and line[0] not in " #"]
        assert len(pins) == len(starts) > 0, f"{lock.name} has a line without a hash"
        assert "://" not in text, f"{lock.name} names an address"


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_pages_lead_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not urlsplit(target).scheme
        and not target.startswith("#")
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert dead == []


def test_every_target_of_the_makefile_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = set(re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE))
    assert explained >= {
        "setup", "develop", "run", "stop", "test", "check", "explore", "bench", "fmt", "help",
    }  # fmt: skip
