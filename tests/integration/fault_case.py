"""One fault of the table, played with a farm of its own on a real OctoPrint."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from buildplate.core.print_table import TERMINAL, PrintState
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.upload_names import upload_name
from buildplate.dispatch.model import JobView, PrintRecord
from tests.integration.farm import RunningFarm, part, running_farm, until
from tests.integration.fault_table import Moment
from tests.integration.octoprint_host import USER, OctoPrintHost

OURS = "bp-"
LEFT_BY_A_FORMER_FARM = upload_name("018bcfe5-6800-7000-8000-000000000001", 1)
"""A file that the tidying may delete: its print was made in November 2023, by its UUIDv7."""
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person sees of the print at one time, and what the host's log holds of it."""

    print: str
    job: str
    bed: str
    started: int
    done: int
    reason: str
    codes: frozenset[str]

    def meets(self, moment: Moment) -> bool:
        states = (self.print, self.job, self.bed) == (moment.print, moment.job, moment.bed)
        counts = (self.started, self.done) == (moment.started, moment.done)
        said = all(words in self.reason for words in moment.words)
        return states and counts and said and self.codes.issuperset(moment.codes)


class Case:
    """A host, a farm with its printer, at most one job, and the moments still to come."""

    def __init__(self, host: OctoPrintHost, folder: Path, moments: Sequence[Moment]) -> None:
        self.host = host
        self._folder = folder
        self._left = list(moments)
        self._stack = AsyncExitStack()
        self._joined: RunningFarm | None = None
        self.printer_id = ""
        self.job_id = ""

    @property
    def farm(self) -> RunningFarm:
        assert self._joined is not None, "the farm is closed"
        return self._joined

    async def __aenter__(self) -> Self:
        try:
            await self.open_farm()
            self.printer_id = (await self.farm.add(self.host)).id
        except BaseException:
            await self.close_farm()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_farm()

    async def open_farm(self) -> None:
        self._joined = await self._stack.enter_async_context(running_farm(self._folder))

    async def close_farm(self) -> None:
        self._joined = None
        await self._stack.aclose()

    # --- our side --------------------------------------------------------------------------------

    async def order(self, seconds: float, *, padding: int = 0) -> None:
        """Order one copy of a file that prints for about so long, without retries."""
        self.job_id = (await self.farm.order(part(seconds, padding))).job.id

    async def printing(self, seconds: float) -> None:
        """Order it and wait until it prints."""
        await self.order(seconds)
        await self.comes_to(PrintState.PRINTING)

    async def job(self) -> JobView:
        return await self.farm.farm.jobs.status(self.job_id)

    async def print(self) -> PrintRecord:
        prints = (await self.job()).prints
        assert len(prints) == 1, "no retries were asked for"
        return prints[0]

    async def comes_to(self, state: PrintState, limit: float = LIMIT_S) -> None:
        """Wait for a state that is not a moment of the table."""
        async with asyncio.timeout(limit):
            while (await self.print()).state is not state:
                await asyncio.sleep(0.05)

    async def step(self, step: str) -> None:
        """Wait until the farm has come to this step."""
        await until(lambda: step in self.farm.steps.seen, LIMIT_S)

    async def ask(self, kind: str) -> None:
        await self.farm.farm.prints.ask((await self.print()).id, kind, "a person")

    async def cancel(self) -> None:
        await self.farm.farm.jobs.cancel(self.job_id)

    async def resolve(self, outcome: PrintState, bed: Bed, *, override: bool = False) -> None:
        print_ = await self.print()
        await self.farm.farm.prints.resolve(
            print_.id, outcome, bed, override=override, who="a person"
        )

    async def clear_bed(self) -> None:
        await self.farm.clear(self.printer_id)

    async def link(self, link: Link) -> None:
        await self.farm.link(self.printer_id, link, LIMIT_S)

    async def activity(self, activity: Activity) -> None:
        live = self.farm.session(self.printer_id).live
        await until(lambda: live.activity is activity, LIMIT_S)

    async def host_is_back(self) -> None:
        """Start the host again and have the farm try at once instead of after its back-off."""
        await self.host.start()
        await self.farm.farm.fleet.connect(self.printer_id)

    async def enter_key(self, key: str) -> None:
        """A person enters another API key for the printer."""
        fleet = self.farm.farm.fleet
        record = await fleet.get(self.printer_id)
        connection = {**record.connection, "api_key": key}
        await fleet.edit(record.id, record.spec, connection, record.version)

    # --- a person at the host --------------------------------------------------------------------

    async def make_key(self) -> str:
        """A second API key of the host's user."""
        status, answer = await self.host.api("POST", f"/api/access/users/{USER}/apikey")
        assert status == 200
        return str(answer["apikey"])

    async def revoke_key(self) -> None:
        """Take that key back."""
        status, _ = await self.host.api("DELETE", f"/api/access/users/{USER}/apikey")
        assert status == 200

    async def path(self) -> str:
        path = (await self.print()).path
        assert path is not None
        return path

    async def press(self, **command: str) -> None:
        """A button of the running job."""
        status, answer = await self.host.api("POST", "/api/job", command)
        assert status == 204, answer

    async def start_there(self, path: str) -> None:
        command = {"command": "select", "print": True}
        status, answer = await self.host.api("POST", f"/api/files/local/{path}", command)
        assert status == 204, answer

    async def disconnect_there(self) -> None:
        await self.host.api("POST", "/api/connection", {"command": "disconnect"})

    async def foreign_file(self, seconds: float) -> str:
        """A file that a person stores on the host."""
        name = "by-hand.gcode"
        await self.host.put(name, part(seconds))
        return name

    async def host_is_idle(self) -> None:
        await self.host.printer_is("Operational", LIMIT_S)

    # --- the table -------------------------------------------------------------------------------

    async def shown(self) -> Shown:
        job, print_ = await self.job(), await self.print()
        live = self.farm.session(self.printer_id).live
        waits = await self.farm.farm.queue.waiting(print_.id)
        name = f"{OURS}{print_.id.replace('-', '')}"
        return Shown(
            print=print_.state.value,
            job=job.state.value,
            bed=(await self.farm.bed(self.printer_id)).value,
            started=sum(path.startswith(name) for path in self.host.starts()),
            done=sum(path.startswith(name) for path in self.host.completions()),
            reason=print_.reason or "",
            codes=frozenset(
                {live.link.value, live.activity.value, *(reason.code.value for reason in waits)}
            ),
        )

    async def meets(self, moment: str, *, hold: float = 0.0, limit: float = LIMIT_S) -> None:
        """Wait for the next moment of the table, and see that it stays so for `hold` seconds."""
        expected = self._left.pop(0)
        assert expected.moment == moment, "the scene and the table disagree on what comes next"
        seen = await self.shown()
        try:
            async with asyncio.timeout(limit):
                while not seen.meets(expected):
                    await asyncio.sleep(0.1)
                    seen = await self.shown()
        except TimeoutError:
            pytest.fail(_difference(expected, seen))
        kept_until = asyncio.get_running_loop().time() + hold
        while asyncio.get_running_loop().time() < kept_until:
            seen = await self.shown()
            assert seen.meets(expected), f"it did not stay so: {_difference(expected, seen)}"
            await asyncio.sleep(0.1)

    async def ends(self) -> None:
        """Everything promised was met, no copy was printed twice, nothing of ours is left there."""
        assert not self._left, f"moments that never came: {self._left}"
        print_ = await self.print()
        if print_.state not in TERMINAL:
            await self.cancel()
            await self.comes_to(PrintState.CANCELLED)
        assert (await self.shown()).done <= 1
        left: list[str] = []
        try:
            async with asyncio.timeout(20):
                while left := [path for path in await self.host.files() if path.startswith(OURS)]:
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"left over on the host: {left}")


def _difference(expected: Moment, seen: Shown) -> str:
    return f"\nexpected {expected}\nshown    {seen}"


def at_once(host: OctoPrintHost, method: str, path: str, body: Any = None) -> None:
    """One request made before anything else here goes on: for what a person does just then."""
    request = urllib.request.Request(  # noqa: S310 (a host of this test)
        host.url + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"X-Api-Key": host.api_key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (as above)
        assert answer.status == 204
