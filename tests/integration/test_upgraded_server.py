"""A real server on the data of each former schema: it upgrades them, and serves what was there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from buildplate.files.store import LocalBlobStore
from buildplate.storage.tables import ACTIVE_STATES, PRINT_STATES
from tests import postgres
from tests.contract.old_farms import (
    ASKED,
    FILE_BYTES,
    KEY,
    PASSWORD,
    REVISIONS,
    Database,
    rows_of,
)
from tests.contract.storage_engines import ENGINES
from tests.faults.real_server import SERVE, RealServer, environment, serving

pytestmark = pytest.mark.timeout(240)


SINCE = "2026-01-01T00:00:00Z"


async def farm(engine: str, revision: str, folder: Path) -> str:
    """The data of a farm of a former release; the database's URL, where it has one."""
    await asyncio.to_thread(folder.mkdir, mode=0o700)
    url = postgres.new_database(empty=True) if engine == "postgresql" else ""
    await Database(url or folder / "buildplate.db").make(revision)
    async with LocalBlobStore(folder / "files") as blobs, blobs.writing(limit=1000) as writer:
        await writer.write(FILE_BYTES)
        await writer.finish()
        await writer.keep()
    return url


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_what_was_there_is_served(engine: str, revision: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    url = await farm(engine, revision, data)
    rows = rows_of(revision)
    async with serving(data, key=KEY, database=url) as server:
        await _orders(server, rows)
        await _printers(server, rows)
        if revision >= "0002":
            await _people(server)
        if revision >= "0003":
            left = rows["printers"][0]["id"]
            samples = await server.call("GET", f"/printers/{left}/temperatures?since={SINCE}")
            assert "210.5" in str(samples), samples
    if engine == "sqlite":
        assert (data / f"buildplate.db.schema-{revision}").exists()
    # And once more, now that nothing is to be upgraded.
    async with serving(data, key=KEY, database=url) as server:
        await _orders(server, rows)


async def _orders(server: RealServer, rows: dict[str, list[dict[str, Any]]]) -> None:
    jobs = {job["number"]: job for job in (await server.call("GET", "/jobs"))["items"]}
    assert {n: job["name"] for n, job in jobs.items()} == {
        job["number"]: job["name"] for job in rows["jobs"]
    }
    asked = {n: job["requirements"]["group"] for n, job in jobs.items()}
    assert asked == {n + 1: group for n, group in enumerate(ASKED)} | {3: "Attic"}
    assert (jobs[1]["copies"], jobs[1]["priority"], jobs[1]["customer"]) == (12, "low", "Ada")
    prints = (await server.call("GET", "/prints?limit=1000"))["items"]
    states = {print_["number"]: print_["state"] for print_ in prints}
    assert states.keys() == {n + 1 for n in range(len(PRINT_STATES))}
    ended = [state for state in PRINT_STATES if state not in ACTIVE_STATES]
    for number, state in enumerate(PRINT_STATES, start=1):
        if state in ended:
            assert states[number] == state
        elif state not in ("claimed", "transferring"):  # those may be given back
            assert states[number] not in {*ended, "claimed", "transferring"}, (number, states)
    (file,) = (await server.call("GET", "/files"))["items"]
    assert (file["name"], file["size"]) == ("bracket.gcode", len(FILE_BYTES))


async def _printers(server: RealServer, rows: dict[str, list[dict[str, Any]]]) -> None:
    found = {one["number"]: one for one in (await server.call("GET", "/printers"))["items"]}
    in_service = [one for one in rows["printers"] if one["retired_at"] is None]
    assert {n: (one["name"], one["group"]) for n, one in found.items()} == {
        one["number"]: (one["name"], one["printer_group"]) for one in in_service
    }
    assert found[1]["materials"][0]["remaining_g"] == 250.5
    groups = {one["name"]: one for one in (await server.call("GET", "/groups"))["items"]}
    assert groups["Hall"]["printers"] == 2
    # What came over can be worked with.
    former = ASKED[3]
    assert former is not None
    path = f"/groups/{groups[former]['id']}"
    for name in ("Loft", former):
        await server.call("PATCH", path, {"name": name})
        assert (await server.call("GET", "/printers/5"))["group"] == name
        assert (await server.call("GET", "/jobs/4"))["requirements"]["group"] == name


async def _people(server: RealServer) -> None:
    users = {one["name"]: one for one in (await server.call("GET", "/users"))["items"]}
    assert users["bob"]["groups"] == ["HALL"]
    for name, user in users.items():
        login = {"name": name, "password": PASSWORD}
        status = (await server.ask("POST", "/auth/token", login))[0]
        assert status == (401 if user["disabled"] else 200), name
    keys = {one["name"]: one for one in (await server.call("GET", "/keys"))["items"]}
    assert keys["old shop"]["groups"] == ["Shop", "hall"]
    lines = (await server.call("GET", "/audit?action=POST /api/v1/jobs"))["items"]
    assert [line["who_name"] for line in lines] == ["ann"]


async def test_a_server_refuses_a_newer_schema_and_says_what_is_needed(tmp_path: Path) -> None:
    for engine in ENGINES:
        data = tmp_path / engine
        url = await farm(engine, "0003", data)
        database = Database(url or data / "buildplate.db")
        await database.up("head")
        await database.on(_from_the_future)
        process = await asyncio.create_subprocess_exec(
            *SERVE,
            "--port=0",
            f"--data-dir={data}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment() | ({"DATABASE_URL": url} if url else {}),
        )
        async with asyncio.timeout(60):
            _, said = await process.communicate()
        assert process.returncode == 1, said
        assert b"Buildplate 7.8.9 has upgraded it" in said
        assert b"Install Buildplate 7.8.9 or newer." in said


def _from_the_future(connection: Any) -> None:
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    connection.exec_driver_sql("UPDATE identity SET release = '7.8.9'")
