"""Looks around for printers when somebody asks: in the local network and at the serial ports.

Nothing that is found is connected to. While nobody asks, nothing listens and nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildplate.drivers.sdk import Manifest, together
from buildplate.fleet.found import (
    Found,
    Known,
    PortSeen,
    Remark,
    at_serial_ports,
    in_the_network,
    services_of,
)
from buildplate.fleet.ports import Deaf, Hearing, Sockets, Surroundings
from buildplate.fleet.session import PrinterSession
from buildplate.fleet.strangers import Heard

LIST_PORTS_S = 5.0
OPEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found; `remarks` say where nothing could be looked for, `more` that it is a part."""

    found: Sequence[Found]
    remarks: Sequence[Remark]
    more: bool


class DiscoveryService:
    """Whoever asks while another one does joins in: there is never more than one ear."""

    def __init__(
        self,
        network: Surroundings,
        sockets: Sockets,
        manifests: Mapping[str, Manifest],
        sessions: Mapping[str, PrinterSession],
    ) -> None:
        self._network = network
        self._sockets = sockets
        self._manifests = manifests
        self._sessions = sessions
        self._door = asyncio.Lock()
        self._hearing: Hearing | None = None
        self._askers = 0

    async def discover(self, seconds: float) -> Discovery:
        """Look around for so many seconds."""
        heard, seen = await together(self._listen(seconds), self._look())
        announced, deaf, more = heard
        ports, blind = seen
        manifests = [self._manifests[name] for name in sorted(self._manifests)]
        known = [
            Known(session.id, session.record.driver, session.record.connection)
            for session in self._sessions.values()
        ]
        found = [
            *in_the_network(announced, manifests, known),
            *at_serial_ports(ports, manifests, known),
        ]
        return Discovery(found, [*deaf, *blind], more)

    async def _listen(self, seconds: float) -> tuple[Sequence[Heard], list[Remark], bool]:
        try:
            hearing = await self._join()
        except Deaf as error:
            return [], [Remark(error.code, str(error), error.hint)], False
        except TimeoutError:
            return [], [SLOW], False
        try:
            return await hearing.listen(seconds), [], hearing.more
        finally:
            await self._leave(hearing)

    async def _join(self) -> Hearing:
        async with self._door, asyncio.timeout(OPEN_S):
            if self._hearing is None:
                self._hearing = await self._network.open(services_of(self._manifests.values()))
            self._askers += 1
            return self._hearing

    async def _leave(self, hearing: Hearing) -> None:
        self._askers -= 1
        if self._askers == 0:
            self._hearing = None
            await hearing.close()

    async def _look(self) -> tuple[Sequence[PortSeen], list[Remark]]:
        try:
            async with asyncio.timeout(LIST_PORTS_S):
                return await self._sockets.seen(), []
        except (OSError, TimeoutError):
            return [], [UNSEEN]


SLOW = Remark(
    "mdns_unavailable",
    "this machine did not begin to listen for announcements in time",
    "Try again, or type the printer's address.",
)
UNSEEN = Remark(
    "serial_unavailable",
    "the system does not tell which serial ports there are",
    "Type the port's name, such as /dev/ttyUSB0.",
)
