"""The HTTP side of a simulated Moonraker, and the way to its websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.address import Address
from buildplate_sim.moonraker.answers import (
    UNAUTHORIZED,
    WRONG_KEY,
    RefusedError,
    hidden_error,
    http_error,
)
from buildplate_sim.moonraker.delivery import Call, Silence
from buildplate_sim.moonraker.files import ROOT
from buildplate_sim.moonraker.rpc import RpcSocket
from buildplate_sim.upload import Unread, Upload
from buildplate_sim.web import Reply, json_reply

if TYPE_CHECKING:
    from buildplate_sim.moonraker.host import Host
    from buildplate_sim.web import Connection, Request

WEBSOCKET, UPLOAD, FILES = "/websocket", "/server/files/upload", f"/server/files/{ROOT}/"
NAMES = {
    ("GET", "/access/api_key"): "access.get_api_key",
    ("GET", "/server/files/directory"): "server.files.get_directory",
    ("GET", "/server/history/job"): "server.history.get_job",
    ("POST", "/machine/device_power/device"): "machine.device_power.post_device",
}
"""Calls whose name is not their path."""

POSTS = ("printer.print.", "printer.restart", "printer.firmware_restart", "server.restart")
NOT_FOUND = "Not Found"


class Door(Address):
    """One listening address."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.box.later, lambda: host.frozen)
        self._host = host

    @property
    def base(self) -> str:
        """The address clients use."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def begun(self, connection: Connection, request: Request) -> None:
        """Headers are here: an upload goes to disk as it arrives."""
        kind = request.headers.get("content-type", "")
        if (request.method, request.path) != ("POST", UPLOAD):
            return
        if not kind.startswith("multipart/form-data") or not self._allowed(request):
            request.sink = Unread()
            return
        rule = self._host.rules.take("upload", request.method, request.path)
        play = rule.play if rule is not None else ""
        request.sink = Upload(self._host.files, kind, play, connection.reset)

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here."""
        if isinstance(request.sink, Upload) and request.sink.broken_off:
            return
        program = self._host.program
        if program is not None:
            program.life.spawn(self._received(connection, request))

    async def _received(self, connection: Connection, request: Request) -> None:
        if request.path == WEBSOCKET and request.method == "GET":
            self._upgrade(connection, request)
            return
        params = _params(request)
        call = Call(connection, request.method, request.path, params)
        try:
            reply = await self._host.delivery.carry_out(call, lambda: self._act(request, params))
        except RefusedError as refused:
            reply = refused.http()
        if reply is not Silence:
            connection.answer(request, reply)

    # --- letting in

    def _allowed(self, request: Request) -> bool:
        host, key = self._host, request.headers.get("x-api-key")
        if key is not None:
            return host.key_counts(key)
        token = request.query.get("token")
        spent = token is not None and host.program is not None and host.program.spend(token)
        return spent or host.trusted

    def _upgrade(self, connection: Connection, request: Request) -> None:
        let_in, program = self._allowed(request), self._host.running
        connection.upgrade(request, lambda c: RpcSocket(c, program, let_in=let_in))

    # --- what it answers

    async def _act(self, request: Request, params: dict[str, Any]) -> Reply:
        if not self._allowed(request):
            given = "x-api-key" in request.headers
            return hidden_error(401, WRONG_KEY if given else UNAUTHORIZED)
        if request.path.startswith(FILES):
            return self._file(request, request.path.removeprefix(FILES))
        if (request.method, request.path) == ("POST", UPLOAD):
            return await self._upload(request)
        name = request.path.strip("/").replace("/", ".")
        name = NAMES.get((request.method, request.path), name)
        if not self._host.api.knows(name):
            return http_error(404, NOT_FOUND)
        if name.startswith(POSTS) and request.method != "POST":
            return http_error(405, "Method Not Allowed")
        return json_reply({"result": await self._host.api.call(name, params, None)})

    def _file(self, request: Request, path: str) -> Reply:
        try:
            if request.method == "DELETE":
                return json_reply({"result": self._host.api.delete(path)})
            place = self._host.files.place(path)
        except RefusedError as refused:
            return hidden_error(refused.code, refused.text)
        if not place.is_file():
            return hidden_error(404, "File does not exist")
        size = place.stat().st_size
        return Reply(file=place, span=(0, size), content_type="application/octet-stream")

    async def _upload(self, request: Request) -> Reply:
        upload = request.sink
        if not isinstance(upload, Upload) or upload.incoming is None or upload.malformed:
            return hidden_error(400, "Upload failed")
        host, fields = self._host, upload.fields
        name = f"{fields.get('path', '')}/{upload.filename}".strip("/")
        try:
            self._store(upload, name)
        except RefusedError as refused:
            return hidden_error(refused.code, refused.text)
        item = host.files.item(name)
        answer: dict[str, Any] = {"action": "create_file", "item": item}
        host.running.tell("notify_filelist_changed", dict(answer))
        answer["print_started"] = fields.get("print") == "true" and await self._started(name)
        answer["print_queued"] = False
        return json_reply(answer, 201)

    def _store(self, upload: Upload, name: str) -> None:
        host, incoming = self._host, upload.incoming
        if incoming is None:
            return
        digest, wanted = incoming.close()[1], upload.fields.get("checksum", "")
        if wanted and wanted.lower() != digest:
            incoming.drop()
            words = f"File checksum mismatch: expected {wanted}, calculated {digest}"
            raise RefusedError(422, words)
        if name == host.running.link.loaded:
            incoming.drop()
            raise RefusedError(403, "File is loaded, upload not permitted")
        stored = host.files.keep(incoming, name)
        size = host.files.place(name).stat().st_size
        host.journal.write("stored", path=name, size=size, sha256=stored)

    async def _started(self, name: str) -> bool:
        if self._host.running.link.loaded:
            return False
        try:
            await self._host.api.start(name)
        except RefusedError:
            return False
        return True


def _params(request: Request) -> dict[str, Any]:
    """What the query and the body say; a body that is no JSON says nothing."""
    params: dict[str, Any] = dict(request.query)
    params.pop("token", None)
    if request.body.startswith(b"{"):
        try:
            params |= request.json()
        except orjson.JSONDecodeError:
            return params
    return params
