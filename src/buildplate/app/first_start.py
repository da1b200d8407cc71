"""The first start: how its first administrator gets in, said once."""

from __future__ import annotations

import secrets

from buildplate.access.errors import SetupDone
from buildplate.access.room import AccessRoom

ADMIN = "admin"


async def set_up_link(url: str, access: AccessRoom) -> list[str]:
    """What to say where nobody manages the farm yet; the link before this one is dead then."""
    token = await access.users.offer_setup()
    if token is None:
        return []
    return [
        "",
        "Nobody manages this farm yet. To make its administrator, open once, within a day:",
        f"  {url}/setup?token={token}",
        "Without a browser, stop the server and make an admin key on the data itself:",
        "  buildplate --data-dir DIR key add NAME --role admin",
    ]


async def first_people(url: str, access: AccessRoom) -> list[str]:
    """Make the demo's administrator and its key, where there are none; what to say of them."""
    lines = []
    password = secrets.token_urlsafe(12)
    try:
        user = await access.users.set_up(None, ADMIN, password)
    except SetupDone:
        pass  # an earlier start has said it
    else:
        lines += [
            "",
            "This is the first start. The administrator, shown only now:",
            f"  name {user.name}, password {password}",
        ]
    first = await access.keys.first()
    if first is not None:
        lines += [
            "",
            "An admin API key, shown only now. To use the command line:",
            f"  export BUILDPLATE_URL={url} BUILDPLATE_API_KEY={first.secret}",
        ]
    return lines
