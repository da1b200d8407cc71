"""A farm with simulated printers, the people around it, and whoever starts it again when it dies.

The people are honest: they clear a bed on which they see a part, and they say of a print that needs
attention what the printer's own record says.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tests.faults.farms import Died, FarmProcess, KillAt, Nursery, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from buildplate_sim.launch import AdminClient

LOOK_S = 0.05
BUSY = ("claimed", "transferring", "starting", "printing", "paused", "cancelling")
Facts = dict[str, Any]


def part(name: str, seconds: float = 10.0) -> str:
    """G-code of a small part that is printed in about so many simulated seconds."""
    return f"; {name}\nG28\nG1 X10 Y10 Z0.2 F9000\nG1 X20 Y20 E2 F9000\nG4 S{seconds - 5:g}\n"


class FarmBroke(AssertionError):
    """The farm's process ended although nobody killed it."""


@dataclass(slots=True)
class Attention:
    """A print that was seen to need a person, and what the person said."""

    print_id: str
    reason: str
    printer: str
    said: str = ""


@dataclass(slots=True)
class Setting:
    """What a world is made of."""

    nursery: Nursery
    admin: AdminClient
    printers: Sequence[Facts]
    data_dir: Path
    factor: float
    settings: Facts = field(default_factory=dict)
    helpful: bool = True


class World:
    """One farm on its data folder, over all its lives."""

    def __init__(self, setting: Setting) -> None:
        self.admin = setting.admin
        self.printers = setting.printers
        self.deaths = 0
        self.attention: dict[str, Attention] = {}
        self.states: set[tuple[str, str]] = set()
        self.helpful = setting.helpful
        self.kill_points: list[KillAt] = []
        self.life: FarmProcess | None = None
        self.orders: dict[str, Facts] = {}
        self._setting = setting
        self._open = asyncio.Event()
        self._names: dict[str, str] = {}

    # --- the farm's lives ------------------------------------------------------------------------

    async def keep(self) -> None:
        """Start the farm, and start it again whenever it was killed."""
        setting = self._setting
        base = {"time_factor": setting.factor, "host": "127.0.0.1", **setting.settings}
        while True:
            kill = self.kill_points.pop(0) if self.kill_points else None
            marker = setting.data_dir / "killed"
            marker.unlink(missing_ok=True)
            self.life = life = await setting.nursery.start(setting.data_dir, base, kill)
            try:
                await life.connect()
            except Died:
                pass
            else:
                self._open.set()
                await life.listen()
                self._open.clear()
            status = await life.wait()
            if status != -signal.SIGKILL:
                raise FarmBroke(f"status {status}: {self.log_tail()}")
            self.deaths += 1

    def log_tail(self, size: int = 6000) -> str:
        """The end of what the farm wrote."""
        log = self._setting.data_dir / "farm.log"
        return log.read_text(errors="replace")[-size:] if log.exists() else ""

    async def kill(self) -> None:
        """SIGKILL, now."""
        life = self.life
        if life is not None and not life.ended.done():
            life.signal(signal.SIGKILL)
            await life.wait()

    async def ask(self, do: str, **order: Any) -> Any:
        """One order, repeated over the farm's deaths until it is answered."""
        while True:
            await self._open.wait()
            try:
                assert self.life is not None
                return await self.life.ask(do, **order)
            except Died:
                await asyncio.sleep(0.005)

    # --- what everybody wants --------------------------------------------------------------------

    async def furnish(self, *names: str) -> list[str]:
        """Add the named printers (all, by default) behind their proxies; their ids."""
        wanted = [one for one in self.printers if not names or one["name"] in names]
        return [await self._add(one) for one in wanted]

    async def _add(self, one: Facts) -> str:
        connection = {"url": one.get("proxy_url", one["url"]), "api_key": one["api_key"]}
        try:
            added = await self.ask("add_printer", name=one["name"], connection=connection)
        except Refused as error:
            if error.code != "name_taken":
                raise
            state = await self.ask("state")
            added = next(p for p in state["printers"] if p["name"] == one["name"])
        return str(added["id"])

    async def order(self, gcode: str, copies: int, *, name: str = "part", **more: Any) -> str:
        """A file and a job for it, kept over the farm's deaths; the job's id."""
        file = await self.ask("file", name=f"{name}.gcode", gcode=gcode)
        job = await self.ask("order", file=file["id"], copies=copies, key=name, **more)
        self.orders[job["id"]] = {"sha256": file["sha256"], "copies": copies, "file": file["id"]}
        return str(job["id"])

    async def state(self) -> Facts:
        """Everything, as the farm has it."""
        state: Facts = await self.ask("state")
        self._names = {one["id"]: one["name"] for one in state["printers"]}
        for print_ in state["prints"]:
            self.states.add((print_["id"], print_["state"]))
        return state

    async def until(
        self, condition: Callable[[Facts], Any], what: str, within_s: float = 30.0
    ) -> Any:
        """Look until the condition holds; what it answered."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = condition(await self.state())
                    if found:
                        return found
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"never came to this: {what}\n{await self.story()}") from None

    async def until_print(self, job: str, *states: str, within_s: float = 30.0) -> Facts:
        """The first print of the job that is in one of the states."""

        def look(state: Facts) -> Facts | None:
            for print_ in state["prints"]:
                if print_["job"] == job and print_["state"] in states:
                    return dict(print_)
            return None

        return dict(await self.until(look, f"a print of {job} in {states}", within_s))

    async def until_finished(self, *jobs: str, within_s: float = 60.0) -> None:
        """Every copy of the jobs (all, by default) is completed, and every printer free."""
        wanted = jobs or tuple(self.orders)

        def look(state: Facts) -> bool:
            done = Counter(p["job"] for p in state["prints"] if p["state"] == "completed")
            copies = {job["id"]: job["copies"] for job in state["jobs"]}
            free = not any(printer["active"] for printer in state["printers"])
            return free and all(done[job] >= copies[job] for job in wanted)

        await self.until(look, f"the end of {wanted}", within_s)

    async def story(self) -> str:
        """What there is to know when something went wrong."""
        lines = []
        try:
            async with asyncio.timeout(5):
                state = await self.ask("state")
                lines += [f"  {one}" for one in (*state["printers"], *state["prints"])]
                for print_ in state["prints"]:
                    if print_["state"] == "queued":
                        why = await self.ask("waiting", print_id=print_["id"])
                        lines.append(f"  print {print_['number']} waits: {why}")
        except TimeoutError:
            lines.append("  the farm does not answer")
        for printer in self.printers:
            for entry in await self.admin.log(printer["name"]):
                lines.append(f"  {printer['name']} {entry}")
        return "\n".join([*lines[-150:], "--- its log", self.log_tail()])

    # --- the people ------------------------------------------------------------------------------

    async def help(self) -> None:
        """Clear beds and answer for prints, as long as this runs."""
        while True:
            if self.helpful:
                state = await self.state()
                for printer in state["printers"]:
                    await self._care_for(printer, state["prints"])
            await asyncio.sleep(LOOK_S)

    async def _care_for(self, printer: Facts, prints: Sequence[Facts]) -> None:
        try:
            if printer["needs_attention"]:
                await self._answer_for(printer, prints)
            elif printer["bed"] != "clear" and printer["active"] is None:
                await self.clear_bed(printer)
        except Refused as refused:
            if refused.code not in {
                "bed_changed",
                "printer_has_active_print",
                "print_state",
                "printer_not_found",
            }:
                raise

    async def clear_bed(self, printer: Facts) -> None:
        """Take the part off the bed, if nothing runs there, and say so of the bed that was seen."""
        truth = await self.admin.printer(printer["name"])
        if truth["run"] is None:
            await self.admin.do(printer["name"], "clear-bed", by="person")
            await self.ask("clear_bed", printer=printer["id"], version=printer["bed_version"])

    async def _answer_for(self, printer: Facts, prints: Sequence[Facts]) -> None:
        print_ = next(one for one in prints if one["id"] == printer["active"])
        note = self.attention.setdefault(
            print_["id"], Attention(print_["id"], print_["reason"] or "", printer["name"])
        )
        if printer["link"] != "online":
            return
        outcome = await self.truth_of(printer["name"], print_["path"])
        if outcome == "running":
            return
        note.said = outcome
        truth = await self.admin.printer(printer["name"])
        bed = "occupied" if truth["bed"] else "clear"
        await self.ask("resolve", print_id=print_["id"], outcome=outcome, bed=bed)

    async def truth_of(self, printer: str, path: str) -> str:
        """What the printer's own record says of a file."""
        outcome = "not_started"
        for entry in await self.admin.log(printer):
            if entry.get("path") != path:
                continue
            if entry["event"] == "start":
                outcome = "running"
            elif entry["event"] == "end":
                outcome = "completed" if entry["outcome"] == "completed" else "failed"
        return outcome

    # --- counting --------------------------------------------------------------------------------

    async def count(self) -> Tally:
        """What the printers' records say happened."""
        tally = Tally()
        for printer in self.printers:
            for entry in await self.admin.log(printer["name"]):
                tally.take(printer["name"], entry)
        return tally


@dataclass(slots=True)
class Tally:
    """Physical starts and completions by content, and parts that were printed into others."""

    started: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    collisions: list[Facts] = field(default_factory=list)
    paths: Counter[str] = field(default_factory=Counter)

    def take(self, printer: str, entry: Facts) -> None:
        """Count one entry of a printer's record."""
        if entry.get("foreign"):
            return
        if entry["event"] == "start":
            self.started[entry["sha256"]] += 1
            self.paths[f"{printer}/{PurePosixPath(entry['path']).name}"] += 1
        elif entry["event"] == "end" and entry["outcome"] == "completed":
            self.completed[entry["sha256"]] += 1
        elif entry["event"] == "collision":
            self.collisions.append({"printer": printer, **entry})


def judge(world: World, tally: Tally, prints: Sequence[Facts]) -> list[str]:
    """Every way in which the promise was broken; empty when it was kept."""
    broken = []
    recorded = Counter(one["job"] for one in prints if one["state"] == "completed")
    for job, order in world.orders.items():
        made, said = tally.completed[order["sha256"]], recorded[job]
        if made > order["copies"]:
            broken.append(f"{made} parts of job {job} were printed, {order['copies']} were ordered")
        if said > made:
            broken.append(f"{said} prints of job {job} are called completed, {made} were")
        if said < order["copies"] and not order.get("cancelled"):
            broken.append(f"job {job} lost copies: {said} of {order['copies']}")
    broken += [f"a part was printed into another one: {one}" for one in tally.collisions]
    broken += [f"{path} was started {n} times" for path, n in tally.paths.items() if n > 1]
    return broken


@asynccontextmanager
async def world(setting: Setting, *kill_points: KillAt) -> AsyncIterator[World]:
    """A world that lives for as long as the block runs."""
    found = World(setting)
    found.kill_points = list(kill_points)
    async with asyncio.TaskGroup() as tasks:
        kept = [tasks.create_task(found.keep()), tasks.create_task(found.help())]
        try:
            yield found
        finally:
            for task in kept:
                task.cancel()
            await asyncio.gather(*kept, return_exceptions=True)
            if found.life is not None and not found.life.ended.done():
                found.life.signal(signal.SIGKILL)
                await found.life.wait()


Scenario = Callable[[World], Awaitable[None]]
