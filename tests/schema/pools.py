"""What stands in the farm under test: kept filled, and known by id, so that calls hit something.

Whatever the document lists under a path that ends in the name of a parameter's resource
(`{job_id}`: `/jobs`) is found by itself, so that new resources need no line here.
"""

from __future__ import annotations

import base64
import random
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.schema.server import KEEPER, OURS
from tests.service.api.paper import KEY
from tests.service.api.surface import GCODE, VOLUME

THEIRS = "theirs"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 60).decode()
PICTURE = f"; thumbnail begin 16x16 {len(PNG)}\n; {PNG}\n; thumbnail end\n".encode()
PASSWORD = "correct horse battery"
PARAMETER = re.compile(r"\{(\w+)_id\}")
ID = re.compile(r"[0-9]{1,15}|[0-9a-f-]{36}")
MOSTLY = 0.7
SPARE = 3
"""So many printers and files that nothing needs."""
Item = dict[str, Any]


@dataclass(slots=True)
class Pools:
    """The farm's things by the name of their parameter, as the keeper's key sees them."""

    client: httpx.Client
    lists: dict[str, str]
    dice: random.Random
    things: dict[str, list[Item]] = field(default_factory=dict)
    commands: list[Item] = field(default_factory=list)
    made: int = 0
    own: bool = False
    """Whether mostly our groups' things are asked for."""

    def fill(self) -> None:
        """See to it that there is something of everything, then look at what there is."""
        self._post("/api/v1/queue/release")
        self.look()
        self._clear_beds()
        self._connect(OURS)
        printers = [one["group"] for one in self.things["printer"]]
        for group in sorted({OURS, THEIRS} - set(printers)):
            self._printer(group)
        if sum(not one["enabled"] for one in self.things["printer"]) < SPARE:
            self._printer(THEIRS, enabled=False)
            self._printer(THEIRS, enabled=False)
        self._people()
        for place in range(SPARE):
            self._file(b"; unused %d %d\n" % (self.made, place))
        file = self._file(b"; file %d\n" % self.made)
        for group in (OURS, THEIRS):
            self._post("/api/v1/jobs", {"file_id": file, "requirements": {"group": group}})
            waits = {"file_id": file, "hold": True, "requirements": {"group": group}}
            self._post("/api/v1/jobs", waits)
        self.look()

    def begin(self) -> None:
        """Count on from what earlier runs have made here: names are given once."""
        self.look()
        self.made = max((one["number"] for one in self.things["printer"]), default=0)

    def look(self) -> None:
        """Read every list anew."""
        for name, path in self.lists.items():
            found = self.client.get(path)
            if found.is_success:
                items = found.json()["items"]
                self.things[name] = [one for one in items if self._free(one)]
        self.things["command"] = self.commands

    def _free(self, thing: Item) -> bool:
        """Whether a run may take it away: not the keys that it works with."""
        return not str(thing.get("name", "")).startswith(KEEPER)

    def one(self, name: str) -> Item | None:
        """Some thing of this name; now and then there is none."""
        found = self.things.get(name) or []
        if self.own and self.dice.random() < MOSTLY:
            others = self.foreign()
            found = [one for one in found if one["id"] not in others]
        return self.dice.choice(found) if found and self.dice.random() < 0.9 else None

    def foreign(self) -> set[str]:
        """Ids that a caller who is confined to our groups must not meet."""
        printers = {one["id"] for one in self.things["printer"] if one["group"] != OURS}
        jobs = {j["id"] for j in self.things["job"] if j["requirements"]["group"] != OURS}
        prints = {
            one["id"]
            for one in self.things["print"]
            if (one["printer_id"] in printers if one["printer_id"] else one["job_id"] in jobs)
        }
        return printers | jobs | prints

    def _post(self, path: str, body: Any = None) -> httpx.Response:
        return self.client.post(path, json=body)

    def _printer(self, group: str, *, enabled: bool = True) -> None:
        self.made += 1
        body = {
            "name": f"{group} {self.made}",
            "driver": "paper",
            "connection": {"host": f"{group}{self.made}", "api_key": KEY},
            "model": {"name": "Paper 200", "build_volume": VOLUME, "nozzles_mm": [0.4]},
            "group": group,
            "enabled": enabled,
        }
        answer = self._post("/api/v1/printers", body)
        assert answer.status_code == httpx.codes.CREATED, answer.text

    def _connect(self, group: str) -> None:
        """Bring back printers that a run has disconnected: orders are for those that are there."""
        for printer in self.things["printer"]:
            if printer["group"] == group and not printer["enabled"]:
                self._post(f"/api/v1/printers/{printer['id']}/connect")

    def _clear_beds(self) -> None:
        for printer in self.things["printer"]:
            body = {"bed_version": printer["bed_version"]}
            self._post(f"/api/v1/printers/{printer['id']}/clear-bed", body)

    def _people(self) -> None:
        self.made += 1
        person = {"name": f"somebody{self.made}", "role": "viewer", "password": PASSWORD}
        if len(self.things["user"]) < 2:
            self._post("/api/v1/users", person | {"role": "admin"})
        if len(self.things["key"]) < 2 or self.made % 5 == 0:
            self._post("/api/v1/keys", {"name": f"some {self.made}", "role": "viewer"})

    def _file(self, more: bytes) -> str:
        headers = {"x-filename": f"cube{self.made}.gcode"}
        answer = self.client.post("/api/v1/files", content=PICTURE + more + GCODE, headers=headers)
        return str(answer.json()["id"])


def pools(url: str, key: str) -> Pools:
    """The pools of the farm that listens there."""
    client = httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=30)
    paths = client.get("/openapi.json").json()["paths"]
    names = {name for path in paths for name in PARAMETER.findall(path)}
    lists = {
        name: path
        for name in sorted(names)
        for path in paths
        if path.endswith(f"/{name}s") and "{" not in path and "get" in paths[path]
    }
    found = Pools(client, lists, random.Random(1))
    found.begin()
    return found
