"""What becomes of requests and answers between the network and a simulated OctoPrint."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

from buildplate_sim.commands import command_body, command_of
from buildplate_sim.octoprint.answers import INTERNAL, READS, Pending, error_reply
from buildplate_sim.octoprint.push import PushSocket
from buildplate_sim.upload import Upload
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


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that has arrived; `number` joins what the record says of it."""

    connection: Connection
    request: Request
    command: str
    number: int


class Delivery:
    """Carries requests to the API and answers back, with the faults that the rules order.

    Whatever asks for a change is on the record once it has arrived, and again when it is answered:
    one that is lost, held or cut off has only the first of the two.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._numbers = count(1)

    def receive(self, connection: Connection, request: Request) -> None:
        """A request has arrived completely."""
        host = self._host
        command = command_of(request)
        rule = host.rules.take("request", request.method, request.path, command)
        asked = Asked(connection, request, command, next(self._numbers))
        self._note_command(asked, _fault(request, rule))
        if rule is None:
            self._carry_out(asked)
        elif rule.play == "reset":
            connection.reset()
        elif rule.play == "hold":
            seconds = host.rules.draw(rule, "seconds", 30.0)
            host.pulse.after(seconds, lambda: self._carry_out(asked))
        elif rule.play == "error":
            reply = error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)
            self._note_answer(asked, reply, "")
            connection.answer(request, reply)

    def break_off(self, connection: Connection, request: Request, fault: str) -> None:
        """Cut a request off before all of it is here; it is on the record all the same."""
        request.arrived = time.time()
        self._note_command(Asked(connection, request, "", next(self._numbers)), fault)
        connection.reset()

    def _carry_out(self, asked: Asked) -> None:
        host, request = self._host, asked.request
        if host.software is None:
            return
        if request.path == SOCKET and request.method == "GET":
            asked.connection.upgrade(request, lambda c: PushSocket(c, host.running))
            return
        reply = host.api.handle(request)
        if isinstance(reply, Pending):
            reply.then(lambda late: self._answer(asked, late))
        else:
            self._answer(asked, reply)

    def _answer(self, asked: Asked, reply: Reply) -> None:
        host, request = self._host, asked.request
        rule = host.rules.take("answer", request.method, request.path, asked.command)
        self._note_answer(asked, reply, rule.play if rule is not None else "")
        if rule is not None:
            self._spoil(asked.connection, request, reply, rule)
        elif host.drip is not None:
            host.drip.send(asked.connection, reply.head() + reply.body)
        else:
            asked.connection.answer(request, reply)

    def _note_command(self, asked: Asked, fault: str) -> None:
        facts: dict[str, Any] = {"arrived": round(asked.request.arrived, 6)}
        if body := command_body(asked.request):
            facts["body"] = body
        self._note("command", asked, fault, facts)

    def _note_answer(self, asked: Asked, reply: Reply, fault: str) -> None:
        self._note("answer", asked, fault, {"status": int(reply.status)})

    def _note(self, event: str, asked: Asked, fault: str, facts: dict[str, Any]) -> None:
        request = asked.request
        if request.method in READS:
            return
        if fault:
            facts["fault"] = fault
        self._host.journal.write(
            event,
            request=asked.number,
            command=asked.command,
            method=request.method,
            path=request.path,
            **facts,
        )

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


def _fault(request: Request, rule: Rule | None) -> str:
    """What is played on a request that has arrived."""
    if rule is not None:
        return rule.play
    return request.sink.play if isinstance(request.sink, Upload) else ""
