"""The contract between Buildplate and one family of printers.

A driver only reports and obeys. It decides nothing, repeats nothing, and raises DriverError for
what it could not find out. Physical commands answer Accepted, Refused or Unknown and never raise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from buildplate.core.evidence import Reading
from buildplate.drivers.sdk.answers import Answer, Deleted
from buildplate.drivers.sdk.controls import Control
from buildplate.drivers.sdk.panel import ConsoleLine, Equipment, HostFile, Levels, Picture

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PushKind(StrEnum):
    """Why a host spoke up."""

    TELEMETRY = "telemetry"
    CHANGED = "changed"


class Temperature(NamedTuple):
    """One heater or sensor, in °C; `target` is None where there is none."""

    actual: float
    target: float | None = None


class Push(NamedTuple):
    """Something a host sent by itself. CHANGED asks for a fresh read; TELEMETRY is only shown.

    `temperatures` are those that are new since the last push of this connection. `progress` is 0-1,
    `time_left_s` seconds; both None where the host did not say. `levels` replace all told before
    them, None leaves those standing; `console` holds what was said since the last push.
    """

    kind: PushKind
    temperatures: Mapping[str, Temperature] = _NOTHING
    progress: float | None = None
    time_left_s: float | None = None
    text: str = ""
    levels: Levels | None = None
    console: Sequence[ConsoleLine] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """Our file to look for: its path on the host and the baseline stored with the intent.

    `baseline` is None before the intent: then only the present is asked.
    """

    path: str
    baseline: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What answered at the address. `warnings` name other starters of prints on that host."""

    software: str
    version: str
    name: str = ""
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileBody:
    """A print file on its way: `open` gives its bytes anew, `size` and `sha256` are of those.

    `local`: where the same bytes lie on this machine's own disk, for a driver that streams them
    line by line; None where they lie elsewhere.
    """

    size: int
    sha256: str
    open: Callable[[], AsyncIterator[bytes]]
    local: Path | None = None


class Driver(Protocol):
    """One printer, as seen through its host's interface.

    The session calls `connect` once per connection and then reads `pushes` until it ends. All other
    calls may come concurrently with `pushes`, one physical command at a time. Every call has its
    own time-out (DriverTimings) and is safe to cancel.
    """

    async def connect(self, *, wake: bool = False) -> Identity:
        """Open the connection with its push channel; PrinterOffline, AuthRequired, HostConfused.

        `wake`: a person has looked at a machine that stopped with an error, and asks to bring it
        back; a driver that cannot do that ignores it.
        """

    def pushes(self) -> AsyncIterator[Push]:
        """Yield what the host sends until the connection is lost, then raise DriverError.

        A host without push yields CHANGED once every `timings.poll` seconds. Never buffers without
        bound: telemetry that is not read in time is replaced by newer telemetry.
        """

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        """Read the printer afresh. With `watch` the reading carries Evidence on that file.

        `deep` also digests everything the host keeps (Reading.fingerprint). Raises DriverError.
        """

    async def upload(self, name: str, body: FileBody) -> str:
        """Store the file under `name`, neither selecting nor printing it; answer the host's path.

        Raises HostFull, HostRefused, PrinterOffline, HostConfused; nothing is concluded from those.
        """

    async def fetch_sha256(self, path: str) -> str | None:
        """Fetch the stored file and answer the sha256 of its bytes; None where it can't be had."""

    async def start(self, path: str) -> Answer:
        """Start the stored file, once. Refused only on the host's positive word."""

    async def cancel(self) -> Answer:
        """Cancel whatever the host prints: the caller has just read that it is ours."""

    async def pause(self) -> Answer:
        """Pause the running print."""

    async def resume(self) -> Answer:
        """Resume the paused print."""

    async def delete(self, path: str) -> Deleted:
        """Delete a stored file; a file that is not there is GONE. Never raises DriverError."""

    async def files(self, prefix: str) -> Sequence[str]:
        """Paths of stored files whose name begins with `prefix`."""

    async def control(self, order: Control) -> Answer:
        """Carry out what a person asked for; only orders whose capability the manifest lists."""

    async def equipment(self) -> Equipment:
        """What the host offers beside printing; DriverError. Only with Capability.EQUIPMENT."""

    async def barrier(self) -> None:
        """Return when everything queued on the host before this call has run; DriverError."""

    async def close(self) -> None:
        """Close the connection; safe to call at any time and more than once."""


@runtime_checkable
class Teller(Protocol):
    """What a driver may offer beside `pushes`, where waking a task for each would cost too much."""

    async def tell(self, ear: Callable[[Push], None]) -> None:
        """Tell `ear` of every push on the loop until the connection is lost: DriverError.

        `ear` is quick and raises nothing.
        """


@runtime_checkable
class FileTeller(Protocol):
    """What a driver may offer beside `equipment`: the file in print by itself, and its picture."""

    async def file(self) -> HostFile | None:
        """The file that the printer prints, or printed last; None where its host does not say.

        Cheap to call: the host is asked once for each print. It raises nothing.
        """

    async def picture(self, file: HostFile) -> Picture | None:
        """Fetch the picture of a file that `file` has told; DriverError.

        None where there is none that `Picture.of` takes, or another file is printed by now;
        HostConfused where the host does not give it now.
        """


async def listen(driver: Driver, ear: Callable[[Push], None]) -> None:
    """Tell `ear` of everything that a driver pushes, in its order; DriverError when it is lost."""
    if isinstance(driver, Teller):
        await driver.tell(ear)
        return
    async for push in driver.pushes():
        ear(push)
