"""Bad days of one print on a simulated OctoPrint: the fault, and what has to be shown for it.

Each day says what its first print, its job, its bed and its printer come to before any person
helps, by which words, and how all prints have ended once people have helped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.lanes import Trial
from tests.faults.worlds import World, part

if TYPE_CHECKING:
    from tests.faults.truth import Facts

READ = {"method": "GET", "path": "/api/*"}
UPLOAD = {"method": "POST", "path": "/api/files/local"}
START = {"method": "POST", "command": "print"}
YEARS_S = 10 * 365 * 86_400.0
Deed = Callable[[World, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the farm shows of the first print before people help.

    `says` is part of the print's reason, or of the printer's problem or its bed's reason. `needs`
    tells whether the host has taken the evidence with it, so that a person has to say.
    """

    print: str
    job: str
    bed: str
    says: str = ""
    link: str = "online"
    activity: str = ""
    needs: bool = False


@dataclass(frozen=True, slots=True)
class BadDay:
    """One fault. `before` is done before the order, `during` while it prints, `after` in the end.

    `ends` are the states of all its prints, once everybody has helped.
    """

    name: str
    shown: Shown
    ends: tuple[str, ...] = ("completed",)
    before: Deed | None = None
    during: Deed | None = None
    after: Deed | None = None
    seconds: float = 30.0

    async def run(self, world: World) -> None:
        """Live through it."""
        name = world.printers[0]["name"]
        await world.furnish(name)
        await ready(world)
        if self.before is not None:
            await self.before(world, name)
        job = await world.order(part(self.name, self.seconds), 1)
        if self.during is not None:
            await world.until_print(job, "printing")
            await self.during(world, name)
        print_ = await self._compare(world, job)
        if self.shown.needs:
            world.forgotten.add(print_["id"])
        world.helpful = True
        if self.after is not None:
            await self.after(world, name)
        await world.until_finished()
        ends = Counter(one["state"] for one in (await world.state())["prints"])
        assert ends == Counter(self.ends), f"{self.name}: the prints ended as {ends}"

    async def _compare(self, world: World, job: str) -> Facts:
        wanted = self.shown

        def look(state: Facts) -> Facts | None:
            first = min((one for one in state["prints"]), key=lambda one: one["number"])
            (printer,) = state["printers"]
            words = [first["reason"], printer["problem"], printer["bed_reason"], printer["detail"]]
            fits = (
                first["state"] == wanted.print
                and printer["bed"] == wanted.bed
                and printer["link"] == wanted.link
                and wanted.activity in ("", printer["activity"])
                and any(wanted.says in (word or "") for word in words)
            )
            return dict(first) if fits else None

        print_ = dict(await world.until(look, str(wanted)))
        shown = await world.ask("job_state", job=job)
        assert shown["state"] == wanted.job, f"{self.name}: the job is {shown}"
        return print_


async def ready(world: World) -> None:
    """Say of a printer that is online that its bed is clear, as it is."""

    def online(state: Facts) -> Facts | None:
        (printer,) = state["printers"]
        return dict(printer) if printer["link"] == "online" else None

    seen = await world.until(online, "a printer that is online")
    if seen["bed"] != "clear":
        await world.ask("clear_bed", printer=seen["id"], version=seen["bed_version"])


# --- what happens ---------------------------------------------------------------------------------


def do(action: str, **params: Any) -> Deed:
    """Something done to the host."""

    async def deed(world: World, name: str) -> None:
        await world.admin.do(name, action, **params)

    return deed


def rule(at: str, play: str, **rest: Any) -> Deed:
    """A fault that the host plays at the next occasion."""

    async def deed(world: World, name: str) -> None:
        await world.admin.rule(name, at, play, **rest)

    return deed


def at_proxy(at: str, play: str, **rest: Any) -> Deed:
    """A fault that the network plays at the next occasion."""

    async def deed(world: World, name: str) -> None:
        await world.admin.proxy_rule(name, at, play, **rest)

    return deed


def edit(**changes: Any) -> Deed:
    """A person changes the printer's description."""

    async def deed(world: World, _: str) -> None:
        (printer,) = (await world.state())["printers"]
        await world.ask("edit_printer", printer=printer["id"], **changes)

    return deed


async def reconnect(world: World, name: str) -> None:
    """A person enters the printer's own address in the place of the proxy's."""
    one = next(printer for printer in world.printers if printer["name"] == name)
    await edit(connection={"url": one["url"], "api_key": one["api_key"]})(world, name)


async def forget_rules(world: World, name: str) -> None:
    """No more faults."""
    await world.admin.clear_rules(name)
    await world.admin.clear_proxy_rules(name)


async def print_at_the_touchscreen(path: str, world: World, name: str) -> None:
    """A person starts a file at the printer."""
    await world.admin.do(name, "print", path=path, gcode=part("mine", 20))
    await _until_state(world, name, "Printing")


async def delete_held_start(world: World, name: str) -> None:
    """A person deletes the file while its start is on its way."""
    await world.admin.proxy_rule(name, "request", "hold", params={"seconds": 10}, **START)

    async def remove() -> None:
        async with asyncio.timeout(20):
            while not (files := (await world.admin.printer(name))["files"]):
                await asyncio.sleep(0.01)
            while not world.stored("SELECT id FROM prints WHERE state = 'starting'"):
                await asyncio.sleep(0.01)
        await world.admin.do(name, "delete", path=files[0])

    assert world.errands is not None
    world.errands.create_task(remove())


async def delete_ours(world: World, name: str) -> None:
    """A person deletes the file that is being printed."""
    (path,) = (await world.admin.printer(name))["files"]
    await world.admin.do(name, "delete", path=path)


async def run_no_more(world: World, name: str) -> None:
    """The network to the printer is gone, and comes back after the print's end."""
    await world.admin.do(name, "deafen")


async def come_back(world: World, name: str) -> None:
    """The network is back."""
    await _until_state(world, name, "Operational")
    await world.admin.do(name, "listen")


async def _until_state(world: World, name: str, state: str) -> None:
    async with asyncio.timeout(20):
        while (await world.admin.printer(name))["state"] != state:
            await asyncio.sleep(0.01)


COMPLETED = Shown("completed", "completed", "occupied", "the printer")
FAILED_FIRST = ("completed", "failed")

BAD_DAYS = (
    BadDay(
        "octoprint restarted mid-print",
        Shown("needs_attention", "active", "occupied", "does not say why", needs=True),
        FAILED_FIRST,
        during=do("restart", down_s=4.0),
    ),
    BadDay(
        "octoprint restarted mid-print after a disconnect",
        Shown("failed", "queued", "occupied", "history has it as failed"),
        FAILED_FIRST,
        during=do("restart", down_s=4.0, counted=True),
    ),
    BadDay(
        "octoprint killed mid-print",
        Shown(
            "needs_attention", "active", "occupied", "does not say why", activity="idle", needs=True
        ),
        FAILED_FIRST,
        during=do("kill", down_s=4.0),
    ),
    BadDay(
        "key revoked mid-print",
        Shown("printing", "active", "occupied", "permission", link="auth_required"),
        during=do("revoke-key"),
        after=do("restore-key"),
    ),
    BadDay(
        "network lost until after the print's end",
        Shown("printing", "active", "occupied", link="offline"),
        during=run_no_more,
        after=come_back,
    ),
    BadDay(
        "file deleted mid-print",
        COMPLETED,
        during=delete_ours,
    ),
    BadDay(
        "file deleted before the start arrives",
        Shown("not_started", "queued", "clear", "never started"),
        ("completed", "not_started"),
        before=delete_held_start,
    ),
    BadDay(
        "the host's disk full for a while",
        Shown("queued", "queued", "clear", "could not be transferred"),
        before=rule("upload", "disk-full", times=-1),
        after=forget_rules,
    ),
    BadDay(
        "halted by a firmware error",
        Shown("failed", "queued", "occupied", "failed", activity="halted"),
        FAILED_FIRST,
        during=do("halt"),
        after=do("connect"),
    ),
    BadDay(
        "serial connection dropped mid-print",
        Shown("failed", "queued", "occupied", "failed", activity="halted"),
        FAILED_FIRST,
        during=do("fail"),
        after=do("connect"),
    ),
    BadDay(
        "cancelled at the touchscreen",
        Shown("failed", "queued", "occupied", "cancelled on the printer"),
        FAILED_FIRST,
        during=do("cancel"),
    ),
    BadDay(
        "every answer slow",
        COMPLETED,
        before=rule("answer", "slow", times=-1, params={"seconds": 3.0}, **READ),
        after=forget_rules,
    ),
    BadDay(
        "answers truncated mid-print",
        COMPLETED,
        during=rule("answer", "truncate", times=5, **READ),
    ),
    BadDay(
        "answers not JSON mid-print", COMPLETED, during=rule("answer", "not-json", times=5, **READ)
    ),
    BadDay("answers 500 mid-print", COMPLETED, during=rule("answer", "error", times=5, **READ)),
    BadDay("the start answered with 500", COMPLETED, before=rule("answer", "error", **START)),
    BadDay("the start answered with a page", COMPLETED, before=rule("answer", "not-json", **START)),
    BadDay(
        "the start's answer truncated", COMPLETED, before=at_proxy("answer", "truncate", **START)
    ),
    BadDay(
        "the start held for 20 s",
        COMPLETED,
        before=at_proxy("request", "hold", params={"seconds": 20.0}, **START),
    ),
    BadDay("the start replayed at once", COMPLETED, before=at_proxy("request", "replay", **START)),
    BadDay(
        "the upload replayed at once", COMPLETED, before=at_proxy("request", "replay", **UPLOAD)
    ),
    BadDay("the upload mixed up by the host", COMPLETED, before=rule("upload", "mixed")),
    BadDay("clock ten years ahead", COMPLETED, before=do("skew-clock", seconds=YEARS_S)),
    BadDay("clock ten years behind", COMPLETED, before=do("skew-clock", seconds=-YEARS_S)),
    BadDay("clock set back mid-print", COMPLETED, during=do("skew-clock", seconds=-7200.0)),
    BadDay(
        "a print started at the touchscreen",
        Shown("queued", "queued", "occupied", "did not start", activity="foreign"),
        before=partial(print_at_the_touchscreen, "mine.gcode"),
    ),
    BadDay(
        "our own leftover file started at the touchscreen",
        Shown("queued", "queued", "occupied", "did not start", activity="foreign"),
        before=partial(print_at_the_touchscreen, f"bp-{'0' * 32}-1.gcode"),
    ),
    BadDay(
        "the printer switched off in the farm mid-print",
        Shown("printing", "active", "occupied", link="disabled"),
        during=edit(enabled=False),
        after=edit(enabled=True),
    ),
    BadDay("the printer moved elsewhere mid-print", COMPLETED, during=edit(location="attic")),
    BadDay(
        "the printer's connection changed mid-print",
        COMPLETED,
        during=reconnect,
    ),
    BadDay("a host frozen mid-print", COMPLETED, during=do("freeze", seconds=40.0)),
)


def trials() -> list[Trial]:
    """All of them."""
    return [Trial(day.name, day.run, helpful=False) for day in BAD_DAYS]
