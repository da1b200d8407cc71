"""One boot of a simulated Moonraker: its clients, its tokens, its history and its Klippy."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.klippy.life import Life
from buildplate_sim.moonraker.history import History
from buildplate_sim.moonraker.link import Link
from buildplate_sim.websocket import frame

if TYPE_CHECKING:
    from buildplate_sim.klippy.webhooks import Client
    from buildplate_sim.moonraker.host import Host
    from buildplate_sim.moonraker.rpc import RpcSocket

KEPT_LINES = 1000
"""Console lines that are kept for clients that come later, and notices for a frozen program."""

LONGEST_TOKEN_LIFE = 64


class Moonraker:
    """The program; it dies at a kill, its files and its history do not."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.life = Life(host.box.pulse, host.box.later)
        self.frozen = False
        self.sockets: set[RpcSocket] = set()
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self._unsaid: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._tokens: deque[str] = deque(maxlen=LONGEST_TOKEN_LIFE)
        self.history = History(host.root / "history.json", self._history_changed, host.history_play)
        self.link = Link(self)

    # --- telling

    def tell(self, method: str, *params: Any) -> None:
        """Tell every client that is let in; those without anything to say have no `params`."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params:
            message["params"] = params
        framed = frame(orjson.dumps(message))
        if self.frozen:
            self._unsaid.append(framed)
        else:
            self._send(framed)

    def _send(self, framed: bytes) -> None:
        for socket in list(self.sockets):
            if socket.let_in:
                self.host.push_out(socket, framed)

    def said(self, line: str) -> None:
        """Klippy has said something."""
        self.lines.append({"message": line, "time": time.time(), "type": "response"})
        self.tell("notify_gcode_response", line)

    def _history_changed(self, action: str, row: dict[str, Any]) -> None:
        self.tell("notify_history_changed", {"action": action, "job": row})

    def exists(self, path: str) -> bool:
        """Whether a file of this path is there."""
        return bool(path) and (self.host.files.folder / path).is_file()

    # --- letting in

    def token(self) -> str:
        """A token that lets one client in, once."""
        token = secrets.token_hex(16).upper()
        self._tokens.append(token)
        return token

    def spend(self, token: str) -> bool:
        """Whether a token counts; it does so once."""
        if token not in self._tokens:
            return False
        self._tokens.remove(token)
        return True

    # --- life

    def tick(self) -> None:
        """Look at Klippy."""
        if not self.frozen:
            self.link.look()

    def freeze(self) -> None:
        """Stand still, like SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on with what has piled up."""
        self.frozen = False
        while self._unsaid:
            self._send(self._unsaid.popleft())

    def end(self, *, orderly: bool) -> None:
        """End; `orderly` writes down that the print under way is no longer followed."""
        if orderly:
            self.history.finish("server_exit", self.exists)
        self.life.end()
        klippy = self.host.box.klippy
        clients: list[Client] = [self.link, *self.sockets]
        if klippy is not None:
            for client in clients:
                klippy.webhooks.forget(client)
        for socket in list(self.sockets):
            socket.connection.reset()
        self.sockets.clear()
