"""The command line's record: audit, numbers, past temperatures; and what Tab offers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.service.cli.test_commands import Terminal, at_a_terminal


async def test_who_changed_what_is_told_with_before_and_after(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        await me.type("printer edit Left --location 'rack 3'")
        told = (await me.type("audit --action 'PATCH /api/v1/printers/{printer_id}'")).stdout
        assert "location – → rack 3" in told
        assert "127.0.0.1" in told
        (entry,) = await me.json("audit --limit 1")
        assert entry["action"] == "PATCH /api/v1/printers/{printer_id}"
        assert (await me.json(f"audit --request {entry['request_id']}")) == [entry]
        nobody = (await me.type("audit --who nobody")).stdout
        assert nobody == "Nobody changed anything.\n"


async def test_the_farm_in_numbers(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        _, print_ = await me.surface.running()
        await me.surface.floor["Left"].finish()
        await me.surface.until_print(print_["id"], state="completed")
        await me.surface.job()
        told = await me.until("stats", "waiting prints  1, 0 of them late")
        assert told[0].split(maxsplit=1) == ["printers", "1 waiting"]
        assert told[1].split(maxsplit=1)[1] == "1 queued"
        assert "1 completed, 0 failed, 0 cancelled" in told[3]
        assert told[3].endswith("100 % succeeded")
        assert (await me.json("stats"))["queued_prints"] == 1


async def test_how_printers_spent_their_time(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        empty = (await me.type("utilization --since 2020-01-01 --until 2020-01-02")).stdout
        assert empty == "Nothing was written down in that time.\n"
        await me.ready()
        await me.surface.running()
        for by, key in (("printer", "Left"), ("group", "–"), ("day", "20")):
            lines = (await me.type(f"utilization --by {by}")).stdout.splitlines()
            assert lines[0].split()[:3] == [by, "printing", "printing"]
            assert lines[1].startswith(key)
            assert lines[-1].startswith("all")
        assert (await me.json("utilization"))["items"][0]["printing_s"] > 0
        await me.type("utilization --since yesterday", code=2)


async def test_past_temperatures(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        await me.surface.running()
        path = "/api/v1/printers/1/temperatures"
        await me.surface.poll(path, lambda seen: bool(seen["items"]))
        told = (await me.type("history Left")).stdout.splitlines()
        assert told[0].split() == ["at", *sorted(await _heaters(me))]
        assert len(told) > 1
        assert (await me.json("history Left --since 2020-01-01"))[0]["temperatures"]


async def _heaters(me: Terminal) -> list[str]:
    return list((await me.json("temperature Left"))["temperatures"])


async def test_who_am_i(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        assert (await me.json("whoami"))["role"] == "admin"
        made = await me.json("key add Ada --role viewer")
        told = await me.type("whoami", env={"BUILDPLATE_API_KEY": made["key"]})
        assert told.stdout.split()[:4] == ["name", "Ada", "kind", "key"]
        assert "viewer" in told.stdout


async def test_log_levels_are_shown_changed_and_taken_back(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        before = (await me.json("log-level fleet= api="))["log_levels"]
        try:
            assert "fleet     error" in (await me.type("log-level fleet=error api=error")).stdout
            assert (await me.json("log-level fleet="))["log_levels"]["fleet"] == before["fleet"]
            await me.type("log-level fleet", code=2)
            refused = await me.type("log-level cellar=debug", code=1)
            assert "cellar" in refused.stderr
        finally:
            after = (await me.json("log-level fleet= api="))["log_levels"]
        assert after == before


def offered(line: str, env: dict[str, str]) -> list[str]:
    """What bash would offer at the end of the line."""
    words = line.split(" ")
    told = subprocess.run(
        [str(Path(sys.executable).with_name("buildplate"))],
        env={
            **os.environ,
            **env,
            "_BUILDPLATE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not told.stderr, told.stderr
    return told.stdout.split()


@asynccontextmanager
async def dripping() -> AsyncIterator[str]:
    """A server that answers a byte every half second."""

    dripping_on: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def drip(writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"s" * 60:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as tasks:

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            dripping_on[tasks.create_task(drip(writer))] = writer

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task, writer in dripping_on.items():
                task.cancel()
                writer.transport.abort()
    await asyncio.sleep(0)  # an aborted connection is lost in the next round of the loop


async def test_tab_offers_commands_and_the_names_that_the_server_knows(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready("Left")
        await me.ready("Loft")
        await me.ready("Right")
        job = await me.surface.job()
        await me.surface.farm.access.groups.create("Hall")
        await me.surface.farm.floors.create("Ground", 100, 100)

        async def tab(line: str, **env: str) -> list[str]:
            return await asyncio.to_thread(offered, line, {**me.env, **env})

        async def offers(line: str, *words: str) -> None:
            # After a second the shell is answered without the server; a busy one is asked again.
            found = await tab(line)
            for _ in range(10):
                if found != [*words]:
                    found = await tab(line)
            assert found == [*words]

        await offers("buildplate printer cl", "clear-bed")
        await offers("buildplate printer show L", "Left", "Loft")
        await offers("buildplate printer clear-bed Left R", "Right")
        await offers("buildplate job status ", str(job["number"]))
        await offers("buildplate file show cu", "cube.gcode")
        await offers("buildplate group show ", "Hall")
        await offers("buildplate floor edit G", "Ground")
        await offers("buildplate printer edit Left --group H", "Hall")
        await offers("buildplate printer edit Left --floor G", "Ground")
        await offers("buildplate print show 1", "1")
        assert await tab("buildplate printer show L", BUILDPLATE_API_KEY="wrong") == []
        nowhere = "http://127.0.0.1:9"
        assert await tab("buildplate printer show L", BUILDPLATE_URL=nowhere) == []
        odd = tmp_path / "odd.json"
        odd.write_text("{}")
        odd.chmod(0o644)
        config = {"BUILDPLATE_CONFIG": str(odd), "BUILDPLATE_API_KEY": ""}
        assert await tab("buildplate printer show L", **config) == []
        async with dripping() as slow:
            began = time.monotonic()
            assert await tab("buildplate printer show L", BUILDPLATE_URL=slow) == []
            assert time.monotonic() - began < 8
        elsewhere = f"buildplate --url {nowhere} printer show L"
        assert await tab(elsewhere) == []
