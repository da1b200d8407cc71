"""The wire of virtual printers: one JSON object per line over TCP, file bytes in between."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, cast

import orjson

from buildplate_sim.virtual.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from buildplate_sim.virtual.printer import VirtualPrinter

VERSION = "1"
LINE_LIMIT = 64 * 1024
NOTED = ("path", "name", "size", "kind", "params")
_CHUNK = 256 * 1024
_COUNT = iter(range(1, 1 << 62))


class Arrival:
    """A file on its way in: so many bytes, then it is compared and put in its place."""

    def __init__(self, printer: VirtualPrinter, request: dict[str, Any]) -> None:
        self.request = request
        self.left = int(request["size"])
        self._printer = printer
        self._name = str(request["name"])
        self._part = printer.root.parent / f"arrival-{next(_COUNT)}"
        self._file: BinaryIO = self._part.open("wb")
        self._hash = hashlib.sha256()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.left -= len(chunk)

    def finish(self) -> dict[str, Any]:
        """Put the file in its place; `RefusedError` when it is not what was announced."""
        self._file.close()
        digest = self._hash.hexdigest()
        if "/" in self._name or self._name in {"", ".", ".."}:
            self._part.unlink()
            raise RefusedError("bad_name", f"{self._name!r} is no file name")
        if digest != self.request.get("sha256", digest):
            self._part.unlink()
            raise RefusedError("wrong_content", "the sha256 of what arrived is another one")
        self._part.replace(self._printer.root / self._name)
        return {"path": self._name, "sha256": digest}

    def drop(self) -> None:
        """The sender is gone."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class Link(asyncio.Protocol):
    """One client of one virtual printer."""

    def __init__(self, printer: VirtualPrinter, links: set[Link]) -> None:
        self._printer = printer
        self._links = links
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._arrival: Arrival | None = None
        self._paused = False
        self.watching = False
        self._questions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hello": self._hello,
            "watch": self._watch,
            "status": self._status,
            "equipment": lambda _: printer.panel.equipment(),
            "files": lambda ask: {"files": printer.files(str(ask.get("prefix", "")))},
        }
        self._orders: dict[str, Callable[[dict[str, Any]], None]] = {
            "pause": lambda _: printer.pause(),
            "resume": lambda _: printer.resume(),
            "cancel": lambda _: printer.cancel(),
            "delete": lambda ask: printer.delete(str(ask["path"])),
            "reset": lambda _: printer.reset(),
            "order": lambda ask: printer.order(str(ask["kind"]), dict(ask["params"])),
            "emergency_stop": lambda _: printer.emergency_stop(),
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._links.add(self)
        if self._printer.pulse.frozen:
            self.pause()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The client is gone."""
        self._transport = None
        self._links.discard(self)
        if self._arrival is not None:
            self._arrival.drop()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived; a loop that reads on although it was told to pause is told again."""
        self._buffer += data
        if self._paused:
            self.pause()
        else:
            self._take()

    def _take(self) -> None:
        while self._buffer:
            if self._arrival is not None:
                taken = bytes(self._buffer[: self._arrival.left])
                del self._buffer[: len(taken)]
                self._arrival.feed(taken)
                self._arrived()
                continue
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > LINE_LIMIT:
                    self.drop()
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._line(line)

    def send(self, message: dict[str, Any]) -> None:
        """Send one line; pushes are dropped when the client does not read."""
        if self._transport is None or self._transport.is_closing():
            return
        if "push" in message and self._transport.get_write_buffer_size() > LINE_LIMIT:
            return
        self._transport.write(orjson.dumps(message) + b"\n")

    def pause(self) -> None:
        """Read nothing: the printer is frozen."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, beginning with what has arrived meanwhile."""
        self._paused = False
        self._take()
        if self._transport is not None:
            self._transport.resume_reading()

    def drop(self) -> None:
        """Cut the client off."""
        if self._transport is not None:
            self._transport.abort()

    def _line(self, line: bytes) -> None:
        try:
            ask = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.drop()
            return
        do = str(ask.get("do"))
        if do not in self._questions and do != "fetch":
            facts = {
                key: ask[key] for key in ("path", "name", "size", "kind", "params") if key in ask
            }
            self._printer.journal.write("command", command=do, **facts)
        try:
            self._execute(do, ask)
        except RefusedError as refused:
            self._refuse(ask, refused)
        except (KeyError, TypeError, ValueError) as error:
            self._refuse(ask, RefusedError("bad_request", repr(error)))

    def _execute(self, do: str, ask: dict[str, Any]) -> None:
        if do == "upload":
            self._arrival = Arrival(self._printer, ask)
            self._arrived()
        elif do == "start":
            self._printer.start(str(ask["path"]), lambda run: self._answer(ask, {"run": run}))
        elif do == "fetch":
            content = self._printer.place(str(ask["path"])).read_bytes()
            self._answer(ask, {"size": len(content)})
            if self._transport is not None:
                self._transport.write(content)
        elif do in self._questions:
            self._answer(ask, self._questions[do](ask))
        elif do in self._orders:
            self._orders[do](ask)
            self._answer(ask, {})
        else:
            raise RefusedError("unknown_command", f"there is no command {do!r}")

    def _arrived(self) -> None:
        arrival = self._arrival
        if arrival is None or arrival.left > 0:
            return
        self._arrival = None
        try:
            self._answer(arrival.request, arrival.finish())
        except RefusedError as refused:
            self._refuse(arrival.request, refused)

    def _hello(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"software": "virtual", "version": VERSION, "name": self._printer.name}

    def _watch(self, _: dict[str, Any]) -> dict[str, Any]:
        self.watching = True
        return {}

    def _status(self, ask: dict[str, Any]) -> dict[str, Any]:
        path = ask.get("path")
        status = self._printer.status(path)
        if path is not None and "since" in ask:
            status["others_ran"] = self._printer.others_since(int(ask["since"]), path)
        return status

    def _answer(self, ask: dict[str, Any], answer: dict[str, Any]) -> None:
        self.send({"id": ask.get("id"), "ok": True, **answer})

    def _refuse(self, ask: dict[str, Any], refused: RefusedError) -> None:
        self.send({"id": ask.get("id"), "ok": False, "code": refused.code, "text": str(refused)})
