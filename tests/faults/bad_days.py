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

from tests.faults.lanes import FACTOR, Trial
from tests.faults.worlds import World, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.truth import Facts

READ = {"method": "GET", "path": "/api/*"}
UPLOAD = {"method": "POST", "path": "/api/files/local"}
START = {"method": "POST", "command": "print"}
YEARS_S = 10 * 365 * 86_400.0
UNHURRIED = 10.0
"""The farm's time factor where its time-outs must come apart from what is held on the way."""
WITHIN_S = 60.0
LONG_S = 100.0
"""Simulated seconds, four in all: longer than a farm at this factor waits for any read."""
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

    `ends` are the states of all its prints, once everybody has helped. That the fault was played is
    seen by its rules and by what it `leaves`: facts of entries in the printer's own record, or of
    the farm's events. `logs` is what the farm's log must have of it. With `held` a person holds the
    job as soon as it is starting, so that no next copy begins meanwhile. `farm_factor` is a time
    factor of the farm's own.
    """

    name: str
    shown: Shown
    ends: tuple[str, ...] = ("completed",)
    before: Deed | None = None
    during: Deed | None = None
    after: Deed | None = None
    seconds: float = 75.0
    leaves: tuple[Facts, ...] = ()
    logs: str = ""
    held: bool = False
    farm_factor: float | None = None

    async def run(self, world: World) -> None:
        """Live through it."""
        name = world.printers[0]["name"]
        await world.furnish(name)
        await ready(world)
        if self.before is not None:
            await self.before(world, name)
        job = await world.order(part(self.name, self.seconds), 1)
        if self.held:
            await world.until_print(job, "starting")
            await world.ask("hold", job=job, hold=True)
        if self.during is not None:
            await world.until_print(job, "printing")
            await self.during(world, name)
        print_ = await self._compare(world, job)
        if self.shown.needs:
            world.forgotten.add(print_["id"])
        await self._help(world, name, job)
        ends = Counter(one["state"] for one in (await world.state())["prints"])
        assert ends == Counter(self.ends), f"{self.name}: the prints ended as {ends}"
        await self._was_played(world, name)

    async def _help(self, world: World, name: str, job: str) -> None:
        world.helpful = True
        if self.after is not None:
            await self.after(world, name)
        if self.held:
            await world.ask("hold", job=job, hold=False)
        await world.until_finished(within_s=WITHIN_S)

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

        print_ = dict(await world.until(look, str(wanted), WITHIN_S))
        shown = await world.ask("job_state", job=job)
        assert shown["state"] == wanted.job, f"{self.name}: the job is {shown}"
        return print_

    async def _was_played(self, world: World, name: str) -> None:
        """A day that passes because its fault never came proves nothing."""
        seen = await played(world) or self.leaves or self.after is forget_rules
        assert seen, f"{self.name}: nothing says that its fault was played"
        told = [*await world.log(name), *await world.ask("events")]
        for facts in self.leaves:
            found = any(facts.items() <= entry.items() for entry in told)
            assert found, f"{self.name}: {facts} was never recorded\n{await world.story()}"
        assert self.logs in world.log_tail(1 << 20), f"{self.name}: the farm never said {self.logs}"


async def played(world: World) -> Sequence[Facts]:
    """The rules at the printers and their proxies; each was played at least once."""
    rules = []
    for printer in world.printers:
        for kind in ("printers", "proxies"):
            rules += await world.admin.request("GET", f"/{kind}/{printer['name']}/rules")
    never = [rule for rule in rules if not rule["played"]]
    assert not never, f"these were never played: {never}\n{await world.story()}"
    return rules


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
    async with asyncio.timeout(WITHIN_S):
        while (await world.admin.request("GET", f"/proxies/{name}"))["sockets"]:
            await asyncio.sleep(0.01)


async def forget_rules(world: World, name: str) -> None:
    """No more faults; those there were have been played."""
    await played(world)
    await world.admin.clear_rules(name)
    await world.admin.clear_proxy_rules(name)


async def print_at_the_touchscreen(path: str, world: World, name: str) -> None:
    """A person starts a file at the printer."""
    await world.admin.do(name, "print", path=path, gcode=part("mine", 120))
    await _until_state(world, name, "Printing")


async def delete_held_start(world: World, name: str) -> None:
    """A person deletes the file while its start is on its way."""
    held = 2.0 * FACTOR
    await world.admin.proxy_rule(name, "request", "hold", params={"seconds": held}, **START)

    async def remove() -> None:
        async with asyncio.timeout(WITHIN_S):
            while not (found := world.stored("SELECT path FROM prints WHERE state = 'starting'")):
                await asyncio.sleep(0.01)
        await world.admin.do(name, "delete", path=found[0][0])

    assert world.errands is not None
    world.errands.create_task(remove())


async def delete_ours(world: World, name: str) -> None:
    """A person deletes the file that is being printed."""
    run = (await world.admin.printer(name))["run"]
    await world.admin.do(name, "delete", path=run["path"])


async def run_no_more(world: World, name: str) -> None:
    """The network to the printer is gone, and comes back after the print's end."""
    await world.admin.do(name, "deafen")


async def come_back(world: World, name: str) -> None:
    """The network is back."""
    await _until_state(world, name, "Operational")
    await world.admin.do(name, "listen")


async def _until_state(world: World, name: str, state: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await world.admin.printer(name))["state"] != state:
            await asyncio.sleep(0.01)


def ended(outcome: str) -> Facts:
    """How a run ended, in the printer's own record."""
    return {"event": "end", "outcome": outcome}


def done(action: str) -> Facts:
    """Something that was done to the host, in its own record."""
    return {"event": "play", "action": action}


COMPLETED = Shown("completed", "completed", "occupied", "the printer")
FAILED_FIRST = ("completed", "failed")
EDITED = {"kind": "printer.edited"}
PERSONS_RUN = {"event": "start", "foreign": True}
NO_ANSWER = "no complete answer"

HOSTS = (
    BadDay(
        "octoprint restarted mid-print",
        Shown("needs_attention", "active", "occupied", "does not say why", needs=True),
        FAILED_FIRST,
        during=do("restart", down_s=4.0),
        leaves=({"event": "shut-down"}, ended("stopped")),
    ),
    BadDay(
        "octoprint restarted mid-print after a disconnect",
        Shown("failed", "queued", "occupied", "history has it as failed"),
        FAILED_FIRST,
        during=do("restart", down_s=4.0, counted=True),
        leaves=({"event": "shut-down"}, ended("stopped")),
    ),
    BadDay(
        "octoprint killed mid-print",
        Shown(
            "needs_attention", "active", "occupied", "does not say why", activity="idle", needs=True
        ),
        FAILED_FIRST,
        during=do("kill", down_s=4.0),
        leaves=({"event": "killed"}, ended("stopped")),
    ),
    BadDay(
        "key revoked mid-print",
        Shown("printing", "active", "occupied", "refuses the API key", link="auth_required"),
        during=do("revoke-key"),
        after=do("restore-key"),
        leaves=(done("revoke-key"),),
    ),
    BadDay(
        "network lost until after the print's end",
        Shown("printing", "active", "occupied", link="offline"),
        during=run_no_more,
        after=come_back,
        leaves=(done("deafen"), ended("completed")),
    ),
    BadDay(
        "a host frozen mid-print",
        COMPLETED,
        during=do("freeze", seconds=LONG_S),
        leaves=({"event": "frozen"}, {"event": "thawed"}),
        logs="to offline",
    ),
    BadDay("file deleted mid-print", COMPLETED, during=delete_ours, leaves=(done("delete"),)),
    BadDay(
        "the host's disk full for a while",
        Shown("queued", "queued", "clear", "could not be transferred"),
        before=rule("upload", "disk-full", times=-1),
        after=forget_rules,
    ),
    BadDay("the upload mixed up by the host", COMPLETED, before=rule("upload", "mixed")),
    BadDay(
        "clock ten years ahead",
        COMPLETED,
        before=do("skew-clock", seconds=YEARS_S),
        leaves=(done("skew-clock"),),
    ),
    BadDay(
        "clock ten years behind",
        COMPLETED,
        before=do("skew-clock", seconds=-YEARS_S),
        leaves=(done("skew-clock"),),
    ),
    BadDay(
        "clock set back mid-print",
        COMPLETED,
        during=do("skew-clock", seconds=-7200.0),
        leaves=(done("skew-clock"),),
    ),
)
"""What the host does, and what is done to it."""

PRINTERS = (
    BadDay(
        "halted by a firmware error",
        Shown("failed", "queued", "occupied", "failed", activity="halted"),
        FAILED_FIRST,
        during=do("halt"),
        after=do("connect"),
        leaves=(done("halt"), ended("failed")),
    ),
    BadDay(
        "serial connection dropped mid-print",
        Shown("failed", "queued", "occupied", "failed", activity="halted"),
        FAILED_FIRST,
        during=do("fail"),
        after=do("connect"),
        leaves=(done("fail"), ended("failed")),
    ),
    BadDay(
        "cancelled at the touchscreen",
        Shown("failed", "queued", "occupied", "cancelled on the printer"),
        FAILED_FIRST,
        during=do("cancel"),
        leaves=(done("cancel"), ended("cancelled")),
    ),
    BadDay(
        "a print started at the touchscreen",
        Shown("queued", "queued", "occupied", "did not start", activity="foreign"),
        before=partial(print_at_the_touchscreen, "mine.gcode"),
        leaves=(PERSONS_RUN,),
    ),
    BadDay(
        "our own leftover file started at the touchscreen",
        Shown("queued", "queued", "occupied", "did not start", activity="foreign"),
        before=partial(print_at_the_touchscreen, f"bp-{'0' * 32}-1.gcode"),
        leaves=(PERSONS_RUN,),
    ),
)
"""What the printer does, and people at it."""

ANSWERS = (
    BadDay(
        "every answer as slow as the farm can bear",
        COMPLETED,
        before=rule("answer", "slow", times=-1, params={"seconds": 0.5 * FACTOR}),
        after=forget_rules,
    ),
    BadDay(
        "every answer slower than the farm waits",
        Shown("queued", "queued", "clear", link="offline"),
        before=rule("answer", "slow", times=-1, params={"seconds": LONG_S}),
        after=forget_rules,
        logs="to offline",
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
)
"""What becomes of answers."""

REQUESTS = (
    BadDay(
        "the start held for 20 s",
        COMPLETED,
        before=at_proxy("request", "hold", params={"seconds": 20.0}, **START),
    ),
    BadDay(
        "the start held until after its time-out",
        COMPLETED,
        before=at_proxy("request", "hold", params={"seconds": 3.4 * FACTOR}, **START),
        leaves=({"event": "answer", "command": "print", "status": 204},),
        logs=NO_ANSWER,
        farm_factor=UNHURRIED,
    ),
    BadDay(
        "the start held until after its revocation",
        Shown("not_started", "queued", "clear", "never started"),
        ("completed", "not_started"),
        before=at_proxy("request", "hold", params={"seconds": 7.0 * FACTOR}, **START),
        leaves=({"event": "answer", "command": "print", "status": 404},),
        logs=NO_ANSWER,
        held=True,
        farm_factor=UNHURRIED,
    ),
    BadDay(
        "file deleted before the start arrives",
        Shown("not_started", "queued", "clear", "never started"),
        ("completed", "not_started"),
        before=delete_held_start,
        leaves=(done("delete"), {"event": "answer", "command": "print", "status": 404}),
        held=True,
        farm_factor=UNHURRIED,
    ),
    BadDay("the start replayed at once", COMPLETED, before=at_proxy("request", "replay", **START)),
    BadDay(
        "the upload replayed at once", COMPLETED, before=at_proxy("request", "replay", **UPLOAD)
    ),
)
"""What becomes of requests on their way. A command's time-out is 3 s where the farm is unhurried;
the file is revoked a second after it."""

EDITS = (
    BadDay(
        "the printer switched off in the farm mid-print",
        Shown("printing", "active", "occupied", link="disabled"),
        during=edit(enabled=False),
        after=edit(enabled=True),
        leaves=(EDITED,),
    ),
    BadDay(
        "the printer moved elsewhere mid-print",
        COMPLETED,
        during=edit(location="attic"),
        leaves=(EDITED,),
    ),
    BadDay(
        "the printer's connection changed mid-print",
        COMPLETED,
        during=reconnect,
        leaves=(EDITED,),
    ),
)
"""What people change in the farm."""

BAD_DAYS = (*HOSTS, *PRINTERS, *ANSWERS, *REQUESTS, *EDITS)


def trials() -> list[Trial]:
    """All of them."""
    return [
        Trial(day.name, day.run, farm_factor=day.farm_factor, helpful=False) for day in BAD_DAYS
    ]
