"""The proxy's side towards Buildplate: reads requests, decides their fate, relays the answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from buildplate_sim.commands import command_of
from buildplate_sim.proxy.upstream import Upstream, head_of
from buildplate_sim.web import Connection, Request
from buildplate_sim.websocket import WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from buildplate_sim.proxy.mixing import Mixer
    from buildplate_sim.pulse import Pulse
    from buildplate_sim.rules import Rule, RuleBook

    Later = Callable[[Coroutine[Any, Any, None]], object]

HOST_FAULTS = frozenset({"restart-host", "kill-host"})
"""What only a proxy in its hosts' own process can do to them."""

FAULTS = {
    "request": frozenset({"hold", "lose", "cut", "replay", "mix"}) | HOST_FAULTS,
    "answer": frozenset({"drop", "never", "delay", "truncate"}),
    "socket": frozenset({"cut", "hold"}),
}
DEFAULT_S = {"hold": 30.0, "mix": 10.0, "replay": 0.5}
"""Simulated seconds of a fate whose rule does not say."""

SEEN_LIMIT = 10_000


class Exchange:
    """One request on its way to the host, and the answer on its way back (or not)."""

    def __init__(self, front: Front, connection: Connection, request: Request) -> None:
        self._front = front
        self._connection = connection
        self._request = request
        self._upstream: Upstream | None = None
        self._own = False
        self._kept = bytearray()
        self.rule: Rule | None = None

    # --- towards the host

    def open(self, *, fresh: bool = False) -> Upstream:
        """Get a connection to the host and send the head."""
        self._own = fresh
        self._upstream = self._front.upstream(None if fresh else self._connection)
        self._upstream.listener = self
        self._connection.source = self._upstream
        self._upstream.write(head_of(self._request))
        return self._upstream

    def feed(self, chunk: bytes) -> None:
        """A streamed body's next bytes."""
        if self._upstream is not None:
            self._upstream.write(chunk)

    def abort(self) -> None:
        """The client is gone in the middle of a body: the host sees half a request."""
        if self._upstream is not None:
            self._upstream.drop()

    def deliver(self, body: bytearray, *, fresh: bool = False) -> None:
        """Send the whole request."""
        self.open(fresh=fresh).write(bytes(body))

    # --- back to the client

    def answer_bytes(self, data: bytes) -> None:
        """Relay, unless the answer is to be spoilt."""
        if self.rule is not None:
            self._kept += data
        elif self._upstream is not None and self._upstream.tunnelled:
            self._tunnel(self._upstream, data)
        else:
            self._connection.write(data)

    def answer_done(self) -> None:
        """The host has answered completely."""
        if self._upstream is not None and (self._own or self._connection.transport is None):
            self._upstream.drop()
        if self.rule is None:
            self._connection.settled(self._request)
        else:
            self._front.spoil(self.rule, self._connection, self._request, bytes(self._kept))

    def answer_lost(self) -> None:
        """The host is gone: so is our client's connection."""
        self._connection.reset()

    def _tunnel(self, upstream: Upstream, data: bytes) -> None:
        tunnel = Tunnel(self._connection, upstream, self._front)
        upstream.listener = tunnel
        self._connection.tunnel(self._request, tunnel)
        self._front.tunnels.add(tunnel)
        self._connection.write(data)


class Nobody:
    """Takes the answer to a request whose client is not told."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def answer_bytes(self, data: bytes) -> None:
        """Nobody reads it."""

    def answer_done(self) -> None:
        """Nobody knows."""
        self._upstream.drop()

    def answer_lost(self) -> None:
        """Nobody cares."""


class Tunnel(WebSocket):
    """A websocket that is passed through in both directions."""

    def __init__(self, connection: Connection, upstream: Upstream, front: Front) -> None:
        super().__init__(connection)
        self._upstream = upstream
        self._front = front

    def feed(self, data: bytes) -> None:
        """From the client to the host."""
        self._upstream.write(data)

    def lost(self) -> None:
        """The client is gone."""
        self._front.tunnels.discard(self)
        self._upstream.drop()

    def answer_bytes(self, data: bytes) -> None:
        """From the host to the client."""
        rule = self._front.rules.take("socket")
        if rule is not None and rule.play == "cut":
            self.cut()
            return
        self.connection.write(data)
        if rule is not None:
            self.hold(self._front.rules.draw(rule, "seconds", 30.0))

    def answer_done(self) -> None:
        """A tunnel has no end of its own."""

    def answer_lost(self) -> None:
        """The host is gone."""
        self.connection.reset()

    def hold(self, seconds: float) -> None:
        """Let nothing through from the host for a while."""
        self._upstream.hold()
        self._front.pulse.after(seconds, self._upstream.release)

    def cut(self) -> None:
        """Cut it."""
        self.connection.reset()


class Front:
    """One proxy address in front of one host. Durations in rules are simulated seconds."""

    def __init__(
        self,
        name: str,
        target: Callable[[], tuple[str, int]],
        *,
        rules: RuleBook,
        pulse: Pulse,
        mixer: Mixer,
        later: Later,
        host_action: Callable[[str, str], None] | None = None,
    ) -> None:
        self.name = name
        self.rules = rules
        self.pulse = pulse
        self.tunnels: set[Tunnel] = set()
        self.address = ("", 0)
        self.seen: list[dict[str, Any]] = []
        self._target = target
        self._mixer = mixer
        self._later = later
        self._host_action = host_action
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, Upstream | None] = {}

    @property
    def base(self) -> str:
        """The address clients use."""
        return f"http://{self.address[0]}:{self.address[1]}"

    async def listen(self, address: str, port: int) -> None:
        """Accept clients."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), address, port, reuse_address=True, backlog=256
        )
        self.address = (address, self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more, and drop everybody."""
        if self._server is not None:
            self._server.close()
        self.cut()
        self.pulse.clear()

    def cut(self) -> None:
        """Cut all connections."""
        for connection in list(self._connections):
            connection.reset()

    def cut_sockets(self) -> None:
        """Cut the websockets only."""
        for tunnel in list(self.tunnels):
            tunnel.cut()

    def hold_sockets(self, seconds: float) -> None:
        """Keep what hosts push for so many simulated seconds, then pass it on."""
        for tunnel in self.tunnels:
            tunnel.hold(seconds)

    def upstream(self, connection: Connection | None) -> Upstream:
        """A connection to the host: the client's own one, or a fresh one."""
        known = self._connections.get(connection) if connection is not None else None
        if known is not None and not known.lost and known.listener is None:
            return known
        fresh = Upstream(connection)
        if connection is not None and connection in self._connections:
            self._connections[connection] = fresh
        self._later(fresh.open(self._target()))
        return fresh

    # --- Site

    def opened(self, connection: Connection) -> None:
        """A client has connected."""
        self._connections[connection] = None

    def closed(self, connection: Connection) -> None:
        """A client is gone; a request it has sent completely still goes its way."""
        upstream = self._connections.pop(connection, None)
        if upstream is not None and upstream.listener is None:
            upstream.drop()

    def begun(self, connection: Connection, request: Request) -> None:
        """Uploads without a fault are streamed through; everything else is read first."""
        if not request.headers.get("content-type", "").startswith("multipart/"):
            return
        rule = self.rules.take("request", request.method, request.path)
        if rule is not None:
            request.sink = _Whole(request, rule)
            return
        exchange = Exchange(self, connection, request)
        exchange.rule = self.rules.take("answer", request.method, request.path)
        exchange.open()
        request.sink = exchange
        self._note(request, "")

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here completely."""
        if isinstance(request.sink, Exchange):
            return
        command = command_of(request)
        if isinstance(request.sink, _Whole):
            rule: Rule | None = request.sink.rule
        else:
            rule = self.rules.take("request", request.method, request.path, command)
        self._note(request, rule.play if rule is not None else "")
        if rule is None:
            self._send(connection, request, command)
        else:
            self._play(rule, connection, request, command)

    # --- fates

    def _send(
        self, connection: Connection, request: Request, command: str, *, fresh: bool = False
    ) -> None:
        exchange = Exchange(self, connection, request)
        exchange.rule = self.rules.take("answer", request.method, request.path, command)
        exchange.deliver(request.body, fresh=fresh)

    def _play(self, rule: Rule, connection: Connection, request: Request, command: str) -> None:
        seconds = self.rules.draw(rule, "seconds", DEFAULT_S.get(rule.play, 0.0))
        if rule.play == "hold":
            self.pulse.after(seconds, lambda: self._send(connection, request, command, fresh=True))
        elif rule.play == "cut":
            connection.reset()
        elif rule.play == "replay":
            self._send(connection, request, command)
            self.pulse.after(seconds, lambda: self._replay(request))
        elif rule.play == "mix":
            self._mix(connection, request, command, seconds)
        elif self._host_action is not None and rule.play in HOST_FAULTS:
            self._host_action(self.name, rule.play.removesuffix("-host"))
            connection.reset()

    def _replay(self, request: Request) -> None:
        self._note(request, "replayed")
        again = self.upstream(None)
        again.listener = Nobody(again)
        again.write(head_of(request) + bytes(request.body))

    def _mix(self, connection: Connection, request: Request, command: str, seconds: float) -> None:
        def send(body: bytearray) -> None:
            request.body = body
            self._send(connection, request, command, fresh=True)

        self._mixer.take(request.body, send, seconds)

    def spoil(self, rule: Rule, connection: Connection, request: Request, answer: bytes) -> None:
        """The host has carried the request out; what its answer becomes."""
        if rule.play == "drop":
            connection.reset()
        elif rule.play == "truncate":
            connection.write(answer[: len(answer) * 2 // 3])
            connection.close()
        elif rule.play == "delay":
            seconds = self.rules.draw(rule, "seconds", 5.0)

            def pass_on() -> None:
                connection.write(answer)
                connection.settled(request)

            self.pulse.after(seconds, pass_on)

    def _note(self, request: Request, fate: str) -> None:
        if request.method not in {"GET", "HEAD"} and len(self.seen) < SEEN_LIMIT:
            command = command_of(request)
            facts = {"method": request.method, "path": request.path, "command": command}
            self.seen.append({**facts, "fate": fate})


class _Whole:
    """Collects a multipart body in memory, because something is to happen to it."""

    def __init__(self, request: Request, rule: Rule) -> None:
        self._request = request
        self.rule = rule

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._request.body += chunk

    def abort(self) -> None:
        """The client is gone too early: nothing is sent on."""
        self._request.body.clear()
