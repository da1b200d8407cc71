"""The network side of a simulated OctoPrint: what arrives, and how an upload does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.address import Address
from buildplate_sim.octoprint.delivery import Delivery
from buildplate_sim.upload import Unread, Upload

if TYPE_CHECKING:
    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.web import Connection, Request


class Door(Address):
    """One listening address."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.later, lambda: host.pulse.frozen)
        self._host = host
        self._delivery = Delivery(host)

    def begun(self, connection: Connection, request: Request) -> None:
        """Headers are here: an upload goes to disk as it arrives."""
        host = self._host
        kind = request.headers.get("content-type", "")
        uploads = (request.method, request.path) == ("POST", "/api/files/local")
        if not uploads or not kind.startswith("multipart/form-data"):
            return
        if not host.api.allowed(request):
            request.sink = Unread()
            return

        def break_off() -> None:
            self._delivery.break_off(connection, request, "disk-full")

        request.sink = Upload(host.shelf, kind, host.upload_play(request), break_off)

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here."""
        broken_off = isinstance(request.sink, Upload) and request.sink.broken_off
        if self._host.software is not None and not broken_off:
            self._delivery.receive(connection, request)
