"""A farm with simulated printers, the people around it, and whoever starts it again when it dies.

The people are honest: they clear a bed on which they see a part, and they say of a print that needs
attention what the printer's own record says.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from tests import postgres
from tests.faults.farms import Died, FarmProcess, KillAt, Nursery, Refused
from tests.faults.truth import Asked, Facts, Tally
from tests.integration.moonraker_side import gcode as klipper_gcode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from buildplate_sim.launch import AdminClient

LOOK_S = 0.05
AT_REST = frozenset({"queued", "completed", "failed", "cancelled", "not_started"})
RAN = "SELECT print_id FROM events WHERE kind IN ('print.printing', 'print.paused')"
DATABASE = "buildplate.db"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
OCTOPRINT, MOONRAKER, MARLIN = "octoprint", "moonraker", "marlin"
SIZE = (100.0, 10.0, 10.0)
"""mm that a part needs whose file does not tell it: its nozzle stays cold."""
LONGEST_PART_S = 1000.0
MARKER = "killed"


def part(name: str, seconds: float = 10.0) -> str:
    """G-code of a small part that is printed in about so many simulated seconds."""
    return f"; {name}\nG28\nG1 X10 Y10 Z0.2 F9000\nG1 X20 Y20 E2 F9000\nG4 S{seconds - 5:g}\n"


def seconds_of(gcode: str) -> float:
    """The simulated seconds that a part was made for; the longest are cut short."""
    (seconds,) = re.findall(r"^G4 S([\d.e+]+)", gcode, re.MULTILINE)
    return min(5 + float(seconds), LONGEST_PART_S)


def klipper_part(gcode: str) -> str:
    """The same part in words that a Klipper machine without heaters prints."""
    name = gcode.partition("\n")[0].removeprefix("; ")
    return klipper_gcode(seconds_of(gcode), name).decode()


class FarmBroke(AssertionError):
    """The farm's process ended although nobody killed it."""

    def __init__(self, status: int, log: str) -> None:
        super().__init__(f"the farm ended with {status}:\n{log}")


class NeverCame(AssertionError):
    """What was waited for did not happen in time."""

    def __init__(self, what: str, story: str) -> None:
        super().__init__(f"never came to this: {what}\n{story}")


@dataclass(slots=True)
class Setting:
    """What a world is made of."""

    nursery: Nursery
    admin: AdminClient
    printers: Sequence[Facts]
    data_dir: Path
    factor: float
    farm_factor: float | None = None
    settings: Facts = field(default_factory=dict)
    template: Path | None = None
    look_s: float = LOOK_S
    helpful: bool = True
    database: str = SQLITE
    driver: str = OCTOPRINT

    @property
    def seen(self) -> Path:
        """The data folder as it is seen from here: its farms may have a disk of their own."""
        return self.nursery.root / self.data_dir.relative_to("/")


class World:
    """One farm on its data folder, over all its lives."""

    def __init__(self, setting: Setting) -> None:
        self.admin = setting.admin
        self.printers = setting.printers
        self.printer_factor = setting.factor
        self.deaths = 0
        self.marked_deaths = 0
        self.helpful = setting.helpful
        self.kill_points: list[KillAt | None] = []
        self.killed_in: Counter[str] = Counter()
        self.blinded: dict[str, str] = {}
        self.blinded_at: defaultdict[str, list[float]] = defaultdict(list)
        self.forgotten: set[str] = set()
        self.life: FarmProcess | None = None
        self.errands: asyncio.TaskGroup | None = None
        self.orders: dict[str, Facts] = {}
        self._setting = setting
        self._open = asyncio.Event()
        self._began = time.time()
        self._latest: Facts = {}
        self._looked_at = 0.0
        self._looked = asyncio.Condition()

    # --- the farm's lives ------------------------------------------------------------------------

    async def keep(self) -> None:
        """Start the farm, and start it again whenever it was killed."""
        setting = self._setting
        factor = setting.farm_factor or setting.factor
        base = {"time_factor": factor, **setting.settings}
        while True:
            kill = self.kill_points.pop(0) if self.kill_points else None
            marker = setting.seen / MARKER
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
                raise FarmBroke(status, self.log_tail())
            await self._died(time.time())
            self.deaths += 1
            self.marked_deaths += marker.exists()

    async def _died(self, died_at: float) -> None:
        """Keep the prints whose start the killed farm alone could have told from none.

        Those that were starting, and those whose cancel came before their start was seen.
        """
        prints = self.stored("SELECT id, path, state FROM prints")
        ran = {one for (one,) in self.stored(RAN)}
        self.killed_in.update({state for _, _, state in prints if state not in AT_REST})
        self.blinded.update({one: path for one, path, state in prints if state == "starting"})
        for one, _, state in prints:
            if state == "starting" or (state == "cancelling" and one not in ran):
                self.blinded_at[one].append(died_at)

    async def marked(self) -> FarmProcess:
        """Wait until the farm has come to its kill point; for one where it only stops."""
        async with asyncio.timeout(30):
            while not (self._setting.seen / MARKER).exists():
                await asyncio.sleep(0.01)
        assert self.life is not None
        return self.life

    @property
    def database(self) -> Path:
        """Where its database lies."""
        return self._setting.seen / DATABASE

    def stored(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        url = self._setting.settings.get("database_url")
        if url:
            return [tuple(row) for row in postgres.say(url, query)]
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as rows:
            return rows.execute(query).fetchall()

    def hold_elsewhere(self, job: str) -> bool:
        """Hold a job as another server on this database would; False if it is not let. Blocks."""
        url = self._setting.settings["database_url"]
        statement = f"UPDATE jobs SET hold = true, version = version + 1 WHERE id = '{job}'"  # noqa: S608
        try:
            postgres.say(url, "SET lock_timeout = '1s'", statement)
        except asyncpg.LockNotAvailableError:
            return False
        return True

    def log_tail(self, size: int = 6000) -> str:
        """The end of what the farm wrote."""
        log = self._setting.data_dir.with_name(f"{self._setting.data_dir.name}.log")
        return log.read_text(errors="replace")[-size:] if log.exists() else ""

    async def opened(self) -> None:
        """Wait until the farm answers."""
        await self._open.wait()

    async def kill(self) -> None:
        """SIGKILL, now."""
        life = self.life
        if life is not None and not life.ended.done():
            await life.kill()

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
        driver = one.get("driver", "octoprint")
        try:
            added = await self.ask(
                "add_printer",
                name=one["name"],
                connection=self.connection_of(one),
                driver=driver,
            )
        except Refused as error:
            if error.code != "name_taken":
                raise
            state = await self.ask("state")
            added = next(p for p in state["printers"] if p["name"] == one["name"])
        return str(added["id"])

    def connection_of(self, one: Facts) -> Facts:
        """How a printer is reached: through its proxy, where it has one."""
        return {"url": one.get("proxy_url", one["url"]), "api_key": one["api_key"]}

    async def wake(self, _: str) -> None:
        """What a printer needs of a person at its side after an emergency stop: here, nothing."""

    async def stopped(self, _: str) -> bool:
        """Whether a printer has stopped for good and cannot say so: a host can."""
        return False

    async def jogs(self, name: str) -> int:
        """How often the head was moved by hand, by the printer's record."""
        return sum(entry.get("order") == "jog" for entry in await self.log(name))

    def made(self, gcode: str, name: str) -> tuple[str, Facts]:
        """The part in words of the world's printers, and what more the order says; `name` its."""
        if self._setting.driver == MOONRAKER:
            return klipper_part(gcode), {"size": SIZE}
        return gcode, {}

    def ordered(self, order: Facts, gcode: str) -> None:
        """Keep what else is to be known of an order."""

    async def order(self, gcode: str, copies: int, *, name: str = "part", **more: Any) -> str:
        """A file and a job for it, kept over the farm's deaths; the job's id."""
        gcode, needs = self.made(gcode, name)
        gcode = f"; made for {self._setting.data_dir}\n{gcode}"
        file = await self.ask("file", name=f"{name}.gcode", gcode=gcode)
        job = await self.ask("order", file=file["id"], copies=copies, key=name, **needs, **more)
        order = {"sha256": file["sha256"], "copies": copies, "file": file["id"]}
        self.ordered(order, gcode)
        self.orders[job["id"]] = order
        return str(job["id"])

    async def state(self) -> Facts:
        """Everything, as the farm has it."""
        state: Facts = await self.ask("state")
        return state

    async def until(
        self, condition: Callable[[Facts], Any], what: str, within_s: float = 30.0
    ) -> Any:
        """Look until the condition holds; what it answered."""
        try:
            async with asyncio.timeout(within_s):
                begun = time.monotonic()
                while not (found := condition(await self._next_look(begun))):
                    pass
                return found
        except TimeoutError:
            raise NeverCame(what, await self.story()) from None

    async def _next_look(self, since: float) -> Facts:
        """What the people around the farm see when they look next, `since` or later."""
        async with self._looked:
            while True:
                await self._looked.wait()
                if self._looked_at >= since:
                    return self._latest

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
            lines += [f"  {printer['name']} {entry}" for entry in await self.log(printer["name"])]
        return "\n".join([*lines[-150:], "--- its log", self.log_tail()])

    # --- the people ------------------------------------------------------------------------------

    async def help(self) -> None:
        """Clear beds and answer for prints, as long as this runs."""
        while True:
            begun = time.monotonic()
            state = await self.state()
            if self.helpful:
                for printer in state["printers"]:
                    await self._care_for(printer, state["prints"])
            async with self._looked:
                self._latest, self._looked_at = state, begun
                self._looked.notify_all()
            await asyncio.sleep(self._setting.look_s)

    async def _care_for(self, printer: Facts, prints: Sequence[Facts]) -> None:
        try:
            if printer["needs_attention"]:
                await self._answer_for(printer, prints)
            elif printer["bed"] != "clear" and printer["active"] is None:
                await self.clear_bed(printer)
        except Refused as refused:
            if refused.code not in {
                "bed_changed",
                "not_seen_yet",
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
        if printer["link"] != "online":
            return
        outcome = await self.truth_of(printer["name"], print_["path"])
        if outcome == "running":
            return
        truth = await self.admin.printer(printer["name"])
        bed = "occupied" if truth["bed"] else "clear"
        await self.ask("resolve", print_id=print_["id"], outcome=outcome, bed=bed)

    async def truth_of(self, printer: str, path: str) -> str:
        """What the printer's own record says of a file."""
        outcome = "not_started"
        for entry in await self.log(printer):
            if entry.get("path") != path:
                continue
            if entry["event"] == "start":
                outcome = "running"
            elif entry["event"] == "end":
                outcome = "completed" if entry["outcome"] == "completed" else "failed"
        return outcome

    async def log(self, printer: str) -> list[Facts]:
        """What the printer itself has recorded in this world's time."""
        entries = await self.admin.log(printer)
        return [entry for entry in entries if entry["t"] >= self._began]

    async def asked_about(self) -> list[Asked]:
        """Every time that the farm asked a person about a print, from its own events."""
        names = {one["id"]: one["name"] for one in (await self.state())["printers"]}
        intents: dict[str, float] = {}
        found = []
        for event in await self.ask("events", kind="print."):
            if event["kind"] == "print.starting":
                intents[event["print"]] = event["at"]
            elif event["kind"] == "print.needs_attention":
                print_id, printer = event["print"], names[event["printer"]]
                when = (intents[print_id], event["at"])
                found.append(Asked(print_id, printer, event["reason"], *when))
        return found

    async def needing_people(self) -> set[str]:
        """The prints of which nobody but a person can tell what became of them.

        A kill while a print was starting takes the proof away that it never ran; whether it ran is
        then seen on the printer. `forgotten` are those whose host lost its memory.
        """
        started = {
            entry["path"]
            for printer in self.printers
            for entry in await self.log(printer["name"])
            if entry["event"] == "start"
        }
        return {one for one, path in self.blinded.items() if path not in started} | self.forgotten

    async def further_problems(self) -> list[str]:
        """What else was promised and broken."""
        return []

    # --- counting --------------------------------------------------------------------------------

    async def count(self) -> Tally:
        """What the printers' records say happened."""
        tally = Tally()
        for printer in self.printers:
            for entry in await self.log(printer["name"]):
                tally.take(printer["name"], entry)
        return tally


@asynccontextmanager
async def world(
    setting: Setting, *kill_points: KillAt | None, kind: type[World] = World
) -> AsyncIterator[World]:
    """A world that lives for as long as the block runs."""
    setting.seen.mkdir(parents=True, exist_ok=True)
    if setting.database == POSTGRESQL:
        setting.settings["database_url"] = await asyncio.to_thread(postgres.new_database)
    elif setting.template is not None:
        shutil.copy(setting.template, setting.seen / DATABASE)
    found = kind(setting)
    found.kill_points = list(kill_points)
    async with asyncio.TaskGroup() as tasks:
        kept = [tasks.create_task(found.keep()), tasks.create_task(found.help())]
        found.errands = tasks
        try:
            yield found
        finally:
            try:
                for task in kept:
                    task.cancel()
                await asyncio.gather(*kept, return_exceptions=True)
            finally:
                await found.kill()
                if setting.database == POSTGRESQL:
                    url = setting.settings["database_url"]
                    await asyncio.to_thread(postgres.give_back, url)


async def empty_database(nursery: Nursery, folder: Path) -> Path:
    """A database with its schema and nothing in it, to begin worlds with."""
    await asyncio.to_thread(folder.mkdir)
    life = await nursery.start(folder, {})
    await life.connect()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(life.listen())
        await life.ask("stop")
        assert await life.wait() == 0
    return folder / DATABASE
