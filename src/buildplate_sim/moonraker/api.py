"""What a simulated Moonraker answers to each call, whichever way it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.moonraker.answers import (
    API_VERSION,
    INVALID_PARAMS,
    NO_METHOD,
    VERSION,
    RefusedError,
)
from buildplate_sim.moonraker.files import ROOT
from buildplate_sim.moonraker.link import DISCONNECTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.webhooks import Client
    from buildplate_sim.moonraker.host import Host

Params = dict[str, Any]
COMPONENTS = [
    "secrets", "template", "klippy_connection", "jsonrpc", "internal_transport", "application",
    "websockets", "database", "dbus_manager", "file_manager", "authorization", "klippy_apis",
    "shell_command", "machine", "data_store", "proc_stats", "job_state", "job_queue", "history",
    "http_client", "announcements", "webcam", "power", "extensions",
]  # fmt: skip
REMOTE = {
    "printer.info": "info",
    "printer.emergency_stop": "emergency_stop",
    "printer.gcode.help": "gcode/help",
    "printer.gcode.script": "gcode/script",
    "printer.objects.list": "objects/list",
    "printer.objects.query": "objects/query",
    "printer.objects.subscribe": "objects/subscribe",
    "printer.print.pause": "pause_resume/pause",
    "printer.print.resume": "pause_resume/resume",
    "printer.print.cancel": "pause_resume/cancel",
}
"""Calls that are Klippy's own."""

RESTARTS = {"printer.restart": "RESTART", "printer.firmware_restart": "FIRMWARE_RESTART"}
CAMERA = {
    "name": "bed",
    "location": "printer",
    "service": "mjpegstreamer",
    "enabled": True,
    "icon": "mdiWebcam",
    "target_fps": 15,
    "target_fps_idle": 5,
    "stream_url": "/webcam/?action=stream",
    "snapshot_url": "/webcam/?action=snapshot",
    "flip_horizontal": False,
    "flip_vertical": False,
    "rotation": 0,
    "aspect_ratio": "4:3",
    "extra_data": {},
    "source": "database",
    "uid": "2b8b9a4e-5d6c-4c39-9b5c-7a5f5f2f1f0d",
}


class Api:
    """The calls of one host. A refusal is a `RefusedError`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._local: dict[str, Callable[[Params], Any]] = {
            "server.info": lambda _: self._info(),
            "server.config": lambda _: self._config(),
            "server.temperature_store": lambda _: self._temperatures(),
            "server.gcode_store": lambda _: {"gcode_store": list(host.running.lines)},
            "server.files.list": lambda _: host.files.listing(),
            "server.files.roots": lambda _: self._roots(),
            "server.files.metadata": lambda p: host.files.metadata(_needed(p, "filename")),
            "server.files.get_directory": self._directory,
            "server.files.delete_file": lambda p: self.delete(host.files.inner(_needed(p, "path"))),
            "server.history.list": self._history,
            "server.history.totals": lambda _: host.running.history.totals(),
            "server.history.get_job": self._job,
            "server.webcams.list": lambda _: {"webcams": [CAMERA]},
            "server.restart": lambda _: self._restart(),
            "machine.device_power.devices": lambda _: host.power.listing(),
            "machine.device_power.get_device": host.power.status,
            "machine.device_power.post_device": host.power.switch,
            "access.oneshot_token": lambda _: host.running.token(),
            "access.get_api_key": lambda _: host.key,
            "access.info": lambda _: {"default_source": "moonraker", "login_required": False},
        }

    def knows(self, method: str) -> bool:
        """Whether there is such a call."""
        own = method in self._local or method in REMOTE or method in RESTARTS
        return own or method == "printer.print.start"

    async def call(self, method: str, params: Params, client: Client | None) -> Any:
        """Carry out a call; `client` is who subscribes, if it can."""
        if method in self._local:
            return self._local[method](params)
        link = self._host.running.link
        if method == "printer.print.start":
            return await self.start(_needed(params, "filename"))
        if method in RESTARTS:
            return await self._restarted(RESTARTS[method])
        if method not in REMOTE:
            raise RefusedError(NO_METHOD, "Method not found")
        if method == "printer.objects.subscribe" and client is None:
            raise RefusedError(404, "Not Found")
        if method.startswith("printer.objects.") and method != "printer.objects.list":
            params = {"objects": _objects(params)}
        return await link.ask(REMOTE[method], params, client)

    async def start(self, filename: str) -> Any:
        """Start a print, as whoever has the key."""
        self._host.running.link.user = "_API_KEY_USER_"
        name = filename.removeprefix("/").replace('"', '\\"')
        script = f'SDCARD_PRINT_FILE FILENAME="{name}"'
        return await self._host.running.link.ask("gcode/script", {"script": script})

    async def _restarted(self, command: str) -> Any:
        try:
            return await self._host.running.link.ask("gcode/script", {"script": command})
        except RefusedError as refused:
            if refused.text == "Klippy Disconnected":
                return "ok"
            raise

    # --- files

    def delete(self, path: str) -> Params:
        """Delete a file, unless it was heard of as the one that prints."""
        answer = self._host.files.delete(path, self._host.running.link.loaded)
        self._host.running.tell("notify_filelist_changed", answer)
        return answer

    def _directory(self, params: Params) -> Params:
        path = self._host.files.inner(params.get("path", ROOT))
        extended = params.get("extended", False) in {True, "true", "True"}
        return self._host.files.directory(path, extended=extended)

    def _roots(self) -> list[Params]:
        return [{"name": ROOT, "path": str(self._host.files.folder), "permissions": "rw"}]

    def _history(self, params: Params) -> Params:
        return self._host.running.history.listing(params)

    def _job(self, params: Params) -> Params:
        row = self._host.running.history.job(_needed(params, "uid"))
        if row is None:
            raise RefusedError(404, f"Invalid job uid: {params['uid']}")
        return {"job": row}

    # --- the server

    def _info(self) -> Params:
        running = self._host.running
        return {
            "klippy_connected": running.link.state != DISCONNECTED,
            "klippy_state": running.link.state,
            "components": COMPONENTS,
            "failed_components": [],
            "registered_directories": ["config", "logs", ROOT],
            "warnings": [],
            "websocket_count": len(running.sockets),
            "moonraker_version": VERSION,
            "missing_klippy_requirements": [],
            "api_version": API_VERSION,
            "api_version_string": ".".join(str(part) for part in API_VERSION),
        }

    def _config(self) -> Params:
        address, port = self._host.door.address
        server = {"host": address, "port": port, "max_upload_size": 1024}
        file_manager = {"enable_object_processing": False, "queue_gcode_uploads": False}
        config = {"server": server, "file_manager": file_manager, **self._host.power.config()}
        return {"config": config, "orig": {}, "files": []}

    def _temperatures(self) -> Params:
        now, heaters = self._host.box.pulse.now, self._host.box.heaters
        return {
            name: {
                "temperatures": [round(heaters[key].advance(now), 2)],
                "targets": [heaters[key].target],
                "powers": [0.0],
            }
            for name, key in (("extruder", "tool0"), ("heater_bed", "bed"))
        }

    def _restart(self) -> str:
        self._host.box.pulse.after(0.0, lambda: self._host.play("restart", {"down_s": 1.0}))
        return "ok"


def _needed(params: Params, name: str) -> str:
    value = params.get(name)
    if value is None:
        raise RefusedError(400, f"No data for argument: {name}")
    return str(value)


def _objects(params: Params) -> Params:
    """The objects that are asked for: a JSON object, or HTTP's query without one."""
    objects = params.get("objects", params)
    if not isinstance(objects, dict):
        raise RefusedError(INVALID_PARAMS, "Invalid params:\n'int' object is not iterable")
    return {
        name: fields.split(",") if isinstance(fields, str) and fields else fields or None
        for name, fields in objects.items()
    }
