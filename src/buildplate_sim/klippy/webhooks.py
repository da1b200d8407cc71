"""Klipper's API: requests by name, objects by subscription; the same behind every door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from buildplate_sim.klippy.errors import GcodeError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from buildplate_sim.klippy.klippy import Klippy

Params = dict[str, Any]
Wanted = dict[str, list[str] | None]


class Client(Protocol):
    """Whoever speaks to the API."""

    @property
    def deaf(self) -> bool:
        """Whether nothing can be told to it now: what changes meanwhile it hears of later."""

    def push(self, template: Params, params: Params) -> None:
        """Something that the client has subscribed to."""


@dataclass(slots=True)
class Subscription:
    """What one client wants to hear of, and what it has heard last."""

    wanted: Wanted
    template: Params
    last: dict[str, Params] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """A question that waits for the next look at the objects."""

    wanted: Wanted
    answer: asyncio.Future[Params]


class Webhooks:
    """The API of one boot. `tick` looks at the objects; whoever holds the clock calls it."""

    def __init__(self, klippy: Klippy) -> None:
        self._klippy = klippy
        self._subscriptions: dict[Client, Subscription] = {}
        self._queries: list[Query] = []
        self._listeners: dict[Client, Params] = {}
        self.remote_methods: dict[str, tuple[Client, Params]] = {}
        self._endpoints: dict[str, Callable[[Params, Client], Awaitable[Any] | Any]] = {
            "list_endpoints": lambda _p, _c: {"endpoints": list(self._endpoints)},
            "info": lambda _p, _c: klippy.info(),
            "emergency_stop": self._emergency_stop,
            "register_remote_method": self._register_remote,
            "gcode/help": lambda _p, _c: klippy.help(),
            "gcode/script": self._script,
            "gcode/restart": lambda _p, _c: self._run("RESTART"),
            "gcode/firmware_restart": lambda _p, _c: self._run("FIRMWARE_RESTART"),
            "gcode/subscribe_output": self._subscribe_output,
            "objects/list": lambda _p, _c: {"objects": list(klippy.objects)},
            "objects/query": self._query,
            "objects/subscribe": self._subscribe,
            "pause_resume/cancel": lambda _p, _c: self._run("CANCEL_PRINT"),
            "pause_resume/pause": lambda _p, _c: self._run("PAUSE"),
            "pause_resume/resume": lambda _p, _c: self._run("RESUME"),
        }

    async def call(self, method: str, params: Params, client: Client) -> Any:
        """Answer a request; `RequestError` refuses it."""
        endpoint = self._endpoints.get(method)
        if endpoint is None:
            raise RequestError(f"webhooks: No registered callback for path '{method}'")
        answer = endpoint(params, client)
        return await answer if asyncio.iscoroutine(answer) else answer

    @property
    def endpoints(self) -> list[str]:
        """Every request there is."""
        return list(self._endpoints)

    def forget(self, client: Client) -> None:
        """A client is gone."""
        self._subscriptions.pop(client, None)
        self._listeners.pop(client, None)

    def hear(self, line: str) -> None:
        """Pass a line of the console on to whoever listens."""
        for client, template in list(self._listeners.items()):
            client.push(template, {"response": line})

    # --- requests

    async def _script(self, params: Params, _: Client) -> Params:
        script = params.get("script")
        if not isinstance(script, str):
            raise RequestError("Missing Argument [script]")
        return await self._run(script)

    async def _run(self, script: str) -> Params:
        """Carry a script out in its turn.

        An emergency stop cuts a wait short, and that is no error; whoever has waited for his turn
        is refused.
        """
        try:
            await self._klippy.gcode.run(script)
        except GcodeError as error:
            raise RequestError(str(error)) from None
        return {}

    def _emergency_stop(self, _: Params, _client: Client) -> Params:
        self._klippy.shut_down("Shutdown due to webhooks request")
        return {}

    def _register_remote(self, params: Params, client: Client) -> Params:
        name = params.get("remote_method")
        if not isinstance(name, str):
            raise RequestError("Missing Argument [remote_method]")
        self.remote_methods[name] = (client, params.get("response_template", {}))
        return {}

    def _subscribe_output(self, params: Params, client: Client) -> Params:
        self.listen(client, params.get("response_template", {}))
        return {}

    def listen(self, client: Client, template: Params) -> None:
        """Let a client hear the console."""
        self._listeners[client] = template

    # --- objects

    async def _query(self, params: Params, _: Client) -> Params:
        return await self._looked(_wanted(params))

    async def _subscribe(self, params: Params, client: Client) -> Params:
        wanted = _wanted(params)
        found = await self._looked(wanted)
        template = params.get("response_template", {})
        self._subscriptions[client] = Subscription(wanted, template, dict(found["status"]))
        return found

    async def _looked(self, wanted: Wanted) -> Params:
        """The objects: at once, or at the next tick when somebody has subscribed."""
        if not self._subscriptions:
            return self._answer(wanted, {})
        query = Query(wanted, asyncio.get_running_loop().create_future())
        self._queries.append(query)
        return await query.answer

    def _answer(self, wanted: Wanted, seen: dict[str, Params]) -> Params:
        status = {
            name: _picked(self._state(name, seen), fields)
            for name, fields in wanted.items()
            if name in self._klippy.objects
        }
        return {"eventtime": round(self._klippy.life.now, 6), "status": status}

    def _state(self, name: str, seen: dict[str, Params]) -> Params:
        state = seen.get(name)
        if state is None:
            state = seen[name] = self._klippy.objects[name]()
        return state

    @property
    def watched(self) -> bool:
        """Whether anybody would hear of a change."""
        return bool(self._subscriptions or self._queries)

    def tick(self) -> None:
        """Answer the questions that wait, and tell of what has changed."""
        if not self.watched:
            return
        seen: dict[str, Params] = {}
        queries, self._queries = self._queries, []
        for query in queries:
            if not query.answer.done():
                query.answer.set_result(self._answer(query.wanted, seen))
        now = round(self._klippy.life.now, 6)
        for client, subscription in list(self._subscriptions.items()):
            changes = {} if client.deaf else self._changes(subscription, seen)
            if changes:
                client.push(subscription.template, {"eventtime": now, "status": changes})

    def _changes(self, subscription: Subscription, seen: dict[str, Params]) -> dict[str, Params]:
        changes: dict[str, Params] = {}
        for name, fields in subscription.wanted.items():
            if name not in self._klippy.objects:
                continue
            state = _picked(self._state(name, seen), fields)
            last = subscription.last.get(name, {})
            changed = {k: value for k, value in state.items() if last.get(k, _NEVER) != value}
            if changed:
                changes[name] = changed
                subscription.last[name] = state
        return changes


_NEVER = object()


def _picked(state: Params, fields: list[str] | None) -> Params:
    if fields is None:
        return state
    return {name: state[name] for name in fields if name in state}


def _wanted(params: Params) -> Wanted:
    objects = params.get("objects")
    if not isinstance(objects, dict):
        raise RequestError("Missing Argument [objects]" if objects is None else "Invalid argument")
    for fields in objects.values():
        if fields is not None and not isinstance(fields, list):
            raise RequestError("Invalid argument")
    return dict(objects)
