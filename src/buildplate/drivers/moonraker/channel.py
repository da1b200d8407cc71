"""The evidence channel: the subscription to `print_stats`, and what it says from moment to moment.

Its record (`record.py`) begins when Moonraker has taken the subscription, and ends with the
websocket and with Klippy. It vouches for what did not happen only once it is ripe: Klipper shows a
print up to 250 ms late, and a start right after Klippy is ready may go without a name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from buildplate.drivers.moonraker import answers, levels
from buildplate.drivers.moonraker.answers import Klippy, Row, State, Stats
from buildplate.drivers.moonraker.feeds import Feeds
from buildplate.drivers.moonraker.mapping import ANSWERED, RAN, Held, notice
from buildplate.drivers.moonraker.record import Record
from buildplate.drivers.moonraker.rpc import LOST
from buildplate.drivers.sdk import ConsoleLine, DriverTimings, HostConfused, Push, PushKind

CONSOLE_LIMIT = 200
RIPE_SHARE, TELEMETRY_SHARE = 0.4, 0.05
"""What ripens in 2 s of a settle time of 5; and telemetry every 0.5 s of a request time of 10."""

NO_KLIPPY = "Moonraker has no connection to Klipper"
TELLING = {
    "webhooks": frozenset({"state"}),
    "print_stats": frozenset({"state", "filename"}),
    "idle_timeout": frozenset({"state"}),
    "pause_resume": frozenset({"is_paused"}),
}
"""Fields whose change asks for a fresh read."""

_NONE, _POSITION = object(), ("gcode_position",)
_TIMES = frozenset({"total_duration", "print_duration"})


class Channel:
    """What one websocket has told of the printer, and what of it is yet to be passed on."""

    __slots__ = (
        "_altered", "_at_rest", "_between", "_changed", "_console", "_due", "_fresh",
        "_listener", "_loop", "_moved", "_ripening", "_ripens", "_stats", "_still", "_timings",
        "_told_at", "_warmed", "begun", "ear", "feeds", "found", "klippy", "lost", "names",
        "process", "record", "stale", "turns", "words",
    )  # fmt: skip

    def __init__(self, timings: DriverTimings) -> None:
        self._timings = timings
        self._between = timings.request * TELEMETRY_SHARE
        self._stats: Stats | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: asyncio.Future[Push] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._ripens: asyncio.TimerHandle | None = None
        self._ripening = ""
        self._at_rest = self._changed = False
        self._fresh = False
        self._told_at = float("-inf")
        self._warmed: set[str] = set()
        self._moved = self._altered = False
        self._still = levels.STILL
        self._console: list[ConsoleLine] = []
        self.ear: Callable[[Push], None] | None = None
        self.found: dict[str, dict[str, Any]] = {}
        self.names: Mapping[str, str] = {}
        self.klippy, self.words = Klippy.DISCONNECTED, ""
        self.process = ""
        self.record = Record(timings.clock)
        self.turns = self.begun = 0
        self.feeds = Feeds()
        self.stale = True
        self.lost = False

    # --- its life --------------------------------------------------------------------------------

    @property
    def ripe(self) -> bool:
        """Whether the subscription has been held long enough to vouch for what did not happen."""
        ready = bool(self.record.epoch) and self.klippy is Klippy.READY and self._stats is not None
        return ready and self._has_age

    @property
    def _has_age(self) -> bool:
        age = self._timings.clock() - self.record.since
        return age >= self._timings.settle * RIPE_SHARE

    @property
    def held(self) -> Held:
        """The channel as an intent made now would rely on it."""
        record = self.record
        since = record.since if record.epoch else 0.0
        return Held(record.epoch, record.seq, self.process, ripe=self.ripe, since=since)

    def subscribed(self, status: Mapping[str, Any], process: str, turn: int) -> None:
        """The subscription is taken, and begins with this: a new stretch of the record.

        `turn` is what `turns` was before it was asked for: what Klippy lost meanwhile is none.
        """
        if turn != self.turns or self.lost:
            return
        self.stale = False
        self.process = process
        self.found = {}
        self._warmed.clear()
        self._moved = self._altered = True
        self.record.begin()
        self.merge(status)
        self._tell(changed=True)

    def broken(self) -> None:
        """Klippy is gone, and the subscription with it."""
        self.turns += 1
        self.stale, self._at_rest = True, False
        self.record.end()

    def take_jobs(self, rows: Sequence[Row], *, news: bool = True) -> None:
        """Take in jobs of the history, the newest first; at the beginning they are no news."""
        before = self.record.seq
        self.record.note_jobs(rows, news=news)
        self._tell(changed=self.record.seq != before)

    def answered_late(self, path: str) -> None:
        """A start that nobody waited for any more was answered as accepted after all."""
        self.record.note(ANSWERED, path)
        self._tell(changed=True)

    def _tell(self, *, changed: bool) -> None:
        self._fresh = True
        if changed:
            self._changed = True
        listener, loop = self._listener, self._loop
        if listener is None or loop is None or listener.done():
            return
        now = loop.time()
        if self._changed or (self.stale and self.klippy is not Klippy.DISCONNECTED):
            listener.set_result(self._push(now))
        elif self._due is None:
            due = self._told_at + self._between
            if now < due:
                self._due = loop.call_at(due, self._is_due)
            elif self.ear is None:
                listener.set_result(self._push(now))
            else:
                self.ear(self._push(now))

    def _is_due(self) -> None:
        self._due = None
        listener, loop = self._listener, self._loop
        if not (self._fresh or self._changed) or loop is None:
            return
        if listener is not None and not listener.done():
            self._hand_over(listener, loop.time())

    def _hand_over(self, listener: asyncio.Future[Push], now: float) -> None:
        """Give the next push to who waits; what is only to be shown needs nobody woken."""
        if self.ear is None or self._changed:
            listener.set_result(self._push(now))
        else:
            self.ear(self._push(now))

    # --- what the websocket tells ----------------------------------------------------------------

    def take(self, method: str, params: list[Any]) -> None:
        """One notification, in the order of the wire."""
        if method == "notify_status_update":
            if params and type(params[0]) is dict:
                self.merge(params[0])
            self._tell(changed=False)
            return
        match method:
            case "notify_gcode_response":
                self._say(params[0] if params else "")
            case "notify_history_changed":
                self._take_job(params[0] if params else None)
            case "notify_power_changed":
                self.feeds.changed(params[0] if params else None)
                self._changed = True
            case "notify_klippy_ready":
                self._klippy_is(Klippy.READY)
                self.broken()
            case "notify_klippy_shutdown":
                self._klippy_is(Klippy.SHUTDOWN)
            case "notify_klippy_disconnected":
                self._klippy_is(Klippy.DISCONNECTED)
                self.words = NO_KLIPPY
                self.broken()
            case _ if method == LOST:
                self.lost = self._changed = True
                self.record.end()
                self._let_go()
        self._tell(changed=False)

    def _say(self, said: object) -> None:
        for line in answers.text(said).splitlines()[:CONSOLE_LIMIT]:
            self._console.append(ConsoleLine(line, error=line.startswith(("!!", "// !!", "Error"))))
        if len(self._console) > 2 * CONSOLE_LIMIT:
            del self._console[:-CONSOLE_LIMIT]

    def sent(self, line: ConsoleLine) -> None:
        """A line that went out from here."""
        self._console = [*self._console[1 - CONSOLE_LIMIT :], line]
        self._tell(changed=False)

    def klippy_says(self, state: Klippy, words: str) -> None:
        """Klippy could not be asked: what Moonraker says of it instead."""
        if self.klippy is not state:
            self._klippy_is(state)
        self.words = words
        if state is Klippy.DISCONNECTED:
            self.broken()

    def runs(self, path: str) -> bool:
        """Whether the last word was that this file is in print."""
        stats = self._stats
        return stats is not None and stats.state in answers.RUNNING and stats.of(path)

    @property
    def latest(self) -> tuple[str, int]:
        """The file of the last print that a ready Klippy knows, and which run of this channel."""
        stats = self._stats if self.klippy is Klippy.READY else None
        standby = stats is None or stats.state is State.STANDBY
        return ("" if standby or stats is None else stats.path, self.begun)

    def _klippy_is(self, state: Klippy) -> None:
        self.klippy, self.words = state, ""
        self._changed = True

    def _take_job(self, told: object) -> None:
        job = told.get("job") if isinstance(told, dict) else None
        with suppress(HostConfused):  # a look reads the history itself
            self.take_jobs([answers.read_row(job)])
        self._changed = True

    def merge(self, status: Mapping[str, Any]) -> None:  # noqa: C901 (see below)
        """Take over changed fields, of what was subscribed to alone.

        By few calls: of a thousand machines each tells something once a second, and of what is
        called then nothing is in the processor's caches any more.
        """
        found = self.found
        for name, told in status.items():
            known = found.get(name)
            if known is None and (known := self._newcomer(name)) is None:
                continue
            if type(told) is not dict:
                continue
            many = len(told) > levels.FIELDS_MOST
            new: tuple[str, ...] = ()
            for field, value in (_wanted(name, told) if many else told).items():
                before = known.get(field, _NONE)
                if before is _NONE and field not in levels.fields_of(name):
                    continue
                said = value if type(value) in answers.SCALARS else answers.plain(value)
                if before != said:
                    known[field] = said
                    new = (*new, field)
            if not new:
                continue
            if new[0] in levels.HEATS:
                self._warmed.add(name)
            elif name != "gcode_move":
                self._note_new(name, new)
            else:
                self._moved = True
                self._altered = self._altered or new != _POSITION
        if "webhooks" in status:
            self.klippy, self.words = answers.read_klippy(found.get("webhooks", {}))

    def _newcomer(self, name: str) -> dict[str, Any] | None:
        """Where an object is kept that was not told of yet; None where it is not listened to."""
        if not levels.fields_of(name) or len(self.found) >= levels.OBJECTS_LIMIT:
            return None
        return self.found.setdefault(name, {})

    def _note_new(self, name: str, new: Sequence[str]) -> None:
        """Something of an object is new: what has to be told of it, and how soon."""
        if name == "print_stats":
            stats = self._stats
            runs = stats is not None and stats.state in answers.RUNNING
            if runs and _TIMES.issuperset(new):
                return
            if "info" in new:
                self._moved = self._altered = True
            if not runs or not answers.GROWING.issuperset(new):
                self._take_stats()
        elif name == "toolhead" or new[0] in levels.BLOWS:
            self._moved = self._altered = True
        if (telling := TELLING.get(name)) is not None and not telling.isdisjoint(new):
            self._changed = True

    def _take_stats(self) -> None:
        try:
            stats = answers.read_stats(self.found)
        except HostConfused:
            stats = None
        if stats is None:
            return
        for kind, path, word in notice(self._stats, stats):
            self.begun += kind == RAN
            self.record.note(kind, path, word)
            self._changed = True
        self._stats = stats

    # --- what is passed on -----------------------------------------------------------------------

    async def news(self) -> Push | None:
        """The next push: soon when something changed, else telemetry at a bounded rate.

        None when the subscription has to be made anew first.
        """
        loop = self._loop = asyncio.get_running_loop()
        if self.stale and self.klippy is not Klippy.DISCONNECTED and not self.lost:
            return None
        due = self._told_at + self._between
        if self._changed or self.lost or (self._fresh and loop.time() >= due):
            return self._push(loop.time())
        if self.record.epoch != self._ripening:
            self._ripen(loop)
        if self._fresh and self._due is None:
            self._due = loop.call_at(due, self._is_due)
        self._at_rest = True
        self._listener = loop.create_future()
        return await self._listener

    @property
    def over(self) -> bool:
        """Whether nothing is to be told any more: the loss of the websocket was the last."""
        return self.lost and not self._changed

    def waited_for(self) -> asyncio.Future[Push] | None:
        """The next push where nothing has to be done before it comes, else None: ask for `news`."""
        if not self._at_rest or self._changed or self._fresh or self._loop is None:
            return None
        listener = self._listener = self._loop.create_future()
        return listener

    def _ripen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have it told when the record is ripe: until then the machine counts as busy."""
        self._ripening = self.record.epoch
        if self._ripens is not None:
            self._ripens.cancel()
            self._ripens = None
        rest = self.record.since + self._timings.settle * RIPE_SHARE - self._timings.clock()
        if self._ripening and rest > 0:
            self._ripens = loop.call_later(rest, self._is_ripe, loop)

    def _is_ripe(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ripens = None
        if self.record.epoch == self._ripening and not self._has_age:
            self._ripen(loop)  # the two clocks need not agree to the millisecond
            return
        self._tell(changed=True)

    def _let_go(self) -> None:
        """Nothing is waited for any more."""
        for timer in (self._due, self._ripens):
            if timer is not None:
                timer.cancel()
        self._due = self._ripens = None
        self._is_due()

    def _push(self, now: float) -> Push:
        kind = PushKind.CHANGED if self._changed else PushKind.TELEMETRY
        if self._changed:  # the record may have begun anew
            self._at_rest = False
        self._changed = self._fresh = False
        self._told_at = now
        said: Sequence[ConsoleLine] = ()
        if self._console:
            said, self._console = self._console[-CONSOLE_LIMIT:], []
        stats = self._stats
        done, left = answers.read_pace(self.found, stats)
        if self._altered:
            self._altered, self._still = False, levels.read_still(self.found, self.names)
        warmed = levels.temperatures(self.found, self.names, self._warmed)
        self._warmed.clear()
        moved, self._moved = self._moved, False
        now_at = levels.read_levels(self.found, self._still) if moved else None
        state = "" if stats is None else stats.state
        return tuple.__new__(Push, (kind, warmed, done, left, state, now_at, said))


def _wanted(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was subscribed to, of what is told of an object."""
    return {field: told[field] for field in levels.fields_of(name) if field in told}


class Pushes(AsyncIterator[Push]):
    """A channel's pushes, one at a time; in a quiet hour nothing runs between two of them.

    `news` gives the next one where it does not only have to be waited for.
    """

    __slots__ = ("_channel", "_news")

    def __init__(self, channel: Channel, news: Callable[[], Coroutine[Any, Any, Push]]) -> None:
        self._channel = channel
        self._news = news

    def __anext__(self) -> Awaitable[Push]:
        """The next push, or the error that ended the channel."""
        return self._channel.waited_for() or self._news()
