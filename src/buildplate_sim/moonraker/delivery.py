"""What becomes of calls and answers between the network and a simulated Moonraker."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

from buildplate_sim.moonraker.answers import RefusedError
from buildplate_sim.web import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from buildplate_sim.moonraker.host import Host
    from buildplate_sim.rules import Rule
    from buildplate_sim.web import Connection

REQUEST_FAULTS = frozenset({"hold", "lose", "reset", "error"})
ANSWER_FAULTS = frozenset({"slow", "never", "cut", "error"})
INTERNAL = "Internal Server Error"
RPC = "RPC"
READS = frozenset({"GET", "HEAD"})


class Silence:
    """Nobody is answered."""


class Call:
    """One call on its way: over which connection, and what it says."""

    def __init__(
        self, connection: Connection, method: str, path: str, params: dict[str, Any]
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.params = params
        self.arrived = time.time()

    @property
    def command(self) -> str:
        """What it is about: a script, or a file."""
        for name in ("script", "filename", "path"):
            if name in self.params:
                return str(self.params[name])
        return ""

    @property
    def on_record(self) -> bool:
        """Whether it may change something."""
        if self.method == RPC:
            wants = ("print.", "script", "emergency", "restart", "delete", "post")
            return any(word in self.path for word in wants)
        return self.method not in READS


class Delivery:
    """Plays the faults that the rules order; calls that may change something are on the record."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._numbers = count(1)

    async def carry_out(self, call: Call, act: Callable[[], Awaitable[Any]]) -> Any:
        """What a call is answered with: `Silence` where it is not; refusals are raised."""
        rules, number = self._host.rules, next(self._numbers)
        rule = rules.take("request", call.method, call.path, call.command)
        self._note("command", call, number, rule, arrived=round(call.arrived, 6))
        if rule is not None:
            await self._spoil(call, rule)
            if rule.play in {"lose", "reset"}:
                return Silence
        try:
            result, refused = await act(), None
        except RefusedError as error:
            result, refused = None, error
        rule = rules.take("answer", call.method, call.path, call.command)
        status = result.status if isinstance(result, Reply) else 200
        self._note("answer", call, number, rule, status=status if refused is None else refused.code)
        if rule is not None:
            await self._spoil(call, rule)
            if rule.play in {"never", "cut"}:
                return Silence
        if refused is not None:
            raise refused
        return result

    async def _spoil(self, call: Call, rule: Rule) -> None:
        if rule.play in {"hold", "slow"}:
            default = 30.0 if rule.play == "hold" else 5.0
            await self._host.running.life.sleep(self._host.rules.draw(rule, "seconds", default))
        elif rule.play in {"reset", "cut"}:
            call.connection.reset()
        elif rule.play == "error":
            raise RefusedError(500, INTERNAL)

    def _note(self, event: str, call: Call, number: int, rule: Rule | None, **facts: Any) -> None:
        if not call.on_record:
            return
        if rule is not None:
            facts["fault"] = rule.play
        if event == "command" and call.params:
            facts["body"] = call.params
        self._host.journal.write(
            event,
            request=number,
            command=call.command,
            method=call.method,
            path=call.path,
            **facts,
        )
