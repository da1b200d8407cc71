"""The table of docs/reference/octoprint-faults.md, every row of it on real OctoPrints."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.fault_case import Case
from tests.integration.fault_scenes import SCENES
from tests.integration.fault_table import fault_table
from tests.integration.octoprint_host import (
    SIMULATED_ERRORS,
    OctoPrintHost,
    make_template,
    octoprint_host,
)

TABLE = fault_table()
SMALL_DISK = "disk full"
LANES = 4
CASE_LIMIT_S = 150.0
ENDING_S = 30.0
IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(420)]


def on_small_disk(folder: Path, size: str = "2m") -> Sequence[str]:
    """What starts a program whose folder is a small file system, seen by that program alone."""
    mount = 'mount -t tmpfs -o size="$1" tmpfs "$2"; shift 2; exec "$@"'
    return (*IN_NAMESPACE, "sh", "-ec", mount, "sh", size, str(folder))


def can_mount() -> bool:
    tried = subprocess.run(
        [*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True
    )
    return tried.returncode == 0


class Stage:
    """Plays faults on several hosts at once; whoever waits for one gets its outcome."""

    def __init__(self, faults: Sequence[str], folder: Path) -> None:
        self._waiting = deque(faults)
        self._folder = folder
        self._numbers = itertools.count()
        loop = asyncio.get_running_loop()
        self.outcomes: dict[str, asyncio.Future[None]] = {
            fault: loop.create_future() for fault in faults
        }

    async def play(self, template: Path, lanes: int) -> None:
        """Play until no fault is left; whoever still waits when this ends is told."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.lane(template, small_disk=True))
                for _ in range(lanes):
                    tasks.create_task(self.lane(template, small_disk=False))
        finally:
            for outcome in self.outcomes.values():
                if not outcome.done():
                    outcome.set_exception(RuntimeError("nobody is left to play it"))

    def play_no_more(self) -> None:
        """Let every lane end after what it plays now."""
        self._waiting.clear()

    async def lane(self, template: Path, *, small_disk: bool) -> None:
        """Play on one host after the other (a new one after a failure) until none is left."""
        while fault := self._next(small_disk=small_disk):
            try:
                async with self._host(template, small_disk=small_disk) as host:
                    while fault and await self._play(fault, host):
                        fault = self._next(small_disk=small_disk)
            except Exception as error:  # the host did not start
                if fault is None or self.outcomes[fault].done():
                    raise
                self.outcomes[fault].set_exception(error)

    def _host(
        self, template: Path, *, small_disk: bool
    ) -> AbstractAsyncContextManager[OctoPrintHost]:
        folder = self._folder / f"host{next(self._numbers)}"
        uploads = folder / "uploads"
        uploads.mkdir(parents=True)
        wrapper = on_small_disk(uploads) if small_disk else ()
        return octoprint_host(
            template, folder, errors=SIMULATED_ERRORS, connect=True, wrapper=wrapper
        )

    def _next(self, *, small_disk: bool) -> str | None:
        if small_disk:
            return SMALL_DISK if self._taken(SMALL_DISK) else None
        return self._waiting.popleft() if self._waiting else None

    def _taken(self, fault: str) -> bool:
        if fault not in self._waiting:
            return False
        self._waiting.remove(fault)
        return True

    async def _play(self, fault: str, host: OctoPrintHost) -> bool:
        """One fault; whether the host can be used for the next one."""
        outcome = self.outcomes[fault]
        try:
            async with asyncio.timeout(CASE_LIMIT_S):
                await host.printer_is("Operational")
                data = self._folder / fault.replace(" ", "-")
                async with Case(host, data, TABLE[fault]) as case:
                    await SCENES[fault](case)
                    await case.ends()
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 (told to who waits)
            outcome.set_exception(error)
            return False
        outcome.set_result(None)
        return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, asyncio.Future[None]]]:
    """The faults asked for in this run, already being played on hosts side by side."""
    chosen: list[str] = [
        str(item.callspec.params["fault"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and hasattr(item, "callspec")
    ]
    if not can_mount():
        chosen = [fault for fault in chosen if fault != SMALL_DISK]
    folder = tmp_path_factory.mktemp("faults")
    template = await make_template(folder / "template")
    stage = Stage(sorted(chosen, key=lambda fault: "frozen" not in fault), folder)
    lanes = min(LANES, len([fault for fault in chosen if fault != SMALL_DISK]))
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(stage.play(template, lanes))
        yield stage.outcomes
        stage.play_no_more()
        await asyncio.wait([playing], timeout=ENDING_S)
        playing.cancel()


@pytest.mark.needs_octoprint
@pytest.mark.parametrize("fault", TABLE, ids=[fault.replace(" ", "-") for fault in TABLE])
async def test_a_fault_ends_as_the_table_says(
    fault: str, outcomes: dict[str, asyncio.Future[None]]
) -> None:
    if fault not in outcomes:
        pytest.skip("no user namespaces here, so no small disk can be mounted")
    await outcomes[fault]


async def test_every_fault_of_the_table_is_played_and_no_other() -> None:
    assert set(TABLE) == set(SCENES)
