"""What a test may ask of a farm in another process: one JSON line in, one JSON line out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from argon2 import PasswordHasher

from buildplate.access.audit import Deed
from buildplate.access.errors import AccessError, SetupDone, UnknownGroup, UnknownUser
from buildplate.access.model import Caller, CallerKind, Group, Role, User
from buildplate.app.composition import Farm
from buildplate.core.jobs import Priority, Requirements
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, BedClearing, BedPolicy, PrinterModel, PrinterSpec, Volume
from buildplate.dispatch.errors import DispatchError
from buildplate.dispatch.model import NewJob, PrintRecord
from buildplate.dispatch.reading import list_jobs, list_prints
from buildplate.dispatch.repository import Key
from buildplate.drivers.sdk import DriverError, Jog
from buildplate.files.errors import FileError
from buildplate.fleet.errors import FleetError, UnknownFloor
from buildplate.fleet.model import Floor
from buildplate.fleet.repository import list_printers
from buildplate.fleet.service import NewPrinter
from buildplate.fleet.session import PrinterSession
from buildplate.storage import StorageError, read_events

ALL = 100_000
PASSWORD = "correct horse battery"
NOBODY = Caller(CallerKind.NOBODY, None, "nobody", Role.VIEWER)
OURS = (AccessError, DispatchError, DriverError, FileError, FleetError, StorageError)
Answer = dict[str, Any]


class MovableClock(Protocol):
    """A clock that a test can set forward."""

    ahead: float


class Control:
    """Carries out orders on the farm's own use cases; each is a method whose name begins `do_`."""

    def __init__(self, farm: Farm, clock: MovableClock, reached: Counter[str]) -> None:
        self._farm = farm
        self._clock = clock
        self._reached = reached
        self.stopped = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: orders are carried out side by side."""
        async with asyncio.TaskGroup() as tasks:
            while line := await reader.readline():
                tasks.create_task(self._answer(json.loads(line), writer))
        writer.close()

    async def _answer(self, order: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number, name = order.pop("id"), order.pop("do")
        try:
            answer = {"id": number, "ok": await getattr(self, f"do_{name}")(**order)}
        except OURS as error:
            told = {"code": error.code, "detail": str(error), "hint": error.hint}
            answer = {"id": number, "error": told}
        writer.write(json.dumps(answer, default=str).encode() + b"\n")

    # --- looking ---------------------------------------------------------------------------------

    async def do_state(self) -> Answer:
        prints = await self._farm.storage.read(list_prints, limit=ALL, cursor=None, filters={})
        jobs = await self._farm.storage.read(list_jobs, limit=ALL, cursor=None, filters={})
        return {
            "printers": [_printer(session) for session in self._farm.fleet.sessions.values()],
            "prints": [_print(print_) for print_ in prints],
            "jobs": [{"id": job.id, "copies": job.copies, "file": job.file_id} for job, _ in jobs],
        }

    async def do_job_state(self, job: str) -> Answer:
        view = await self._farm.jobs.job(job)
        return {"state": view.state.value, "finished": view.finished, "version": view.job.version}

    async def do_reached(self) -> Answer:
        return dict(self._reached)

    async def do_waiting(self, print_id: str) -> list[Answer]:
        found = await self._farm.queue.waiting(print_id)
        return [{"code": reason.code.value, "detail": reason.detail} for reason in found]

    async def do_events(self, kind: str = "") -> list[Answer]:
        found = await self._farm.storage.read(read_events, 0, ALL)
        return [
            {
                "seq": event.seq,
                "at": event.event.at.timestamp(),
                "kind": event.event.kind,
                "print": event.event.print_id,
                "printer": event.event.printer_id,
                "reason": event.event.data.get("reason", ""),
            }
            for event in found
            if event.event.kind.startswith(kind)
        ]

    async def do_commands(self, printer: str) -> list[Answer]:
        found = await self._farm.commands.commands(printer)
        return [
            {"id": one.id, "kind": one.kind, "state": one.state.value, "answer": one.answer}
            for one in found
        ]

    async def do_tasks(self) -> int:
        return len(asyncio.all_tasks())

    # --- printers --------------------------------------------------------------------------------

    async def do_add_printer(
        self, name: str, connection: Answer, driver: str = "octoprint", clear: str = "manual"
    ) -> Answer:
        policy = BedPolicy(BedClearing(clear))
        model = PrinterModel(name="sim", build_volume=Volume(250, 250, 250))
        spec = PrinterSpec(id="", number=0, name=name, model=model, bed_policy=policy)
        record = await self._farm.fleet.add(NewPrinter(spec, driver, connection))
        return {"id": record.id, "bed_version": record.bed_version}

    async def do_edit_printer(self, printer: str, **changes: Any) -> None:
        record = await self._farm.fleet.get(printer)
        connection = changes.pop("connection", record.connection)
        spec = replace(record.spec, **changes)
        await self._farm.fleet.edit(printer, spec, connection, record.version)

    async def do_retire(self, printer: str) -> None:
        await self._farm.fleet.retire(printer)

    async def do_clear_bed(self, printer: str, version: int) -> None:
        await self._farm.fleet.clear_bed(printer, version)

    # --- groups and floors -----------------------------------------------------------------------

    async def do_groups(self) -> Answer:
        """What groups there are, and what printers and jobs call theirs."""
        jobs = await self._farm.storage.read(list_jobs, limit=ALL, cursor=None, filters={})
        printers = await self._farm.storage.read(list_printers)
        return {
            "groups": [group.name for group in await self._farm.access.groups.groups()],
            "printers": [one.spec.group for one in printers],
            "jobs": [job.requirements.group for job, _ in jobs],
        }

    async def do_add_group(self, name: str) -> None:
        await self._farm.access.groups.create(name)

    async def do_rename_group(self, name: str, to: str) -> None:
        await self._farm.access.groups.edit(await self._group(name), name=to)

    async def do_remove_group(self, name: str) -> None:
        await self._farm.access.groups.remove(await self._group(name))

    async def do_join(self, printer: str, group: str | None) -> None:
        await self.do_edit_printer(printer, group=group)

    async def _group(self, name: str) -> Group:
        for group in await self._farm.access.groups.groups():
            if group.name == name:
                return group
        message = f"there is no group {name}"
        raise UnknownGroup(message)

    async def do_add_floor(self, name: str) -> None:
        await self._farm.floors.create(name, 1000, 1000)

    async def do_edit_floor(self, name: str, to: str) -> None:
        await self._farm.floors.edit(await self._floor(name), {"name": to})

    async def do_remove_floor(self, name: str) -> None:
        await self._farm.floors.remove(await self._floor(name))

    async def _floor(self, name: str) -> Floor:
        for floor in await self._farm.floors.floors():
            if floor.name == name:
                return floor
        message = f"there is no floor {name}"
        raise UnknownFloor(message)

    # --- files and orders ------------------------------------------------------------------------

    async def do_file(self, name: str, gcode: str) -> Answer:
        async def pieces() -> AsyncIterator[bytes]:
            yield gcode.encode()

        stored = await self._farm.files.receive(pieces(), name)
        return {"id": stored.file.id, "sha256": stored.file.printer_sha256}

    async def do_rename_file(self, file: str, name: str) -> None:
        await self._farm.files.rename(file, name)

    async def do_delete_file(self, file: str) -> None:
        await self._farm.files.delete(file)
        self._farm.joined_files.forget(file)

    async def do_order(
        self,
        file: str,
        copies: int = 1,
        retries: int = 100,
        key: str | None = None,
        body: str = "",
        group: str | None = None,
        size: Sequence[float] | None = None,
        **more: Any,
    ) -> Answer:
        volume = None if size is None else Volume(*size)
        asked = Requirements(group=group, build_volume=volume)
        wish = NewJob(file_id=file, copies=copies, retries=retries, requirements=asked, **more)
        used = None if key is None else Key(key, "jobs", body)
        view, created = await self._farm.jobs.receive(wish, used)
        return {"id": view.job.id, "number": view.job.number, "created": created}

    async def do_edit_job(self, job: str, **changes: Any) -> None:
        if "priority" in changes:
            changes["priority"] = Priority(changes["priority"])
        await self._farm.jobs.edit(job, None, changes)

    async def do_hold(self, job: str, *, hold: bool) -> None:
        await self._farm.jobs.hold(job, hold=hold)

    async def do_cancel_job(self, job: str) -> None:
        await self._farm.jobs.cancel(job)

    async def do_retry_job(self, job: str) -> None:
        await self._farm.jobs.retry(job)

    async def do_reorder(self, job: str, before: str | None) -> None:
        await self._farm.queue.reorder(job, before)

    async def do_stop_farm(self, *, stopped: bool) -> None:
        await self._farm.queue.stop(stopped=stopped, reason="a test")

    # --- prints ----------------------------------------------------------------------------------

    async def do_cancel_print(self, print_id: str) -> None:
        await self._farm.prints.cancel_print(print_id)

    async def do_ask(self, print_id: str, kind: str) -> str:
        return (await self._farm.prints.ask(print_id, kind, "a test")).id

    async def do_jog(self, printer: str, by: dict[str, float], key: str) -> str:
        return (await self._farm.controls.order(printer, Jog(by), "a test", key)).id

    async def do_emergency_stop(self, printer: str) -> str:
        return (await self._farm.controls.emergency_stop(printer, "a test")).id

    async def do_connect(self, printer: str) -> None:
        await self._farm.fleet.connect(printer)

    async def do_confirm(self, print_id: str) -> None:
        await self._farm.prints.confirm(print_id)

    async def do_remark(self, print_id: str, text: str) -> None:
        await self._farm.prints.note(print_id, text, "a test")

    async def do_assign(self, print_id: str, printer: str) -> None:
        await self._farm.prints.assign(printer, job=None, print_=print_id)

    async def do_resolve(
        self, print_id: str, outcome: str, bed: str, *, override: bool = False
    ) -> None:
        await self._farm.prints.resolve(
            print_id, PrintState(outcome), Bed(bed), override=override, who="a test"
        )

    # --- keys, time, the end ---------------------------------------------------------------------

    async def do_first_key(self) -> bool:
        return await self._farm.keys.first() is not None

    async def do_create_key(self, name: str) -> str:
        return (await self._farm.keys.create(name, Role.VIEWER)).key.id

    async def do_revoke_key(self, key: str) -> None:
        await self._farm.keys.revoke(key)

    async def do_keys(self) -> list[Answer]:
        found = await self._farm.keys.keys()
        return [{"id": key.id, "name": key.name, "revoked": bool(key.revoked_at)} for key in found]

    # --- people ----------------------------------------------------------------------------------

    async def do_set_up(self, name: str) -> None:
        """By a fresh link, until there is an administrator."""
        token = await self._farm.access.users.offer_setup()
        with suppress(SetupDone):
            await self._farm.access.users.set_up(token or "", name, PASSWORD)

    async def do_add_user(self, name: str) -> None:
        await self._farm.access.users.create(name, Role.VIEWER, PASSWORD)

    async def do_log_in(self, name: str) -> None:
        """With a hash of older parameters, which the login renews; and out again."""
        user = await self._user(name)
        old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
        await self._farm.access.users._rows.rehash(user.id, user.password, old)
        found = await self._farm.access.sessions.login(name, PASSWORD, None)
        await self._farm.access.sessions.logout(found.caller)

    async def do_refresh(self, name: str) -> None:
        pair = await self._farm.access.sessions.token(name, PASSWORD, None)
        await self._farm.access.sessions.refresh(pair.refresh, None)

    async def do_visit(self, name: str) -> None:
        """As long after the login as it takes for the visit to be noted."""
        sessions = self._farm.access.sessions
        found = await sessions.login(name, PASSWORD, None)
        later = self._farm.clock.now() + timedelta(hours=1)
        await sessions._parts.sessions.touch(found.caller.session_id or "", later)

    async def do_edit_user(self, name: str, role: str) -> None:
        await self._farm.access.users.edit(await self._user(name), {"role": Role(role)})

    async def do_remove_user(self, name: str) -> None:
        await self._farm.access.users.remove((await self._user(name)).id)

    async def do_users(self) -> list[Answer]:
        found = await self._farm.access.users.users()
        return [{"name": user.name, "role": user.role.value} for user in found]

    async def do_note(self) -> None:
        deed = Deed(NOBODY, None, "/", None, lambda: "POST /")
        await self._farm.access.audit.note(deed)

    async def _user(self, name: str) -> User:
        found = await self._farm.access.users.named(name)
        if found is None:
            message = f"there is no user {name}"
            raise UnknownUser(message)
        return found

    async def do_jump(self, seconds: float) -> None:
        self._clock.ahead += seconds

    async def do_stop(self) -> None:
        self.stopped.set()


def _printer(session: PrinterSession) -> Answer:
    printer = session.as_printer()
    return {
        "id": session.id,
        "name": printer.spec.name,
        "link": printer.status.link.value,
        "activity": printer.status.activity.value,
        "bed": printer.status.bed.value,
        "bed_version": printer.status.bed_version,
        "bed_reason": session.record.bed_reason,
        "active": printer.status.active_print_id,
        "needs_attention": printer.status.needs_attention,
        "unsettled": printer.status.unsettled_command,
        "detail": session.live.detail,
        "problem": session.live.problem,
        "hint": session.live.hint,
    }


def _print(print_: PrintRecord) -> Answer:
    return {
        "id": print_.id,
        "number": print_.number,
        "job": print_.job_id,
        "copy": print_.copy_no,
        "try": print_.try_no,
        "state": print_.state.value,
        "printer": print_.printer_id,
        "path": print_.path,
        "reason": print_.reason,
        "exit_by": print_.exit_by,
        "exit_verdict": print_.exit_verdict,
        "wants_cancel": print_.wants_cancel,
    }
