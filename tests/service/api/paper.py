"""A printer on paper: in this process, without heat or motion, doing what tests tell it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.printers import Activity
from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    Accepted,
    Answer,
    AuthRequired,
    BadConnectionSettings,
    Capability,
    ConsoleLine,
    Control,
    Deleted,
    DriverTimings,
    EmergencyStop,
    Equipment,
    FileBody,
    Finds,
    HostFile,
    Identity,
    Levels,
    Manifest,
    Picture,
    Power,
    PowerDevice,
    PrinterOffline,
    Push,
    PushKind,
    Refused,
    Suggestion,
    Temperature,
    Watch,
)

KEY = "paper-secret"


@dataclass(slots=True)
class PaperHost:
    """What stands on the floor; tests play the machine and the people around it."""

    name: str
    online: bool = True
    warnings: tuple[str, ...] = ()
    mode: str = "idle"
    path: str | None = None
    memory: int = 1
    files: dict[str, str] = field(default_factory=dict)
    runs: list[list[str]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    started: list[str] = field(default_factory=list)
    orders: list[Control] = field(default_factory=list)
    stopped_at: list[float] = field(default_factory=list)
    reply: Answer | None = field(default_factory=Accepted)
    """What comes of an order; None: no answer until `answer` is called."""
    reply_to_stop: Answer = field(default_factory=Accepted)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    levels: Levels | None = None
    hot: float = 21.5
    said: list[ConsoleLine] = field(default_factory=list)
    powered: bool = True
    power: dict[str, bool] = field(default_factory=lambda: {"light": True})
    printed: HostFile | None = None
    """The file that it prints, or printed last, as it tells it."""
    picture: bytes = b""
    asked: list[str] = field(default_factory=list)
    """What was asked of the host for the panel, in its order."""

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def finish(self, outcome: str = "completed") -> None:
        self.runs[-1][1] = outcome
        self.mode, self.path = "idle", None
        await self.tell()

    async def print_foreign(self, path: str = "theirs.gcode") -> None:
        self.runs.append([path, ""])
        self.mode, self.path = "printing", path
        await self.tell()

    async def halt(self) -> None:
        self.mode, self.path = "halted", None
        await self.tell()

    async def forget(self) -> None:
        """Come back from a restart that remembers nothing, not even what was printing."""
        self.memory += 1
        self.runs.clear()
        self.mode, self.path = "idle", None
        await self.tell()

    async def vanish(self) -> None:
        self.online = False
        await self.tell()

    async def return_(self) -> None:
        self.online = True
        await self.tell()


class PaperDriver:
    """Fulfils `buildplate.drivers.sdk.Driver`."""

    def __init__(self, host: PaperHost, api_key: str, timings: DriverTimings) -> None:
        self._host = host
        self._api_key = api_key
        self._timings = timings

    def _reach(self) -> None:
        if not self._host.online:
            message = "nothing answers"
            raise PrinterOffline(message)

    async def connect(self, *, wake: bool = False) -> Identity:
        self._reach()
        if self._api_key != KEY:
            message = "the key was refused"
            raise AuthRequired(message)
        if self._host.mode == "halted" and wake:
            self._host.mode = "idle"
        return Identity("paper", "1", self._host.name, self._host.warnings)

    async def pushes(self) -> AsyncIterator[Push]:
        while True:
            self._reach()
            yield Push(
                PushKind.CHANGED,
                {"tool0": Temperature(self._host.hot, 0.0)},
                0.25 if self._host.mode == "printing" else None,
                60.0 if self._host.mode == "printing" else None,
                levels=self._host.levels,
                console=self._host.said,
            )
            self._host.said = []
            async with self._host.changed:
                await self._host.changed.wait()

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        self._reach()
        begun = self._timings.clock()
        host = self._host
        await asyncio.sleep(0)
        ours = watch is not None and host.path == watch.path
        kept = hashlib.sha256(repr((host.memory, host.runs)).encode()).hexdigest()
        return Reading(
            begun=begun,
            activity=self._activity(ours=ours),
            path=host.path,
            process=str(host.memory),
            channel=True,
            baseline={"memory": host.memory, "runs": len(host.runs)},
            foreign_ran=False,
            fingerprint=kept if deep else None,
            detail=host.mode,
            powered=host.powered,
            progress=0.25 if host.mode == "printing" else None,
            time_left_s=60.0 if host.mode == "printing" else None,
            evidence=None if watch is None else self._evidence(watch),
        )

    def _activity(self, *, ours: bool) -> Activity:
        match self._host.mode:
            case "printing":
                return Activity.OURS if ours else Activity.FOREIGN
            case "paused":
                return Activity.PAUSED if ours else Activity.FOREIGN
            case mode:
                return Activity(mode)

    def _evidence(self, watch: Watch) -> Evidence:
        host, base = self._host, watch.baseline
        same = base is not None and base["memory"] == host.memory
        entries = host.runs[base["runs"] :] if same and base is not None else []
        mine = [outcome for path, outcome in entries if path == watch.path]
        run = Run.NONE
        if host.path == watch.path:
            run = {"printing": Run.RUNNING, "paused": Run.PAUSED}.get(host.mode, Run.NONE)
        ending = None
        if mine and mine[-1]:
            ending = Ending.COMPLETED if mine[-1] == "completed" else Ending.FAILED
        return Evidence(
            run=run,
            began_since=same,
            ending=ending,
            reason=mine[-1] if mine and ending is Ending.FAILED else "",
            doubt=None if same or base is None else "the printer has lost its memory",
            silent=same and not mine,
            others_ran=len(mine) != len(entries),
            facts={"runs": len(entries)},
        )

    async def upload(self, name: str, body: FileBody) -> str:
        self._reach()
        digest = hashlib.sha256()
        async for piece in body.open():
            digest.update(piece)
        self._host.files[name] = digest.hexdigest()
        return name

    async def fetch_sha256(self, path: str) -> str | None:
        self._reach()
        return self._host.files.get(path)

    async def start(self, path: str) -> Answer:
        self._host.started.append(path)
        self._host.runs.append([path, ""])
        self._host.mode, self._host.path = "printing", path
        await self._host.tell()
        return Accepted()

    async def control(self, order: Control) -> Answer:
        self._host.orders.append(order)
        if isinstance(order, EmergencyStop):
            self._host.stopped_at.append(asyncio.get_running_loop().time())
            if self._host.reply_to_stop == Accepted():
                await self._host.halt()
            return self._host.reply_to_stop
        if self._host.reply is None:
            await self._host.answered.wait()
        if isinstance(order, Power) and self._host.reply == Accepted():
            self._host.power[order.device] = order.on
        return self._host.reply or Accepted()

    async def equipment(self) -> Equipment:
        self._reach()
        self._host.asked.append("equipment")
        return Equipment(
            macros=["PURGE_LINE"],
            power=[PowerDevice(name, on) for name, on in self._host.power.items()],
            suggestions=[Suggestion("M115", "Firmware")],
            file=self._host.printed,
        )

    async def file(self) -> HostFile | None:
        return self._host.printed

    async def picture(self, file: HostFile) -> Picture | None:
        self._reach()
        self._host.asked.append("picture")
        return Picture.of(self._host.picture) if file == self._host.printed else None

    async def cancel(self) -> Answer:
        await self._host.finish("cancelled")
        return Accepted()

    async def pause(self) -> Answer:
        return await self._switch("printing", "paused")

    async def resume(self) -> Answer:
        return await self._switch("paused", "printing")

    async def _switch(self, before: str, after: str) -> Answer:
        if self._host.mode != before:
            return Refused("not_so", f"it is {self._host.mode}")
        self._host.mode = after
        await self._host.tell()
        return Accepted()

    async def delete(self, path: str) -> Deleted:
        if path == self._host.path:
            return Deleted.IN_USE
        self._host.files.pop(path, None)
        return Deleted.GONE

    async def files(self, prefix: str) -> Sequence[str]:
        return [name for name in self._host.files if name.startswith(prefix)]

    async def barrier(self) -> None:
        self._reach()

    async def close(self) -> None:
        pass


def paper_manifest(floor: dict[str, PaperHost]) -> Manifest:
    """The driver of the hosts on a floor; a host is there as soon as somebody names it."""

    def make(connection: Mapping[str, Any], timings: DriverTimings) -> PaperDriver:
        extra = connection.keys() - {"host", "api_key", "tls"}
        if extra or not isinstance(connection.get("host"), str):
            message = f"host: is needed; unknown: {', '.join(sorted(extra))}"
            raise BadConnectionSettings(message)
        if not isinstance(connection.get("tls", True), bool):
            message = "tls: is true or false"
            raise BadConnectionSettings(message, fields={"tls": "is true or false"})
        host = floor.setdefault(connection["host"], PaperHost(connection["host"]))
        return PaperDriver(host, str(connection.get("api_key")), timings)

    return Manifest(
        name="paper",
        title="Paper",
        description="A printer on paper.",
        connection_schema={
            "type": "object",
            "required": ["host"],
            "additionalProperties": False,
            "properties": {
                "host": {"type": "string"},
                "api_key": {"type": "string"},
                "tls": {"type": "boolean"},
            },
        },
        make=make,
        capabilities=frozenset(
            {
                Capability.PAUSE,
                Capability.FETCH_BACK,
                Capability.PUSH,
                Capability.CONSOLE,
                Capability.EQUIPMENT,
                *CAPABILITY_OF.values(),
            }
            - {Capability.EXCLUDE_OBJECT}
        ),
        secrets=frozenset({"api_key"}),
        finds=Finds(
            services={"_paper._tcp": lambda found: {"host": found.address}},
            serial=lambda port: {"host": port.path},
        ),
    )
