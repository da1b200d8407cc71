"""Bad weather for simulated printers: what hosts and networks do by chance while the farm works.

Durations in simulated seconds. Holds are drawn up to beyond their client's time-out, some of which
have a floor in real time: at the sweep's factor of 25 a command's is 30 s, an upload's 60 s, a
read's 75 s. So a client that lives gives up, and what it gave up arrives later.

Two kinds of weather are left out on purpose, because no program on this side of the network can be
safe from them: an upload that is replayed after its file was revoked (replays here are immediate,
as those of real networks are), and a start held for longer than that. See docs/reference/proofs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildplate_sim.launch import AdminClient

FOREVER = -1
ALL = "*"
SOME = [0.0, 30.0]
LONG, LONGEST = [0.0, 60.0], [0.0, 100.0]
Rule = tuple[str, str, float, dict[str, Any]]

START = {"method": "POST", "command": "print"}
UPLOAD = {"method": "POST", "path": "/api/files/local"}
DELETE = {"method": "DELETE"}
ORDER = {"method": "POST", "path": "/api/job"}
READ = {"method": "GET", "path": "/api/*"}

NETWORK: list[Rule] = [
    ("request", "hold", 0.08, START | {"params": {"seconds": LONG}}),
    ("request", "replay", 0.06, START),
    ("request", "cut", 0.03, START),
    ("answer", "drop", 0.06, START),
    ("answer", "truncate", 0.03, START),
    ("request", "hold", 0.03, UPLOAD | {"params": {"seconds": LONGEST}}),
    ("request", "replay", 0.03, UPLOAD),
    ("request", "cut", 0.03, UPLOAD),
    ("answer", "drop", 0.03, UPLOAD),
    ("answer", "truncate", 0.02, UPLOAD),
    ("request", "hold", 0.05, DELETE | {"params": {"seconds": LONG}}),
    ("request", "replay", 0.05, DELETE),
    ("answer", "drop", 0.05, DELETE),
    ("request", "hold", 0.05, ORDER | {"params": {"seconds": LONG}}),
    ("request", "replay", 0.05, ORDER),
    ("request", "cut", 0.03, ORDER),
    ("answer", "drop", 0.05, ORDER),
    ("request", "hold", 0.001, READ | {"params": {"seconds": LONGEST}}),
    ("answer", "drop", 0.001, READ),
    ("answer", "truncate", 0.001, READ),
    ("answer", "delay", 0.003, READ | {"params": {"seconds": LONGEST}}),
    ("socket", "cut", 0.0005, {}),
    ("socket", "hold", 0.0005, {"params": {"seconds": SOME}}),
    ("request", "restart-host", 0.0003, {}),
    ("request", "kill-host", 0.0002, {}),
]
"""What happens on the way: (moment, fault, chance, and on which requests)."""

HOSTS: list[Rule] = [
    ("start", "late", 0.04, {"params": {"seconds": [0.5, 25.0]}}),
    ("start", "lost", 0.03, {}),
    ("start", "twice", 0.03, {}),
    ("start", "phantom", 0.02, {}),
    ("start", "wedge", 0.01, {}),
    ("start", "halt", 0.01, {}),
    ("start", "error", 0.02, {}),
    ("print", "fail", 0.01, {}),
    ("print", "halt", 0.01, {}),
    ("print", "kill", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "restart", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "freeze", 0.01, {"params": {"seconds": 10.0}}),
    ("print", "disconnect", 0.01, {}),
    ("print", "cancel", 0.01, {}),
    ("print", "cut", 0.02, {}),
    ("upload", "disk-full", 0.01, {}),
]
"""What the hosts and their printers do themselves."""


RPC = {"method": "RPC"}
RPC_START = RPC | {"path": "printer.print.start"}
RPC_ORDER = RPC | {"path": "printer.print.*"}
RPC_DELETE = RPC | {"path": "server.files.delete_file"}
SEND = {"method": "POST", "path": "/server/files/upload"}

MOONRAKERS: list[Rule] = [
    ("request", "hold", 0.08, RPC_START | {"params": {"seconds": LONG}}),
    ("request", "reset", 0.03, RPC_START),
    ("answer", "never", 0.05, RPC_START),
    ("answer", "cut", 0.05, RPC_START),
    ("request", "hold", 0.05, RPC_ORDER | {"params": {"seconds": LONG}}),
    ("answer", "cut", 0.03, RPC_ORDER),
    ("request", "hold", 0.05, RPC_DELETE | {"params": {"seconds": LONG}}),
    ("answer", "never", 0.05, RPC_DELETE),
    ("answer", "cut", 0.03, RPC_DELETE),
    ("request", "reset", 0.03, SEND),
    ("answer", "cut", 0.03, SEND),
    ("upload", "mixed", 0.03, {}),
    ("upload", "disk-full", 0.01, {}),
    ("history", "lose", 0.03, {}),
    ("start", "late", 0.06, {"params": {"seconds": [0.5, 60.0]}}),
    ("print", "fail", 0.01, {}),
    ("print", "halt", 0.01, {}),
    ("print", "kill", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "restart", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "power-cut", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "freeze", 0.01, {"params": {"seconds": 10.0}}),
    ("print", "klippy-kill", 0.01, {"params": {"down_s": 4.0}}),
    ("print", "klippy-restart", 0.01, {}),
    ("print", "klippy-cut", 0.01, {}),
    ("print", "cancel", 0.01, {}),
    ("print", "cut", 0.02, {}),
]
"""What happens at Klipper printers behind Moonraker, and on the way to them."""


SOCKETS: list[Rule] = [
    ("socket", "cut", 0.0005, {}),
    ("socket", "hold", 0.0005, {"params": {"seconds": SOME}}),
]
"""What happens to the one websocket that all calls take."""


async def begin_moonraker(admin: AdminClient) -> None:
    """Let it begin at every printer behind a Moonraker."""
    for at, play, chance, rest in SOCKETS:
        await admin.proxy_rule(ALL, at, play, chance=chance, times=FOREVER, **rest)
    for at, play, chance, rest in MOONRAKERS:
        await admin.rule(ALL, at, play, chance=chance, times=FOREVER, **rest)


async def begin(admin: AdminClient) -> None:
    """Let it begin at every printer."""
    for at, play, chance, rest in NETWORK:
        await admin.proxy_rule(ALL, at, play, chance=chance, times=FOREVER, **rest)
    for at, play, chance, rest in HOSTS:
        await admin.rule(ALL, at, play, chance=chance, times=FOREVER, **rest)


def _blinds(rule: dict[str, Any]) -> bool:
    """Whether a fault on the way may take the printer out of the farm's sight."""
    return bool(rule["at"] == "socket" or rule["method"] == READ["method"])


async def end(admin: AdminClient) -> tuple[dict[str, int], dict[str, list[float]]]:
    """Let it end; how often each fault was played, and when one took a printer out of sight."""
    played: dict[str, int] = {}
    blinded: dict[str, list[float]] = {}
    for printer in await admin.printers():
        name = printer["name"]
        rules = await admin.request("GET", f"/printers/{name}/rules")
        ways = await admin.request("GET", f"/proxies/{name}/rules")
        blinded[name] = [at for rule in ways if _blinds(rule) for at in rule["played_at"]]
        rules += ways
        for rule in rules:
            command = rule["command"] if rule["command"] != ALL else rule["method"]
            kind = f"{rule['at']} {rule['play']} {'' if command == ALL else command}".strip()
            played[kind] = played.get(kind, 0) + rule["played"]
    await admin.clear_rules(ALL)
    await admin.clear_proxy_rules(ALL)
    return played, blinded
