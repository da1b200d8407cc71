"""Rules of the house that import-linter cannot express; the others are in pyproject.toml."""

from __future__ import annotations

import ast

from tests.architecture.source import SRC, Module, drivers, modules, within

CLOCK_READS = {"now", "today", "utcnow", "monotonic", "perf_counter", "clock_gettime"}
SERVICES_DO_WITHOUT = ("sqlalchemy", "fastapi", "starlette", "aiohttp", "httpx")
DRIVER_FILES = {"manifest.py", "config.py", "client.py", "mapping.py", "driver.py"}


def program() -> list[Module]:
    return [m for m in modules() if m.package == "buildplate"]


def test_source_is_found() -> None:
    assert {"core", "drivers", "storage"} <= {m.room for m in program()}


def test_use_cases_know_neither_database_nor_web_nor_client() -> None:
    found = {
        m.where: bad
        for m in program()
        if m.path.name == "service.py" and (bad := m.imports_of(*SERVICES_DO_WITHOUT))
    }
    assert found == {}


def test_core_reads_no_clock() -> None:
    found = [
        f"{m.where}:{node.lineno}"
        for m in program()
        if m.room == "core"
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCK_READS
    ]
    assert found == []


def test_core_never_waits() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [
        f"{m.where}:{node.lineno}"
        for m in program()
        if m.room == "core"
        for node in ast.walk(m.tree)
        if isinstance(node, waiting)
    ]
    assert found == []


def test_nobody_imports_a_concrete_driver() -> None:
    found = {
        m.where: bad
        for name in drivers()
        for m in modules()
        if not within(m.name, f"buildplate.drivers.{name}")
        and (bad := m.imports_of(f"buildplate.drivers.{name}"))
    }
    assert found == {}


def test_a_driver_knows_only_the_sdk_and_pure_code() -> None:
    found = {}
    for name in drivers():
        home = f"buildplate.drivers.{name}"
        allowed = (home, "buildplate.drivers.sdk", "buildplate.core", "buildplate.protocols")
        for m in modules():
            if within(m.name, home):
                bad = {
                    i
                    for i in m.imports_of("buildplate", "buildplate_sim")
                    if not any(within(i, a) or within(a, i) for a in allowed)
                }
                if bad:
                    found[m.where] = bad
    assert found == {}


def test_a_driver_is_five_known_files() -> None:
    missing = {}
    for name in drivers():
        files = {p.name for p in (SRC / "buildplate" / "drivers" / name).glob("*.py")}
        if lacking := DRIVER_FILES - files:
            missing[name] = lacking
    assert missing == {}


def test_simulators_know_only_the_driver_sdk() -> None:
    found = {
        m.where: bad
        for m in modules()
        if m.package == "buildplate_sim"
        and (
            bad := {
                i
                for i in m.imports_of("buildplate")
                if not within(i, "buildplate.drivers.sdk")
                and i not in {"buildplate", "buildplate.drivers"}
            }
        )
    }
    assert found == {}


def test_only_the_composition_root_parses_settings() -> None:
    found = {
        m.where: bad
        for m in program()
        if m.room != "app" and (bad := m.imports_of("pydantic_settings"))
    }
    assert found == {}


def test_only_the_edges_read_the_environment() -> None:
    found = [
        f"{m.where}:{node.lineno}"
        for m in program()
        if m.room not in {"app", "cli"}
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "environb"}
    ]
    assert found == []
