"""Every page of the UI: its address, and what is on it once it has what it shows."""

from __future__ import annotations

import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "web" / "src"
# Where an address comes from; a redirect leads to one of its children.
TABLES = {"": WEB / "app" / "routes.ts", "/settings/": WEB / "pages" / "settings" / "sections.ts"}
REDIRECTED = "/settings"
OPEN = {"/sign-in", "/setup"}

# Route -> address and a selector of what stands there on a farm with everything.
FULL: tuple[tuple[str, str, str], ...] = (
    ("/", "/", "main article"),
    ("/", "/?view=table", "main tbody th"),
    ("/", "/?view=plan", "main .floor li"),
    ("/", "/?density=compact", "main article"),
    ("/queue", "/queue", "main ol article"),
    ("/jobs/:id", "/jobs/{job}", "main article"),
    ("/files", "/files", "main button.underline"),
    ("/files/:id/layers", "/files/{file}/layers?view=list", "main tbody tr"),
    ("/printers/add", "/printers/add", "main input[type=radio]"),
    ("/printers/:id", "/printers/{printing}", "main canvas, main .uplot"),
    ("/printers/:id", "/printers/{gone}", "main section"),
    ("/history", "/history", "main li.state-card"),
    ("/history", "/history?view=figures", "main figure"),
    ("/settings/appearance", "/settings/appearance", "main select"),
    ("/settings/account", "/settings/account", "main input"),
    ("/settings/printers", "/settings/printers", "main tbody tr"),
    ("/settings/places", "/settings/places", "main tbody tr"),
    ("/settings/users", "/settings/users", "main tbody tr"),
    ("/settings/keys", "/settings/keys", "main tbody tr"),
    ("/settings/backups", "/settings/backups", "main li.state-card"),
    ("/settings/audit", "/settings/audit", "main details"),
    ("/settings/about", "/settings/about", "main dl"),
    ("/:rest(.*)*", "/nowhere", "main a"),
)
# Address on a farm with nothing, and the keys of what is said there, for the routes that can be
# empty at all.
EMPTY: dict[str, tuple[tuple[str, ...], ...]] = {
    "/": (
        ("/", "farm.empty"),
        ("/?view=plan", "farm.empty"),
        ("/?view=wall", "farm.empty"),
    ),
    "/queue": (("/queue", "queue.empty"),),
    "/files": (("/files", "files.empty"),),
    "/history": (
        ("/history", "history.empty"),
        ("/history?view=figures", "history.empty_span", "history.nothing_due"),
    ),
    "/settings/printers": (("/settings/printers", "farm.empty"),),
    "/settings/places": (
        ("/settings/places", "settings.places.no_groups", "settings.places.no_floors"),
    ),
    "/settings/keys": (("/settings/keys", "settings.keys.empty"),),
    "/settings/backups": (("/settings/backups", "settings.backups.empty"),),
    "/settings/audit": (
        (
            "/settings/audit?action=DELETE%20%2Fapi%2Fv1%2Fkeys%2F%7Bkey_id%7D",
            "settings.audit.empty",
        ),
    ),
    "/jobs/:id": (("/jobs/00000000-0000-7000-8000-000000000000", "job.gone"),),
    "/files/:id/layers": (("/files/00000000-0000-7000-8000-000000000000/layers", "layers.safe"),),
}
# Address where nothing but the session can be read.
FAILING: dict[str, tuple[str, ...]] = {
    "/": ("/",),
    "/queue": ("/queue",),
    "/jobs/:id": ("/jobs/{job}",),
    "/files": ("/files",),
    "/files/:id/layers": ("/files/{file}/layers",),
    "/printers/add": ("/printers/add",),
    "/printers/:id": ("/printers/{free}",),
    "/history": ("/history", "/history?view=figures"),
    "/settings/printers": ("/settings/printers",),
    "/settings/places": ("/settings/places",),
    "/settings/users": ("/settings/users",),
    "/settings/keys": ("/settings/keys",),
    "/settings/backups": ("/settings/backups",),
    "/settings/audit": ("/settings/audit",),
    "/settings/about": ("/settings/about",),
}
# Routes that show nothing of the farm's: they are neither empty nor can they fail to be read.
OWN = {"/settings/appearance", "/settings/account", "/:rest(.*)*"}
# Routes that always have something: the kinds of printers, this printer, those who may sign in.
NEVER_EMPTY = {"/printers/add", "/printers/:id", "/settings/users", "/settings/about"}


def known_routes() -> set[str]:
    """Every route that the UI has, from its own tables."""
    found = set()
    for prefix, table in TABLES.items():
        found |= {
            prefix + one for one in re.findall(r'\bpath: "([^"]+)"', table.read_text("utf-8"))
        }
    return found - {REDIRECTED}


def closed_routes() -> set[str]:
    """Those of them that only an administrator sees, from the same tables."""
    return {
        prefix + path
        for prefix, table in TABLES.items()
        for path, about in re.findall(
            r'\bpath: "([^"]+)"(.*?)(?=\bpath: "|\Z)', table.read_text("utf-8"), re.DOTALL
        )
        if 'role: "admin"' in about
    }
