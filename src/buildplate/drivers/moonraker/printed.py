"""What Moonraker knows of the file that is printed, or was printed last, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import dirname, join
from typing import Any

from buildplate.core.upload_names import may_be_ours
from buildplate.drivers.moonraker.answers import LONGEST_S, items, number, text
from buildplate.drivers.moonraker.channel import Channel
from buildplate.drivers.moonraker.client import MoonrakerClient
from buildplate.drivers.moonraker.rpc import Said
from buildplate.drivers.sdk import (
    PICTURE_LIMIT,
    PICTURE_WIDEST,
    DriverError,
    DriverTimings,
    HostFile,
    Picture,
)
from buildplate.drivers.sdk.web_files import bounded

METADATA = "server.files.metadata"
PICTURES_LIMIT = 32
"""Pictures of one file that are looked at."""

AGAIN_S = 30.0
"""After so long Moonraker is asked again for what it had not read yet."""

LONGEST_MM, HEAVIEST_G, MOST_LAYERS, HOTTEST_C = 1e7, 1e6, 10**6, 1000.0
_UNKNOWN = frozenset({"", "?", "Unknown"})


@dataclass(frozen=True, slots=True)
class Known:
    """A file, and where below the G-code files its best picture lies; "" is nowhere."""

    file: HostFile
    picture: str = ""


class Printed:
    """The file of the last print that Klippy knows; read once for each print."""

    def __init__(self, client: MoonrakerClient, channel: Channel, timings: DriverTimings) -> None:
        self._client = client
        self._channel = channel
        self._timings = timings
        self._print: tuple[str, int] = ("", 0)
        self._known: Known | None = None
        self._again = float("-inf")

    async def file(self) -> HostFile | None:
        """The file, as Moonraker has read it; None where there is none, or it does not say.

        Nothing depends on it: what goes wrong in reading it is no error.
        """
        known = await self._find()
        return None if known is None else known.file

    async def picture(self, file: HostFile) -> Picture | None:
        """The picture of a file that was told; None where there is none that can be shown.

        Raises DriverError where the host does not give what it has told.
        """
        known = await self._find()
        if known is None or known.file != file or not known.picture:
            return None
        async with bounded(self._timings.request):
            body = await self._client.fetch(known.picture, PICTURE_LIMIT)
        return None if body is None else Picture.of(body)

    async def _find(self) -> Known | None:
        latest = self._channel.latest
        if latest != self._print:
            self._print, self._known, self._again = latest, None, float("-inf")
        path, now = latest[0], self._timings.clock()
        if not path or may_be_ours(path) or self._known is not None or now < self._again:
            return self._known
        self._again = now + AGAIN_S
        try:
            async with bounded(self._timings.request / 2):
                said = await self._client.rpc.call(METADATA, {"filename": path})
        except (Said, DriverError):
            return None
        if self._channel.latest == latest and isinstance(said, dict):
            self._known = read_file(path, said)
        return self._known


def read_file(path: str, said: Mapping[str, Any]) -> Known:
    """What `server.files.metadata` says of a file; what is out of all bounds is left out."""
    place = _best_picture(path, said.get("thumbnails"))
    slicer, version = (text(said.get(name), 60) for name in ("slicer", "slicer_version"))
    slicer = "" if slicer in _UNKNOWN else slicer
    layers = _amount(said.get("layer_count"), MOST_LAYERS)
    file = HostFile(
        path=path,
        version="-".join(_word(said.get(name)) for name in ("uuid", "modified", "size")),
        slicer=slicer if version in _UNKNOWN or not slicer else f"{slicer} {version}",
        estimated_s=_amount(said.get("estimated_time"), LONGEST_S),
        filament_mm=_amount(said.get("filament_total"), LONGEST_MM),
        filament_g=_amount(said.get("filament_weight_total"), HEAVIEST_G),
        layers=None if layers is None else round(layers),
        layer_height=_amount(said.get("layer_height"), LONGEST_MM),
        first_layer_height=_amount(said.get("first_layer_height"), LONGEST_MM),
        object_height=_amount(said.get("object_height"), LONGEST_MM),
        first_layer_nozzle_c=_amount(said.get("first_layer_extr_temp"), HOTTEST_C),
        first_layer_bed_c=_amount(said.get("first_layer_bed_temp"), HOTTEST_C),
        chamber_c=_amount(said.get("chamber_temp"), HOTTEST_C),
        has_picture=bool(place),
    )
    return Known(file, place)


def _word(value: object) -> str:
    """A text or a number as text; "" for anything else, which may be of any size and depth."""
    found = number(value)
    return text(value, 60) if found is None else str(found)


def _amount(value: object, most: float) -> float | None:
    """A number above nothing that can be one of its kind, None for anything else."""
    found = number(value)
    return found if found is not None and 0 < found <= most else None


def _best_picture(path: str, pictures: object) -> str:
    """Where the largest picture lies that may be fetched; it stays below the G-code files.

    The file's own path is the host's word, too: whoever uploads to it can put anything there.
    """
    best, most = "", 0.0
    for picture in items(pictures, PICTURES_LIMIT):
        size = number(picture.get("size")) or 0.0
        sides = [number(picture.get(side)) or 0.0 for side in ("width", "height")]
        place = join(dirname(path.removeprefix("/")), text(picture.get("relative_path"), 300))
        fits = 0 < size <= PICTURE_LIMIT and max(sides) <= PICTURE_WIDEST
        if fits and size > most and _stays(place) and not may_be_ours(place):
            best, most = place, size
    return best


def _stays(place: str) -> bool:
    """Whether a path leads to something below the folder that it begins in."""
    parts = place.split("/")
    return place.isprintable() and not {"", ".", ".."} & set(parts) and "\\" not in place
