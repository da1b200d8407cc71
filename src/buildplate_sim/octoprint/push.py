"""The push socket of a simulated OctoPrint: raw JSON messages, silent until it is authorised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.websocket import WebSocket, frame

if TYPE_CHECKING:
    from buildplate_sim.octoprint.software import OctoPrint
    from buildplate_sim.web import Connection


def message(kind: str, content: Any) -> bytes:
    """One push message, framed."""
    return frame(orjson.dumps({kind: content}))


class PushSocket(WebSocket):
    """One client of the push API."""

    def __init__(self, connection: Connection, software: OctoPrint) -> None:
        super().__init__(connection)
        self.software = software
        self.authorised = False
        self.throttle = 1
        self.logs: bool | re.Pattern[str] = True
        self._logged = software.host.by_hand.logged
        self.events: bool | list[str] = True
        self.state = True
        self.ticks = 0

    def opened(self) -> None:
        """Say hello, and nothing else yet."""
        self.software.voice.sockets.add(self)
        self.send(message("connected", self.software.views.connected()))

    def lost(self) -> None:
        """The client is gone."""
        self.software.voice.sockets.discard(self)

    def received(self, text: str) -> None:
        """A message of the client: carried out when the host is awake."""
        try:
            wish = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if not isinstance(wish, dict):
            return
        if "auth" in wish:
            self._authorise(str(wish["auth"]))
        if "throttle" in wish:
            self.throttle = max(1, int(wish["throttle"]))
        if "subscribe" in wish and isinstance(wish["subscribe"], dict):
            self._subscribe(wish["subscribe"])

    def _authorise(self, token: str) -> None:
        if not self.software.session_valid(token):
            self.authorised = False
            self.send(message("reauthRequired", {"reason": "stale"}))
            return
        self.authorised = True
        name = token.partition(":")[0]
        self.software.voice.emit("ClientAuthed", {"username": name, "remoteAddress": "127.0.0.1"})
        self._greet()
        self.send(message("timelapse", None))

    def _subscribe(self, wish: dict[str, Any]) -> None:
        state = wish.get("state", False)
        self.state = bool(state)
        wanted = state.get("logs", False) if isinstance(state, dict) else bool(state)
        self.logs = re.compile(wanted) if isinstance(wanted, str) else bool(wanted)
        self.events = wish.get("events", False)
        if self.authorised:
            self._greet()

    def _greet(self) -> None:
        if self.state:
            self.send(message("history", self.software.views.history()))

    def wants_event(self, kind: str) -> bool:
        """Whether the client asked for this kind of event."""
        if not self.authorised:
            return False
        return kind in self.events if isinstance(self.events, list) else self.events

    def log_lines(self) -> list[str]:
        """The new lines of the serial log that the client wants."""
        by_hand, since = self.software.host.by_hand, self._logged
        self._logged = by_hand.logged
        wanted = self.logs
        if not wanted or since == self._logged:
            return []
        lines = by_hand.since(since)
        return lines if wanted is True else [line for line in lines if wanted.search(line)]

    def due(self) -> bool:
        """Whether the next level message is due at this tick."""
        self.ticks += 1
        return self.authorised and self.state and self.ticks % self.throttle == 0

    def deauthorise(self, reason: str) -> None:
        """The client's right is gone."""
        self.authorised = False
        self.send(message("reauthRequired", {"reason": reason}))
