"""One virtual printer as the service sees it: reports and obeys, decides and repeats nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    Accepted,
    Deleted,
    DriverError,
    EmergencyStop,
    Equipment,
    HostConfused,
    Identity,
    Jog,
    Macro,
    PowerDevice,
    PrinterOffline,
    PrintObject,
    Reading,
    Refused,
    Unknown,
)
from buildplate_sim.virtual_driver import client, mapping
from buildplate_sim.virtual_driver.client import Client, RefusedByPrinter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any

    from buildplate.drivers.sdk import Answer, Control, DriverTimings, FileBody, Push, Watch
    from buildplate_sim.virtual_driver.config import VirtualConfig


class VirtualDriver:
    """Fulfils `buildplate.drivers.sdk.Driver` for one virtual printer."""

    def __init__(self, config: VirtualConfig, timings: DriverTimings) -> None:
        self._config = config
        self._timings = timings
        self._client: Client | None = None
        self._last_run: tuple[str, int] | None = None

    async def connect(self, *, wake: bool = False) -> Identity:
        """Open the connection with its push channel; PrinterOffline, HostConfused.

        `wake` brings a printer back that has stopped with an error.
        """
        await self.close()
        link = await client.connected(self._config, self._timings.request)
        self._client = link
        try:
            hello = await self._ask("hello")
            if hello.get("software") != "virtual":
                why = "what answers there is no virtual printer"
                raise HostConfused(why)
            await self._ask("watch")
            if wake:
                await self._ask("reset")
        except DriverError:
            await self.close()
            raise
        return Identity("virtual", str(hello["version"]), str(hello["name"]))

    async def pushes(self) -> AsyncIterator[Push]:
        """Yield what the printer sends until the connection is lost."""
        link = self._open()
        while True:
            yield mapping.push(await link.push())

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        """Read the printer afresh: one request, one consistent answer."""
        begun = self._timings.clock()
        asked: dict[str, Any] = {}
        if watch is not None:
            asked["path"] = watch.path
            if watch.baseline is not None:
                asked["since"] = watch.baseline["last_run"]
        status = await self._ask("status", **asked)
        try:
            foreign_ran = self._foreign_ran(status, watch)
            return mapping.reading(status, watch, begun=begun, deep=deep, foreign_ran=foreign_ran)
        except (KeyError, TypeError, ValueError) as error:
            why = f"the status lacks something: {error!r}"
            raise HostConfused(why) from error

    def _foreign_ran(self, status: dict[str, Any], watch: Watch | None) -> bool:
        """Whether runs were added since the former reading that are not all ours."""
        now = (str(status["store"]), int(status["last_run"]))
        before, self._last_run = self._last_run, now
        if before is None or before == now:
            return False
        if before[0] != now[0]:
            return True
        return now[1] - before[1] > mapping.own_runs(status, watch, before[1])

    async def upload(self, name: str, body: FileBody) -> str:
        """Store the file under `name`."""
        return await client.upload(self._config, name, body, self._timings.transfer_idle)

    async def fetch_sha256(self, path: str) -> str | None:
        """Fetch the stored file and answer the sha256 of its bytes."""
        return await client.fetch_sha256(self._config, path, self._timings.transfer_idle)

    async def start(self, path: str) -> Answer:
        """Start the stored file, once."""
        return await self._command("start", path=path)

    async def cancel(self) -> Answer:
        """Cancel whatever the printer prints."""
        return await self._command("cancel")

    async def pause(self) -> Answer:
        """Pause the running print."""
        return await self._command("pause")

    async def resume(self) -> Answer:
        """Resume the paused print."""
        return await self._command("resume")

    async def delete(self, path: str) -> Deleted:
        """Delete a stored file; one that is not there is GONE."""
        try:
            await self._ask("delete", path=path)
        except RefusedByPrinter as refused:
            words = {"not_found": Deleted.GONE, "in_use": Deleted.IN_USE}
            return words.get(refused.word, Deleted.UNKNOWN)
        except DriverError:
            return Deleted.UNKNOWN
        return Deleted.GONE

    async def files(self, prefix: str) -> Sequence[str]:
        """Paths of stored files whose name begins with `prefix`."""
        answer = await self._ask("files", prefix=prefix)
        return [str(path) for path in answer.get("files", ())]

    async def control(self, order: Control) -> Answer:
        """Carry out what a person asked for."""
        if isinstance(order, EmergencyStop):
            return await self._command("emergency_stop")
        return await self._command("order", kind=CAPABILITY_OF[type(order)], params=_plain(order))

    async def equipment(self) -> Equipment:
        """What the printer has to offer."""
        told = await self._ask("equipment")
        return Equipment(
            macros=[str(one) for one in told.get("macros", ())],
            objects=[PrintObject(one["name"], one["excluded"]) for one in told.get("objects", ())],
            power=[PowerDevice(**one) for one in told.get("power", ())],
        )

    async def barrier(self) -> None:
        """Commands are executed as they arrive: any answer proves that those before it have run."""
        await self._ask("hello")

    async def close(self) -> None:
        """Close the connection."""
        link, self._client = self._client, None
        if link is not None:
            link.close()

    def _open(self) -> Client:
        if self._client is None:
            why = "not connected"
            raise PrinterOffline(why)
        return self._client

    async def _ask(self, do: str, **facts: Any) -> dict[str, Any]:
        return await self._open().ask(do, self._timings.request, **facts)

    async def _command(self, do: str, **facts: Any) -> Answer:
        try:
            await self._open().ask(do, self._timings.command, **facts)
        except RefusedByPrinter as refused:
            return Refused(refused.word, str(refused))
        except DriverError as error:
            return Unknown(str(error))
        return Accepted()


def _plain(order: Control) -> dict[str, Any]:
    """The order in detail, as JSON."""
    match order:
        case Jog(by, speed):
            return {"by": dict(by), "speed": speed}
        case Macro(name, params):
            return {"name": name, "params": dict(params)}
        case _:
            return asdict(order)
