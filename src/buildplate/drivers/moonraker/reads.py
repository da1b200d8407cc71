"""Asks a Moonraker how things stand: what one look needs, and no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from buildplate.drivers.moonraker import answers, levels, mapping
from buildplate.drivers.moonraker.answers import Klippy, Row
from buildplate.drivers.moonraker.channel import Channel
from buildplate.drivers.moonraker.client import MoonrakerClient
from buildplate.drivers.moonraker.mapping import Baseline, Sight
from buildplate.drivers.moonraker.rpc import NO_METHOD, UNAVAILABLE, Said
from buildplate.drivers.sdk import PrinterOffline, Watch, together

PAGE, PAGES = 20, 20
"""Jobs of the history in one answer, and answers in one look: who prints more loses the proof."""

ASKED = ("webhooks", "print_stats", "virtual_sdcard", "idle_timeout")
QUERY = "printer.objects.query"


class Reads:
    """The reads of one connection, and the subscription that its channel hears."""

    def __init__(self, client: MoonrakerClient, channel: Channel) -> None:
        self._client = client
        self._channel = channel
        self._listening = asyncio.Lock()
        self._known_rows = False
        self.objects: frozenset[str] = frozenset()

    async def asked(
        self, method: str, params: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """What may be missing: an empty answer where the host does not say."""
        try:
            found = await self._client.rpc.call(method, params)
        except Said:
            return {}
        return found if isinstance(found, dict) else {}

    async def listen(self) -> None:
        """Subscribe, once for everybody who asks; Klippy may not let us yet."""
        async with self._listening:
            if not self._channel.stale:
                return
            rpc, turn = self._client.rpc, self._channel.turns
            try:
                listed = answers.read_objects(await rpc.call("printer.objects.list"))
                wanted = levels.subscription(listed)
                answer = await rpc.call("printer.objects.subscribe", {"objects": wanted})
                about = answers.object_of(await rpc.call("printer.info"), "Klipper")
            except Said as said:
                self._channel.klippy_says(_missing(said), said.words)
                return
            self.objects = listed
            self._channel.names = levels.names_of(wanted)
            process = answers.read_process(about)
            self._channel.subscribed(answers.read_status(answer), process, turn)
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Take in what the history got while nobody listened; at first that is no news."""
        rows, _ = await self._rows(None)
        self._channel.take_jobs(rows or (), news=self._known_rows)
        self._known_rows = True

    async def see(
        self, watch: Watch | None, base: Baseline | None, *, deep: bool
    ) -> tuple[Sight, str | None]:
        """All reads of one look, the history only where a decision depends on it."""
        wanted: list[Coroutine[Any, Any, Any]] = [self.query()]
        listed = deep or (watch is not None and not self._channel.runs(watch.path))
        wanted += [self._rows(base)] if listed else []
        wanted += [self.asked("server.history.totals")] if deep else []
        found, *more = await together(*wanted)
        sight = self._sight(found, base)
        if watch is not None and not listed and not sight.runs(watch.path):
            more = [await self._rows(base)]
        rows, reaches = more[0] if more else (None, False)
        sight = self._sight(found, base, rows, reaches=reaches)
        if not deep:
            return sight, None
        counted = answers.object_of(more[1].get("job_totals", {}), "its totals")
        return sight, mapping.fingerprint(sight, self._channel.process, counted)

    async def query(self) -> Mapping[str, Any]:
        """What Klippy says now; the channel takes it in, as it may be newer than the last push."""
        objects: dict[str, list[str] | None] = {
            name: list(levels.fields_of(name)) for name in ASKED
        }
        if self.objects and "idle_timeout" not in self.objects:
            objects["toolhead"] = list(levels.PLANNER)
        try:
            answer = await self._client.rpc.call(QUERY, {"objects": objects})
        except Said as said:
            state = _missing(said)
            self._channel.klippy_says(state, said.words)
            return {"webhooks": {"state": state.value, "state_message": said.words}}
        found = answers.read_status(answer)
        if not self._channel.stale:
            self._channel.merge(found)
        return found

    async def sight(self) -> Sight:
        """What Klippy says now, and nothing else."""
        return self._sight(await self.query(), None)

    def _sight(
        self,
        found: Mapping[str, Any],
        base: Baseline | None,
        rows: Sequence[Row] | None = None,
        *,
        reaches: bool = False,
    ) -> Sight:
        channel = self._channel
        klippy, words = answers.read_klippy(answers.object_of(found.get("webhooks", {}), "itself"))
        unbroken = (
            base is not None
            and channel.record.holds(base.epoch, base.seq)
            and base.process == channel.process
        )
        return Sight(
            klippy=klippy,
            words=words,
            stats=(stats := answers.read_stats(found)),
            working=answers.read_working(found),
            progress=answers.read_progress(found, stats),
            rows=rows,
            reaches=reaches,
            unbroken=unbroken,
            heard=channel.record.heard_since(base.seq) if base is not None and unbroken else (),
        )

    async def _rows(self, base: Baseline | None) -> tuple[tuple[Row, ...] | None, bool]:
        """The newest jobs of the history, and whether they go back to what the baseline knew."""
        rows: tuple[Row, ...] = ()
        for _ in range(PAGES):
            page = {"limit": PAGE, "start": len(rows), "order": "desc"}
            try:
                answer = await self._client.rpc.call("server.history.list", page)
            except Said as said:
                if said.code == NO_METHOD:
                    return None, False
                raise said.as_error() from None
            some = answers.read_rows(answer)
            rows += some
            last = None if base is None else base.last
            if len(some) < PAGE or (last is not None and some[-1].number <= last):
                return rows, True
            if base is None:
                break
        return rows, False

    async def prints(self, path: str) -> bool:
        """Whether Klipper prints this file now, or holds it paused."""
        return (await self.sight()).runs(path)

    async def klippy(self) -> tuple[Klippy, str, str]:
        """Klippy's state, process and subscription; PrinterOffline where Moonraker has none."""
        klippy = (await self.sight()).klippy
        if klippy is Klippy.DISCONNECTED:
            raise PrinterOffline("Moonraker has no connection to Klipper")
        return klippy, self._channel.process, self._channel.record.epoch


def _missing(said: Said) -> Klippy:
    """Which state of Klippy an error stands for where it was only asked for something."""
    if said.code in (UNAVAILABLE, NO_METHOD):
        return Klippy.DISCONNECTED
    raise said.as_error()
