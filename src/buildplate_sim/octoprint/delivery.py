"""What becomes of requests and answers between the network and a simulated OctoPrint."""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.octoprint.answers import INTERNAL, Pending, error_reply
from buildplate_sim.octoprint.push import PushSocket
from buildplate_sim.web import Connection, Reply, Request

if TYPE_CHECKING:
    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.rules import Rule

REQUEST_FAULTS = frozenset({"hold", "lose", "reset", "error"})
ANSWER_FAULTS = frozenset({"slow", "never", "cut", "truncate", "not-json", "error", "drip"})
SOCKET = "/sockjs/websocket"
_PAGE = b"<!doctype html><html><body>Bad gateway</body></html>"
_DRIP_BACKLOG = 1 << 16


class Drip:
    """Sends bytes one at a time; `interval_s` simulated seconds apart."""

    def __init__(self, host: Host, interval_s: float) -> None:
        self._host = host
        self._interval = interval_s
        self._queues: dict[Connection, deque[int]] = {}

    def send(self, connection: Connection, data: bytes) -> None:
        """Queue bytes; dropped whole when too much is waiting already."""
        queue = self._queues.setdefault(connection, deque())
        idle = not queue
        if len(queue) + len(data) > _DRIP_BACKLOG:
            return
        queue.extend(data)
        if idle:
            self._host.pulse.after(self._interval, lambda: self._drop(connection))

    def _drop(self, connection: Connection) -> None:
        queue = self._queues[connection]
        if connection.transport is None or not queue:
            del self._queues[connection]
            return
        connection.write(bytes((queue.popleft(),)))
        self._host.pulse.after(self._interval, lambda: self._drop(connection))


class Delivery:
    """Carries requests to the API and answers back, with the faults that the rules order."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def receive(self, connection: Connection, request: Request) -> None:
        """A request has arrived completely."""
        host = self._host
        command = _command(request)
        rule = host.rules.take("request", request.method, request.path, command)
        if rule is None:
            self._carry_out(connection, request, command)
        elif rule.play == "reset":
            connection.reset()
        elif rule.play == "hold":
            seconds = host.rules.draw(rule, "seconds", 30.0)
            host.pulse.after(seconds, lambda: self._carry_out(connection, request, command))
        elif rule.play == "error":
            connection.answer(request, error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL))

    def _carry_out(self, connection: Connection, request: Request, command: str) -> None:
        host = self._host
        if host.software is None:
            return
        if request.path == SOCKET and request.method == "GET":
            connection.upgrade(request, lambda c: PushSocket(c, host.running))
            return
        reply = host.api.handle(request)
        if isinstance(reply, Pending):
            reply.then(lambda late: self._answer(connection, request, command, late))
        else:
            self._answer(connection, request, command, reply)

    def _answer(self, connection: Connection, request: Request, command: str, reply: Reply) -> None:
        host = self._host
        if request.method not in {"GET", "HEAD"}:
            facts: dict[str, Any] = {
                "method": request.method,
                "path": request.path,
                "status": int(reply.status),
                "arrived": round(request.arrived, 6),
            }
            body = _small(request)
            host.journal.write("command", command=command, **facts, **body)
        rule = host.rules.take("answer", request.method, request.path, command)
        if rule is not None:
            self._spoil(connection, request, reply, rule)
        elif host.drip is not None:
            host.drip.send(connection, reply.head() + reply.body)
        else:
            connection.answer(request, reply)

    def _spoil(self, connection: Connection, request: Request, reply: Reply, rule: Rule) -> None:
        host = self._host
        if rule.play == "slow":
            seconds = host.rules.draw(rule, "seconds", 5.0)
            host.pulse.after(seconds, lambda: connection.answer(request, reply))
        elif rule.play == "cut":
            connection.reset()
        elif rule.play == "truncate":
            body = reply.body if reply.file is None else reply.file.read_bytes()
            connection.write(reply.head() + body[: len(body) // 2])
            connection.close()
        elif rule.play == "not-json":
            connection.answer(request, Reply(HTTPStatus.OK, _PAGE, "text/html; charset=utf-8"))
        elif rule.play == "error":
            connection.answer(request, error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL))
        elif rule.play == "drip":
            drip = Drip(host, host.rules.draw(rule, "interval_s", 1.0))
            drip.send(connection, reply.head() + reply.body)


def _command(request: Request) -> str:
    """The command a request's JSON names; `print` for a select that also prints."""
    body = _parsed(request)
    command = str(body.get("command", ""))
    return "print" if command == "select" and body.get("print") else command


def _parsed(request: Request) -> dict[str, Any]:
    if request.method != "POST" or not request.body.startswith(b"{"):
        return {}
    try:
        body = request.json()
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _small(request: Request) -> dict[str, Any]:
    body = _parsed(request)
    return {"body": body} if body else {}
