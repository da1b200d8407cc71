"""What the code imports is what the package says it needs: a clean installation has all of it."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires

from tests.architecture.source import ROOT, modules

OURS = {"buildplate", "buildplate_sim"}
BROUGHT = {
    "ifaddr": "zeroconf",
    "pydantic-core": "pydantic",
    "python-dotenv": "pydantic-settings",
    "starlette": "fastapi",
    "yarl": "aiohttp",
}
"""What another one brings, in whose promises it is."""
BY_NAME = {"fastapi-offline", "websockets"}
"""What is found by its name: files that are read, and the protocol that uvicorn loads."""


def test_all_that_is_imported_is_asked_for_and_all_that_is_asked_for_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {_name(one) for one in project["dependencies"]}
    used = _used()
    assert used - asked == set(BROUGHT), "imported, and not in pyproject.toml"
    assert asked - used == BY_NAME, "in pyproject.toml, and never imported"
    for brought, by in BROUGHT.items():
        assert by in asked
        assert brought in {_name(one) for one in requires(by) or ()}


def _used() -> set[str]:
    """The packages of all modules of others that the code imports anywhere."""
    imported = {name.partition(".")[0] for module in modules() for name in module.imports()}
    known = packages_distributions()
    found: set[str] = set()
    for name in sorted(imported - sys.stdlib_module_names - OURS):
        assert name in known, f"{name} belongs to nothing that is installed"
        found.update(_plain(one) for one in known[name])
    return found


def _name(requirement: str) -> str:
    return _plain(re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
