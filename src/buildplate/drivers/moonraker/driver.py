"""Drives one Klipper printer behind a Moonraker: it reports and obeys, and decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from buildplate.drivers.moonraker import answers, equipment, levels, mapping, orders, power
from buildplate.drivers.moonraker.answers import Klippy, State
from buildplate.drivers.moonraker.channel import Channel, Pushes
from buildplate.drivers.moonraker.client import MoonrakerClient, read_version
from buildplate.drivers.moonraker.config import MoonrakerSettings
from buildplate.drivers.moonraker.mapping import Baseline
from buildplate.drivers.moonraker.printed import Printed
from buildplate.drivers.moonraker.reads import QUERY, Reads
from buildplate.drivers.moonraker.rpc import (
    FORBIDDEN,
    NO_METHOD,
    NOT_FOUND,
    REFUSED,
    Said,
)
from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    ConsoleLine,
    Control,
    Deleted,
    DriverError,
    DriverTimings,
    EmergencyStop,
    Equipment,
    FileBody,
    HostConfused,
    HostFile,
    HostFull,
    Identity,
    Picture,
    Power,
    Push,
    Reading,
    Refused,
    Speaker,
    Unknown,
    Watch,
    together,
)
from buildplate.drivers.sdk.web_files import bounded

AMPLE_ROOM, ROOM_KNOWN_S = 1 << 30, 120.0
"""Bytes free on the host above which it is not asked again before each upload, and for how long."""

AGAIN_SHARE = 0.05
"""Part of a request's time between tries to listen to a Klippy that does not let us."""

BARRIER = "M115"
"""Harmless, and answered only after everything that was queued before it, also after a shutdown."""

START, CANCEL = "printer.print.start", "printer.print.cancel"
PAUSE, RESUME = "printer.print.pause", "printer.print.resume"
SCRIPT = "printer.gcode.script"
BUSY, MISSING = "SD busy", "Unable to open file"
NO_FILE = "Invalid file path"


class MoonrakerDriver:
    """One printer behind one Moonraker; one connection, then a new driver."""

    def __init__(self, settings: MoonrakerSettings, timings: DriverTimings) -> None:
        self._timings = timings
        self._client = MoonrakerClient(settings, timings)
        self._channel = Channel(timings)
        self._reads = Reads(self._client, self._channel)
        self._printed = Printed(self._client, self._channel, timings)
        self._looked_to = 0
        self._room = (0.0, float("-inf"))
        self._closed = False

    # --- the connection --------------------------------------------------------------------------

    async def connect(self, *, wake: bool = False) -> Identity:
        """Open the connection with its subscription; PrinterOffline, AuthRequired, HostConfused.

        `wake` restarts the firmware of a Klipper that has shut down, or Klipper after an error.
        """
        self._client.open()
        await self._client.join(self._channel.take)
        rpc = self._client.rpc
        info = await rpc.read("server.info")
        version = read_version(info)
        await self._reads.listen()
        if wake and self._channel.klippy in (Klippy.SHUTDOWN, Klippy.ERROR):
            await self._wake()
        about = await self._reads.asked("printer.info")
        config = await self._reads.asked("server.config")
        self._channel.feeds.configured(config)
        if self._channel.feeds.any:
            self._channel.feeds.listed(await self._reads.asked(power.DEVICES))
        software = answers.text(about.get("software_version"), 60)
        return Identity(
            "Moonraker",
            f"{version} with Klipper {software}" if software else version,
            name=answers.text(about.get("hostname"), 100),
            warnings=answers.other_starters(config),
        )

    async def close(self) -> None:
        """Close the connection; safe to call at any time and more than once."""
        self._closed = True
        await self._client.close()

    async def _wake(self) -> None:
        """Bring Klippy back, and wait a little for it."""
        shut = self._channel.klippy is Klippy.SHUTDOWN
        method = "printer.firmware_restart" if shut else "printer.restart"
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._timings.request
        await self._reads.asked(method)
        while loop.time() < limit:
            await asyncio.sleep(self._timings.request / 50)
            if self._channel.klippy is Klippy.READY:
                await self._reads.listen()
                return

    def pushes(self) -> AsyncIterator[Push]:
        """Yield what the host sends until the connection is lost, then raise DriverError."""
        return Pushes(self._channel, self._news)

    async def tell(self, ear: Callable[[Push], None]) -> None:
        """Tell `ear` of all pushes until the connection is lost, then raise DriverError."""
        self._channel.ear = ear
        try:
            async for push in self.pushes():
                ear(push)
        finally:
            self._channel.ear = None

    async def _news(self) -> Push:
        """The next push, the subscription made anew where there is none."""
        while not self._channel.over:
            if (push := await self._channel.news()) is not None:
                return push
            await self._reads.listen()
            if self._channel.stale:
                await asyncio.sleep(self._timings.request * AGAIN_SHARE)
        raise self._client.lost

    # --- reading ---------------------------------------------------------------------------------

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        """Read the printer afresh. With `watch` the reading carries Evidence on that file.

        `deep` also digests everything the host keeps (Reading.fingerprint). Raises DriverError.
        """
        begun = self._timings.clock()
        base = None if watch is None or watch.baseline is None else Baseline.load(watch.baseline)
        async with bounded(self._timings.request):
            if self._channel.stale:
                await self._reads.listen()
            seq = self._channel.record.seq
            sight, digest = await self._reads.see(watch, base, deep=deep)
        path = None if watch is None else watch.path
        ours = path if base is not None and base.idle else None
        held = replace(self._channel.held, seq=seq)
        doing, detail = mapping.activity(sight, ours, ripe=held.ripe)
        stats = sight.current
        feeds = self._channel.feeds
        unfed = feeds.cut if sight.klippy is Klippy.READY else feeds.off
        unfed = () if stats.state in answers.RUNNING else unfed
        foreign = mapping.foreign_ran(self._channel.record.heard_since(self._looked_to), ours)
        self._noted(seq, base)
        return Reading(
            begun=begun,
            activity=doing,
            path=(stats.path or None) if stats.state in answers.RUNNING else None,
            process=held.process,
            channel=held.ripe,
            baseline=mapping.baseline(sight, held, path).dump(),
            foreign_ran=foreign,
            fingerprint=digest,
            detail=f"its power is off: {', '.join(unfed)}" if unfed else detail,
            powered=not unfed,
            progress=sight.progress,
            time_left_s=answers.read_time_left(stats, sight.progress),
            evidence=None if path is None else mapping.evidence(path, base, sight),
            answered=self._timings.clock(),
        )

    def _noted(self, seq: int, base: Baseline | None) -> None:
        """Remember up to where a reading has told the record, and forget what nobody needs.

        A baseline made on the reading reaches back to before its first read, so that nothing which
        happened in the middle of it is lost.
        """
        self._looked_to = self._channel.record.seq
        keep = seq
        if base is not None and self._channel.record.holds(base.epoch, base.seq):
            keep = min(seq, base.seq)
        self._channel.record.forget(keep)

    # --- files -----------------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> str:
        """Store the file under `name`, neither selecting nor printing it; answer the host's path.

        Raises HostFull, HostRefused, WrongContent, PrinterOffline, HostConfused, AuthRequired;
        nothing is concluded from those.
        """
        if not self._has_ample_room(body.size):
            await self._make_sure_of_room(body.size)
        answer = await self._client.upload(name, body)
        item = answer.get("item")
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str) or not path:
            raise HostConfused("the host did not say where it stored the file")
        if answer.get("print_started") or answer.get("print_queued"):
            raise HostConfused("the host took the file for printing although it was only to store")
        return path

    async def _make_sure_of_room(self, size: int) -> None:
        _, free = await self._folder()
        if free is not None and free < size:
            raise HostFull(f"{free:.0f} bytes are free on the host, the file has {size}")

    def _has_ample_room(self, size: int) -> bool:
        """Whether the host has said lately that it has room for this and much more."""
        free, told_at = self._room
        return free - size > AMPLE_ROOM and self._timings.clock() < told_at + ROOM_KNOWN_S

    async def _folder(self) -> tuple[list[str], float | None]:
        wish = {"path": "gcodes", "extended": False}
        answer = await self._client.rpc.read("server.files.get_directory", wish)
        names, free = answers.read_files(answer)
        self._room = (free or 0.0, self._timings.clock())
        return names, free

    async def fetch_sha256(self, path: str) -> str | None:
        """Fetch the stored file and answer the sha256 of its bytes; DriverError when it fails."""
        return await self._client.fetch_sha256(path)

    async def delete(self, path: str) -> Deleted:
        """Delete a stored file; a file that is not there is GONE. Never raises DriverError.

        Moonraker deletes a file that has just begun to print, and the print goes on: so Klipper is
        asked before, and again after it.
        """
        try:
            async with bounded(self._timings.command):
                if await self._reads.prints(path):
                    return Deleted.IN_USE
                deleted = await self._delete(path)
                prints = deleted is Deleted.GONE and await self._reads.prints(path)
                return Deleted.IN_USE if prints else deleted
        except DriverError:
            return Deleted.UNKNOWN

    async def _delete(self, path: str) -> Deleted:
        wish = {"path": f"gcodes/{path}"}
        try:
            await self._client.rpc.call(
                "server.files.delete_file", wish, seconds=self._timings.command
            )
        except Said as said:
            if said.code == REFUSED and said.words.startswith(NO_FILE):
                return Deleted.GONE
            told = {NOT_FOUND: Deleted.GONE, FORBIDDEN: Deleted.IN_USE}
            return told.get(said.code, Deleted.UNKNOWN)
        return Deleted.GONE

    async def files(self, prefix: str) -> Sequence[str]:
        """Paths of stored files whose name begins with `prefix`."""
        names, _ = await self._folder()
        return sorted(name for name in names if name.startswith(prefix))

    # --- physical commands -----------------------------------------------------------------------

    async def start(self, path: str) -> Answer:
        """Print the stored file, once. Refused only on the host's positive word."""
        late = partial(self._channel.answered_late, path)
        return await self._order(START, {"filename": path}, late=late)

    async def cancel(self) -> Answer:
        """Cancel whatever the host prints: the caller has just read that it is ours."""
        return await self._of_run(CANCEL, State.PRINTING, State.PAUSED)

    async def pause(self) -> Answer:
        """Pause the running print."""
        return await self._of_run(PAUSE, State.PRINTING)

    async def resume(self) -> Answer:
        """Resume the paused print."""
        return await self._of_run(RESUME, State.PAUSED)

    async def _of_run(self, method: str, *states: State) -> Answer:
        """Order something about a run, where there is one.

        Klipper answers "ok" to these without a print, and runs its macros, which may move the head.
        """
        try:
            async with bounded(min(self._timings.request, self._timings.command)):
                stats = (await self._reads.sight()).current
        except DriverError as error:
            return Unknown(str(error))
        if stats.state not in states:
            return Refused("not_running", f"the printer's print is {stats.state}")
        return await self._order(method)

    async def _order(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        late: Callable[[], None] | None = None,
        stops: bool = False,
    ) -> Answer:
        """Send one physical command, once, and say honestly what came of it. Never raises.

        It waits on the host until all G-code before it has run, which may take minutes. `stops`: it
        is the command that stops Klipper, so that a Klipper that has stopped is no surprise.
        """
        if self._closed:
            return Unknown("the connection is closed")
        before = self._channel.klippy
        try:
            rpc = self._client.rpc
            await rpc.call(method, params or {}, seconds=self._timings.command, late=late)
        except Said as said:
            return _refused(said)
        except DriverError as error:
            return Unknown(str(error))
        stopped = before is Klippy.READY and self._channel.klippy is not Klippy.READY
        if stopped and not stops:
            return Unknown("Klipper stopped before it had carried this out")
        return Accepted()

    async def control(self, order: Control) -> Answer:
        """Carry out what a person asked for; an emergency stop goes past everything queued."""
        if isinstance(order, EmergencyStop):
            return await self._order("printer.emergency_stop", stops=True)
        if isinstance(order, Power):
            return await self._switch(order)
        made = orders.script(order, self._machine())
        if isinstance(made, Refused):
            return made
        for line in made.text.splitlines():
            self._channel.sent(ConsoleLine(line, Speaker.SENT))
        answer = await self._order(SCRIPT, {"script": made.text})
        if made.undo and isinstance(answer, Refused):
            await self._order(SCRIPT, {"script": made.undo})
        return answer

    async def _switch(self, order: Power) -> Answer:
        """Switch a power device; off only where a fresh read shows that the machine rests."""
        try:
            rpc = self._client.rpc
        except DriverError as error:
            return Refused(error.code, f"nothing was switched: {error}")
        return await power.switch(rpc, order, self._timings, self._reads.sight)

    def _machine(self) -> orders.Machine:
        found = self._channel.found
        tool = answers.text(found.get("toolhead", {}).get("extruder"), 60)
        macros = [
            name.partition(" ")[2] for name in self._reads.objects if name.startswith("gcode_mac")
        ]
        homed = levels.homed_of(found)
        return orders.Machine(self._channel.names, macros, homed, tool or "extruder")

    async def equipment(self) -> Equipment:
        """What the host offers beside printing; DriverError."""
        listed = await self._reads.asked("printer.objects.list")
        objects = answers.read_objects(listed) if listed else self._reads.objects
        wanted = {name: equipment.ASKED[name] for name in equipment.ASKED if name in objects}
        found, cameras, devices, known, file = await together(
            self._reads.asked(QUERY, {"objects": wanted}),
            self._reads.asked("server.webcams.list"),
            self._reads.asked(power.DEVICES),
            self._reads.asked("printer.gcode.help"),
            self._printed.file(),
        )
        status = answers.read_status(found) if found else {}
        return Equipment(
            macros=equipment.read_macros(objects),
            objects=equipment.read_parts(status),
            mesh=equipment.read_mesh(status),
            cameras=equipment.read_cameras(cameras),
            power=equipment.read_power(devices),
            suggestions=equipment.read_suggestions(known),
            file=file,
        )

    async def file(self) -> HostFile | None:
        """The file that is printed, or was printed last; None where Moonraker does not say."""
        return await self._printed.file()

    async def picture(self, file: HostFile) -> Picture | None:
        """Fetch the picture of a file that `file` has told; DriverError."""
        return await self._printed.picture(file)

    async def barrier(self) -> None:
        """Return when everything queued on the host before this call has run; DriverError.

        The answer to what an emergency stop cut off proves nothing: it is asked whether Klipper is
        still as it was.
        """
        before = await self._reads.klippy()
        try:
            await self._client.rpc.call(SCRIPT, {"script": BARRIER}, seconds=self._timings.command)
        except Said as said:
            raise said.as_error() from None
        if await self._reads.klippy() != before:
            raise HostConfused("Klipper stopped or started while its queue was waited for")


def _refused(said: Said) -> Answer:
    """What an error says to a physical command: only a clear refusal is one."""
    if said.words.startswith(BUSY):
        return Refused("busy", said.words)
    if said.words.startswith(MISSING):
        return Refused("file_missing", said.words)
    if said.code in (REFUSED, FORBIDDEN, NOT_FOUND, NO_METHOD) or said.unauthorized:
        return Refused("refused", said.words)
    return Unknown(f"the host answered {said.code}: {said.words}")
