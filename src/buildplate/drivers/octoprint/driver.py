"""Drives one printer behind an OctoPrint: it reports and obeys, and decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from buildplate.drivers.octoprint import answers, mapping
from buildplate.drivers.octoprint.answers import Job, Phase, Prints
from buildplate.drivers.octoprint.channel import PushChannel
from buildplate.drivers.octoprint.client import (
    CONFLICT,
    KEY_REFUSED,
    LISTING_LIMIT,
    NO_CONTENT,
    NOT_FOUND,
    OK,
    OctoPrintClient,
    Reply,
)
from buildplate.drivers.octoprint.config import OctoPrintSettings
from buildplate.drivers.octoprint.controls import wishes
from buildplate.drivers.octoprint.mapping import Baseline, Sight
from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    AuthRequired,
    Control,
    Deleted,
    DriverError,
    DriverTimings,
    Equipment,
    FileBody,
    HostConfused,
    HostFull,
    Identity,
    PrinterOffline,
    Push,
    Reading,
    Refused,
    Unknown,
    Watch,
    together,
)
from buildplate.drivers.sdk.web_connection import TRY_A_BROWSER

NEEDED = {
    "status": "STATUS",
    "connection": "CONNECTION",
    "files_list": "FILES_LIST",
    "files_upload": "FILES_UPLOAD",
    "files_download": "FILES_DOWNLOAD",
    "files_delete": "FILES_DELETE",
    "files_select": "FILES_SELECT",
    "print": "PRINT",
}
"""OctoPrint's needs, and its permissions' names, for what this driver does."""

NO_CONTROL = "the key lacks CONTROL, so nobody can move or heat this printer from here"
"""The warning where a printer's panel cannot be used."""

NOT_OCTOPRINT = "what answers at this address is not an OctoPrint"
LOOK_REQUESTS = 2
"""A look is several requests, partly at once: how many request time-outs they may take in all.

The proof that the push socket is up to date comes after them, within one time-out more."""

AMPLE_ROOM, ROOM_KNOWN_S = 1 << 30, 120.0
"""Bytes free on the host above which it is not asked again before each upload, and for how long."""

OTHER_STARTERS = {"continuousprint": "Continuous Print Queue"}
"""Plugins of OctoPrint that start prints by themselves, by their id."""


class OctoPrintDriver:
    """One printer behind one OctoPrint; one connection, then a new driver."""

    def __init__(self, settings: OctoPrintSettings, timings: DriverTimings) -> None:
        self._settings = settings
        self._timings = timings
        self._client = OctoPrintClient(settings, timings)
        self._rights = _Rights()
        login = partial(_login, self._client, self._rights)
        self._channel = PushChannel(self._client, timings, login)
        self._looked_to = 0
        self._room = (0.0, float("-inf"))
        self._closed = False

    # --- the connection --------------------------------------------------------------------------

    async def connect(self, *, wake: bool = False) -> Identity:
        """Open the connection with its push channel; PrinterOffline, AuthRequired, HostConfused."""
        self._client.open()
        server = _version(await self._client.get("api/version"))
        await self._channel.open()
        if self._settings.auto_connect or wake:
            await self._connect_printer(wake=wake)
        warnings = await self._other_starters()
        warnings += [] if self._rights.control else [NO_CONTROL]
        return Identity("OctoPrint", server[:50], warnings=warnings)

    async def close(self) -> None:
        """Close the connection; safe to call at any time and more than once."""
        self._closed = True
        try:
            await self._channel.close()
        finally:
            await self._client.close()

    async def _other_starters(self) -> list[str]:
        """Warnings of plugins that start prints too; none where the key may not read settings."""
        try:
            plugins = (await self._client.get_json("api/settings")).get("plugins")
        except (AuthRequired, HostConfused):
            return []
        found = [OTHER_STARTERS[one] for one in OTHER_STARTERS if one in (plugins or {})]
        return [f"the plugin {name} starts prints on this host too" for name in found]

    async def _connect_printer(self, *, wake: bool) -> None:
        """Ask the host to open its serial connection when it is merely closed, and wait a little.

        After an error only when a person asks for it: it is for them to look at first.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._timings.request / 2
        job = await self._job()
        closed = job.text == "Offline" and not job.error
        if job.phase is Phase.HALTED and (closed or wake):
            await self._client.ask("api/connection", {"command": "connect"})
        elif job.phase is not Phase.CHANGING:
            return
        while loop.time() < limit:
            await asyncio.sleep(self._timings.request / 100)
            if (await self._job()).phase is Phase.IDLE and await self._ready():
                return

    async def pushes(self) -> AsyncIterator[Push]:
        """Yield what the host sends until the connection is lost, then raise DriverError."""
        self._channel.read_on = True
        try:
            while True:
                push = await self._channel.receive()
                if push is not None:
                    yield push
        finally:
            self._channel.read_on = False

    # --- reading ---------------------------------------------------------------------------------

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        """Read the printer afresh. With `watch` the reading carries Evidence on that file.

        `deep` also digests everything the host keeps (Reading.fingerprint). Raises DriverError.
        """
        begun = self._timings.clock()
        base = None if watch is None or watch.baseline is None else Baseline.load(watch.baseline)
        epoch = self._channel.epoch
        sight, seq = await self._seen(watch, base)
        if watch is not None and base is not None and base.idle and sight.unbroken:
            sight, seq = await self._proven(watch, base, sight, seq)
        job = sight.jobs[-1]
        digest = await self._fingerprint(job) if deep else None
        ours = watch.path if watch is not None and base is not None and base.idle else None
        doing, detail = mapping.activity(sight, ours)
        held = epoch if epoch == self._channel.epoch else ""
        foreign = any(one.path != ours for one in self._channel.heard_since(self._looked_to))
        self._noted(seq, base)
        return Reading(
            begun=begun,
            activity=doing,
            path=job.path if mapping.is_run(job) else None,
            channel=bool(held),
            baseline=mapping.baseline(sight, held, seq, asked=watch is not None).dump(),
            foreign_ran=foreign,
            fingerprint=digest,
            detail=detail,
            progress=job.progress,
            time_left_s=job.time_left,
            evidence=None if watch is None else mapping.evidence(watch.path, base, sight),
            answered=self._timings.clock(),
        )

    async def _seen(self, watch: Watch | None, base: Baseline | None) -> tuple[Sight, int]:
        if watch is None or base is None:
            return await self._see(watch, base)  # all at once, and bounded there
        try:
            async with asyncio.timeout(self._timings.request * LOOK_REQUESTS):
                return await self._see(watch, base)
        except TimeoutError:
            raise PrinterOffline("the host answers too slowly to be read") from None

    async def _see(self, watch: Watch | None, base: Baseline | None) -> tuple[Sight, int]:
        """All reads of one look, and up to which number the record had come before them.

        Once a start may be on its way the job is read twice, the second time after everything else:
        a host announces and shows it at different moments. While it shows our file running in both,
        nothing else is asked: no decision on a running file depends on it.
        """
        seq = self._channel.seq
        jobs = []
        if watch is not None and base is not None:
            jobs.append(await self._job())
            if jobs[0].runs(watch.path):
                jobs.append(await self._job())
                if jobs[1].runs(watch.path):
                    return self._heard(watch, base, Sight(jobs)), seq
        async with self._client.in_time():
            wanted: list[Coroutine[Any, Any, Any]] = [self._ready(bounded=True)]
            wanted += [self._prints(watch.path)] if watch else []
            wanted += [] if jobs else [self._job(bounded=True)]
            ready, *more = await together(*wanted)
        prints = more[0] if watch else None
        jobs.append(await self._job() if jobs else more[-1])
        seen = Sight(jobs, ready, stored=prints is not None, prints=prints)
        return self._heard(watch, base, seen), seq

    def _heard(
        self, watch: Watch | None, base: Baseline | None, sight: Sight, *, proven: bool = False
    ) -> Sight:
        """The reads, with what the channel has told by now."""
        channel = self._channel
        unbroken = base is not None and channel.holds(base.epoch, base.seq)
        return replace(
            sight,
            removed=watch is not None and unbroken and channel.heard_removed(watch.path),
            unbroken=unbroken,
            proven=unbroken and proven,
            heard=channel.heard_since(base.seq) if base is not None and unbroken else (),
            marks=channel.marks,
        )

    async def _proven(
        self, watch: Watch, base: Baseline, sight: Sight, seq: int
    ) -> tuple[Sight, int]:
        """The same look once the push socket is known to have delivered all of its time.

        When it had something new to say after the reads, they are made again, once.
        """
        quiet = not sight.heard and mapping.is_still(sight, watch.path)
        proven = await self._channel.prove(levels=quiet)
        if proven and self._channel.seq != seq:
            sight, seq = await self._seen(watch, base)
            proven = await self._channel.prove(levels=False)
        return self._heard(watch, base, sight, proven=proven), seq

    def _noted(self, seq: int, base: Baseline | None) -> None:
        """Remember up to where a reading has told the record, and forget what nobody needs."""
        self._looked_to = seq
        keep = seq
        if base is not None and self._channel.holds(base.epoch, base.seq):
            keep = min(seq, base.seq)
        self._channel.forget(keep)

    async def _job(self, *, bounded: bool = False) -> Job:
        return answers.read_job(await self._client.get_json("api/job", bounded=bounded))

    async def _ready(self, *, bounded: bool = False) -> bool | None:
        reply = await self._client.get("api/printer", "?exclude=temperature,sd", bounded=bounded)
        if reply.status == CONFLICT:
            return None
        if reply.status != OK:
            raise HostConfused(f"the host answered {reply.status} to a read of its printer")
        return answers.read_ready(reply.json())

    async def _prints(self, path: str) -> Prints | None:
        """The history of a stored file; None when the file is not there."""
        reply = await self._client.get(_file(path), bounded=True)
        if reply.status == NOT_FOUND and reply.refusal() is not None:
            return None
        if reply.status != OK:
            raise HostConfused(f"the host answered {reply.status} to a read of a file")
        return answers.read_prints(reply.json())

    async def _fingerprint(self, job: Job) -> str:
        """Digest the listing in a thread: a host with thousands of files holds up no other."""
        return await asyncio.to_thread(mapping.fingerprint, job, await self._listing())

    async def _listing(self) -> object:
        return (await self._files_answer("?recursive=true"))["files"]

    async def _files_answer(self, query: str) -> dict[str, Any]:
        reply = await self._client.get("api/files/local", query, LISTING_LIMIT)
        if reply.status != OK:
            raise HostConfused(f"the host answered {reply.status} to a read of its files")
        answer = await asyncio.to_thread(reply.json)
        if not isinstance(answer.get("files"), list):
            raise HostConfused("the host's list of files is not understood")
        self._room = (answers.number(answer.get("free")) or 0.0, self._timings.clock())
        return answer

    # --- files -----------------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> str:
        """Store the file under `name`, neither selecting nor printing it; answer the host's path.

        Raises HostFull, HostRefused, PrinterOffline, HostConfused; nothing is concluded from those.
        """
        if not self._has_ample_room(body.size):
            await self._make_sure_of_room(body.size)
        try:
            answer = await self._client.upload(name, body)
        except PrinterOffline:
            await self._make_sure_of_room(body.size)
            raise
        stored: Any = answer.get("files")
        local = stored.get("local") if isinstance(stored, dict) else None
        path = local.get("path") if isinstance(local, dict) else None
        if not isinstance(path, str) or not path:
            raise HostConfused("the host did not say where it stored the file")
        if answer.get("effectiveSelect") or answer.get("effectivePrint"):
            raise HostConfused("the host selected the file although it was only to store it")
        return path

    async def _make_sure_of_room(self, size: int) -> None:
        """HostFull when the host says so: on a full disk it only cuts the connection of an upload.

        Such an upload stays there as a hidden file, so the same is asked before and after.
        """
        free = answers.number((await self._files_answer("")).get("free"))
        if free is not None and free < size:
            raise HostFull(f"{free:.0f} bytes are free on the host, the file has {size}")

    def _has_ample_room(self, size: int) -> bool:
        """Whether the host has said lately that it has room for this and much more."""
        free, told_at = self._room
        return free - size > AMPLE_ROOM and self._timings.clock() < told_at + ROOM_KNOWN_S

    async def fetch_sha256(self, path: str) -> str | None:
        """Fetch the stored file and answer the sha256 of its bytes; DriverError when it fails."""
        return await self._client.fetch_sha256(path)

    async def delete(self, path: str) -> Deleted:
        """Delete a stored file; a file that is not there is GONE. Never raises DriverError."""
        try:
            reply = await self._client.delete(_file(path))
        except DriverError:
            return Deleted.UNKNOWN
        return _deleted(reply)

    async def files(self, prefix: str) -> Sequence[str]:
        """Paths of stored files whose name begins with `prefix`."""
        return sorted(
            entry["path"]
            for entry in answers.walk(await self._listing())
            if str(entry.get("name", "")).startswith(prefix)
        )

    # --- physical commands -----------------------------------------------------------------------

    async def start(self, path: str) -> Answer:
        """Select and print the stored file, once. Refused only on the host's positive word."""
        return await self._order(_file(path), {"command": "select", "print": True})

    async def cancel(self) -> Answer:
        """Cancel whatever the host prints: the caller has just read that it is ours."""
        return await self._order("api/job", {"command": "cancel"})

    async def pause(self) -> Answer:
        """Pause the running print."""
        return await self._order("api/job", {"command": "pause", "action": "pause"})

    async def resume(self) -> Answer:
        """Resume the paused print."""
        return await self._order("api/job", {"command": "pause", "action": "resume"})

    async def control(self, order: Control) -> Answer:
        """Carry out what a person asked for; M112 is what OctoPrint itself sends first of all.

        What takes two requests is Unknown where the second one was not accepted.
        """
        found = wishes(order, several_tools=self._channel.several_tools)
        answer: Answer = Refused("not_capable", "OctoPrint does not offer that")
        for number, wish in enumerate(found):
            answer = await self._order(wish.path, wish.body)
            if not isinstance(answer, Accepted):
                return answer if not number else Unknown(f"only a part was done: {answer}")
        return answer

    async def equipment(self) -> Equipment:
        """The cameras that OctoPrint knows; none where the key may not read settings."""
        try:
            settings = await self._client.get_json("api/settings")
        except (AuthRequired, HostConfused):
            return Equipment()
        return Equipment(cameras=answers.read_cameras(settings))

    async def _order(self, path: str, wish: Mapping[str, Any]) -> Answer:
        if self._closed:
            return Unknown("the connection is closed")
        return await self._client.order(path, wish)

    async def barrier(self) -> None:
        """OctoPrint has no barrier: only the settle times cover what it may still begin."""
        if self._closed:
            raise PrinterOffline("the connection is closed")


def _version(reply: Reply) -> str:
    """The version of the OctoPrint that answered; HostConfused where it is none."""
    try:
        said = reply.json() if reply.status == OK else {}
    except HostConfused:
        said = {}
    text, server = said.get("text"), said.get("server")
    if not isinstance(server, str) or "OctoPrint" not in str(text):
        cause = f"{reply.status}: {reply.body[:100]!r}"
        raise HostConfused(NOT_OCTOPRINT, TRY_A_BROWSER, code="not_octoprint", cause=cause)
    return server


@dataclass(slots=True)
class _Rights:
    """What the key may do beyond what is needed."""

    control: bool = True


async def _login(client: OctoPrintClient, rights: _Rights) -> str:
    """A fresh `name:session` for the push socket; AuthRequired names what the key may not."""
    reply = await client.ask("api/login", {"passive": True})
    if reply.status != OK:
        raise AuthRequired(KEY_REFUSED, code="key_refused", cause=reply.refusal() or "")
    said = reply.json()
    name, session = said.get("name"), said.get("session")
    if not isinstance(name, str) or not isinstance(session, str):
        raise AuthRequired("the API key belongs to nobody")
    needs = said.get("needs")
    roles = needs.get("role") if isinstance(needs, dict) else None
    if isinstance(roles, list) and "admin" not in roles:
        rights.control = "control" in roles
        lacking = [label for need, label in NEEDED.items() if need not in roles]
        if lacking:
            hint = "Give the key's user these permissions in OctoPrint's access control."
            raise AuthRequired(f"the API key lacks {', '.join(lacking)}", hint)
    return f"{name}:{session}"


def _file(path: str) -> str:
    return f"api/files/local/{quote(path)}"


def _deleted(reply: Reply) -> Deleted:
    if reply.status == NO_CONTENT:
        return Deleted.GONE
    if reply.refusal() is None:
        return Deleted.UNKNOWN
    return {NOT_FOUND: Deleted.GONE, CONFLICT: Deleted.IN_USE}.get(reply.status, Deleted.UNKNOWN)
