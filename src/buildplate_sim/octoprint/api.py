"""The HTTP API of a simulated OctoPrint: requests in, answers out, all at once and in order."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from buildplate_sim.octoprint.answers import (
    CSRF,
    FORBIDDEN_PAGE,
    INTERNAL,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_OPERATIONAL,
    READS,
    Pending,
    RefusedError,
    error_reply,
    json_body,
    nothing,
)
from buildplate_sim.octoprint.by_hand import AXES
from buildplate_sim.octoprint.files_api import FilesApi
from buildplate_sim.octoprint.states import State
from buildplate_sim.octoprint.views import VERSION
from buildplate_sim.web import Reply, Request, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.octoprint.software import OctoPrint


class Api:
    """Answers the requests to one host. A reply is what was decided; the host delivers it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._files = FilesApi(host)
        self._routes: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", "/api/version"): self._version,
            ("GET", "/api/server"): lambda _: json_reply({"safemode": None, "version": VERSION}),
            ("POST", "/api/login"): self._login,
            ("GET", "/api/connection"): self._connection,
            ("POST", "/api/connection"): self._command_connection,
            ("GET", "/api/printer"): self._printer,
            ("GET", "/api/printer/tool"): lambda _: self._heaters("tool"),
            ("GET", "/api/printer/bed"): lambda _: self._heaters("bed"),
            ("GET", "/api/printer/error"): lambda _: json_reply(self._software.line.printer_error),
            ("POST", "/api/printer/tool"): self._command_tool,
            ("POST", "/api/printer/bed"): self._command_bed,
            ("POST", "/api/printer/command"): self._command_printer,
            ("POST", "/api/printer/printhead"): self._command_head,
            ("GET", "/api/settings"): self._settings,
            ("GET", "/api/job"): lambda _: json_reply(self._software.views.job_answer()),
            ("POST", "/api/job"): self._command_job,
            ("GET", "/api/files"): self._files.list_all,
            ("GET", "/api/files/local"): self._files.list_all,
            ("POST", "/api/files/local"): self._files.upload,
        }

    @property
    def _software(self) -> OctoPrint:
        return self._host.running

    def allowed(self, request: Request) -> bool:
        """Whether the request carries a key that counts."""
        key = request.headers.get("x-api-key") or request.query.get("apikey")
        if not key and request.headers.get("authorization", "").startswith("Bearer "):
            key = request.headers["authorization"].removeprefix("Bearer ")
        return key == self._host.key and not self._host.revoked

    def handle(self, request: Request) -> Reply | Pending:
        """Carry a request out."""
        if (request.method, request.path) == ("GET", "/api/currentuser"):
            return self._current_user(request)
        route = self._routes.get((request.method, request.path))
        if not self.allowed(request):
            return self._refused(request, known=route is not None)
        try:
            return route(request) if route is not None else self._files.route(request)
        except RefusedError as refused:
            return refused.reply

    def _refused(self, request: Request, *, known: bool) -> Reply:
        """What a request gets whose key counts no more, or never did."""
        if not known and not self._files.knows(request):
            return error_reply(HTTPStatus.NOT_FOUND, NOT_FOUND)
        if request.method not in READS:
            return error_reply(HTTPStatus.BAD_REQUEST, CSRF)
        if request.path.startswith("/downloads/"):
            return Reply(HTTPStatus.FORBIDDEN, FORBIDDEN_PAGE, "text/html; charset=UTF-8")
        return error_reply(HTTPStatus.FORBIDDEN, NO_PERMISSION)

    # --- the server

    def _version(self, _: Request) -> Reply:
        text = f"OctoPrint {VERSION}"
        return json_reply({"api": "0.1", "server": VERSION, "text": text})

    def _current_user(self, request: Request) -> Reply:
        if self.allowed(request):
            groups = ["admins", "users"]
            return json_reply({"groups": groups, "name": self._host.user, "permissions": ["ADMIN"]})
        return json_reply({"groups": ["guests"], "name": None, "permissions": []})

    def _login(self, request: Request) -> Reply:
        if not json_body(request).get("passive"):
            return error_reply(HTTPStatus.BAD_REQUEST, CSRF)
        session = secrets.token_hex(32)
        self._software.sessions[session] = self._host.user
        return json_reply(
            {
                "_is_external_client": False,
                "_login_mechanism": "apikey",
                "active": True,
                "admin": True,
                "apikey": None,
                "groups": ["admins", "users"],
                "name": self._host.user,
                "needs": {"group": ["users", "admins"], "role": ["admin"]},
                "permissions": [],
                "roles": ["user", "admin"],
                "session": session,
                "settings": {},
                "user": True,
            }
        )

    # --- the connection

    def _connection(self, _: Request) -> Reply:
        return json_reply(self._software.views.connection())

    def _command_connection(self, request: Request) -> Reply:
        body = json_body(request)
        command = body.get("command")
        if command == "connect":
            if body.get("port") not in {None, "VIRTUAL", "AUTO"}:
                return error_reply(HTTPStatus.BAD_REQUEST, "port is invalid")
            self._software.line.connect()
        elif command == "disconnect":
            self._software.line.disconnect()
        elif command != "fake_ack":
            return error_reply(HTTPStatus.BAD_REQUEST, "command is invalid")
        return nothing()

    # --- the printer

    def _need_operational(self) -> None:
        if not self._software.operational:
            raise RefusedError(HTTPStatus.CONFLICT, NOT_OPERATIONAL)

    def _settings(self, _: Request) -> Reply:
        address = {"stream": "/webcam/?action=stream", "snapshot": "/webcam/?action=snapshot"}
        camera = {"name": "classic", "displayName": "Classic Webcam", "compat": address}
        turned = {"flipH": False, "flipV": True, "rotate90": False}
        return json_reply({"plugins": {}, "webcam": {"webcams": [camera | turned]}})

    def _command_head(self, request: Request) -> Reply:
        body = json_body(request)
        command, by_hand = body.get("command"), self._host.by_hand
        software = self._software
        if not software.operational or (software.busy and command != "feedrate"):
            text = "Printer is not operational or currently printing"
            return error_reply(HTTPStatus.CONFLICT, text)
        if command == "home":
            by_hand.home(body["axes"])
        elif command == "jog":
            by_hand.jog({axis: float(body[axis]) for axis in AXES if axis in body})
        elif command == "feedrate":
            by_hand.pace("speed", _percent(body["factor"]))
        else:
            return error_reply(HTTPStatus.BAD_REQUEST, "command is invalid")
        return nothing()

    def _printer(self, request: Request) -> Reply:
        self._need_operational()
        exclude = set(request.query.get("exclude", "").split(","))
        history = request.query.get("history", "") in {"true", "yes", "1"}
        return json_reply(self._software.views.printer(exclude, history=history))

    def _heaters(self, kind: str) -> Reply:
        self._need_operational()
        heaters = self._software.views.temperature()
        return json_reply({n: value for n, value in heaters.items() if n.startswith(kind)})

    def _command_tool(self, request: Request) -> Reply:
        self._need_operational()
        body = json_body(request)
        command, by_hand = body.get("command"), self._host.by_hand
        if command == "extrude":
            if self._software.busy:
                return error_reply(HTTPStatus.CONFLICT, "Printer is currently printing")
            by_hand.extrude(float(body["amount"]))
        elif command == "flowrate":
            by_hand.pace("flow", _percent(body["factor"]))
        if command != "target":
            return nothing()
        for heater, target in dict(body.get("targets", {})).items():
            if heater not in self._host.machine.heaters:
                return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)
            by_hand.heat(heater, float(target))
        return nothing()

    def _command_bed(self, request: Request) -> Reply:
        self._need_operational()
        body = json_body(request)
        if body.get("command") == "target":
            self._host.by_hand.heat("bed", float(body["target"]))
        return nothing()

    def _command_printer(self, request: Request) -> Reply:
        self._need_operational()
        body = json_body(request)
        if not {"command", "commands", "script"} & body.keys():
            text = "Need one of 'command', 'commands' or 'script'"
            return error_reply(HTTPStatus.BAD_REQUEST, text)
        commands = body.get("commands") or [body.get("command", "")]
        if "M112" in commands:
            self._host.journal.write("order", order="emergency_stop")
            self._software.line.emergency_stop()
        else:
            self._host.by_hand.codes(str(one) for one in commands)
        return nothing()

    # --- the job

    def _command_job(self, request: Request) -> Reply:
        software = self._software
        body = json_body(request)
        command = body.get("command")
        if command not in {"start", "pause", "cancel", "restart"}:
            return error_reply(HTTPStatus.BAD_REQUEST, "command is invalid")
        self._need_operational()
        if command == "start":
            return self._start_selected()
        if command == "restart":
            if software.state is not State.PAUSED:
                text = "Printer does not have an active print job or is not paused"
                return error_reply(HTTPStatus.CONFLICT, text)
            software.job.restart()
            return nothing()
        if not software.busy:
            text = "Printer is neither printing nor paused"
            return error_reply(
                HTTPStatus.CONFLICT, f"{text}, '{command}' command cannot be performed"
            )
        return self._pause(body) if command == "pause" else self._cancel()

    def _start_selected(self) -> Reply:
        software = self._software
        if software.busy:
            text = "Printer already has an active print job, did you mean 'restart'?"
            return error_reply(HTTPStatus.CONFLICT, text)
        if software.job.selected is not None:
            software.launcher.begin(software.job.selected, self._host.user, foreign=False)
        return nothing()

    def _pause(self, body: dict[str, Any]) -> Reply:
        software = self._software
        action = body.get("action", "toggle")
        if action not in {"pause", "resume", "toggle"}:
            return error_reply(HTTPStatus.BAD_REQUEST, "Unknown action")
        if action == "toggle":
            action = "resume" if software.state is State.PAUSED else "pause"
        if action == "pause":
            software.job.pause()
        else:
            software.job.resume()
        return nothing()

    def _cancel(self) -> Reply:
        self._software.job.cancel()
        return nothing()


def _percent(factor: object) -> float:
    """As OctoPrint reads it: a whole number is percent, any other one a share."""
    if isinstance(factor, float):
        return float(int(factor * 100))
    return float(factor) if isinstance(factor, int) else 100.0
