"""The worlds: which hosts, how many of everything, and which bad events may happen.

The small ones (up to 50,000 states) are part of `make test`; the others need `make explore`.
"""

from __future__ import annotations

from tests.exploration.world import Budget, HostKind, Scene

OCTO: HostKind = "octoprint"
KLIPPER: HostKind = "moonraker"

SMALL: tuple[Scene, ...] = (
    Scene("quiet octoprint, three copies", OCTO, copies=(3,), prints=3),
    Scene("quiet moonraker, two copies", KLIPPER, copies=(2,)),
    Scene("crash", OCTO, budget=Budget(crash=1)),
    Scene("crash, moonraker", KLIPPER, budget=Budget(crash=1)),
    Scene("crash, two copies", OCTO, copies=(2,), prints=3, budget=Budget(crash=1)),
    Scene("crash, lost answer", OCTO, budget=Budget(crash=1, lost=1)),
    Scene("crash, print fails", OCTO, prints=3, budget=Budget(crash=1, failure=1)),
    Scene("crash, cancel", OCTO, budget=Budget(crash=1, cancel=1)),
    Scene("crash, cancel, moonraker", KLIPPER, budget=Budget(crash=1, cancel=1)),
    Scene("crash, host dies", OCTO, budget=Budget(crash=1, restart=1)),
    Scene("crash, moonraker dies", KLIPPER, budget=Budget(crash=1, moonraker=1)),
    Scene("crash, link breaks", OCTO, budget=Budget(crash=1, flap=1)),
    Scene("crash, halting host", OCTO, odd=True, budget=Budget(crash=1)),
    Scene("crash, done without a print time", OCTO, budget=Budget(crash=1, timeless=1)),
    Scene("foreign print", OCTO, budget=Budget(foreign=1)),
    Scene("foreign print, moonraker", KLIPPER, budget=Budget(foreign=1)),
    Scene("foreign print, print fails", OCTO, budget=Budget(foreign=1, failure=1)),
    Scene("crash, two printers", OCTO, printers=2, budget=Budget(crash=1, lost=1)),
    Scene("second click", OCTO, copies=(2,), prints=3, budget=Budget(second_click=1)),
    Scene("two jobs, cancel, lost answer", OCTO, (1, 1), budget=Budget(cancel=1, lost=1)),
    Scene("crash, pause, resume", OCTO, budget=Budget(crash=1, pause=2)),
    Scene("pause, print fails", OCTO, budget=Budget(pause=1, failure=1)),
    Scene("pause, cancel, lost answer", OCTO, budget=Budget(pause=1, cancel=1, lost=1)),
    Scene("host dies, override", OCTO, budget=Budget(restart=1, override=1)),
    Scene("crash, an upload arrives wrong", OCTO, budget=Budget(crash=1, garbled=1)),
    Scene("crash, complete before the last move", KLIPPER, budget=Budget(crash=1, parsed=1)),
    Scene("link breaks for long", OCTO, budget=Budget(flap=1, gap=1)),
    Scene("link breaks, nobody answers", OCTO, words=False, budget=Budget(flap=1)),
    Scene("take-over", OCTO, nodes=2, budget=Budget(takeover=1)),
    Scene("take-over, cancel", OCTO, nodes=2, budget=Budget(takeover=1, cancel=1)),
)

LARGE: tuple[Scene, ...] = (
    Scene("foreign print, crash", OCTO, budget=Budget(foreign=1, crash=1)),
    Scene("foreign print, crash, moonraker", KLIPPER, budget=Budget(foreign=1, crash=1)),
    Scene("foreign print, moonraker dies", KLIPPER, budget=Budget(foreign=1, moonraker=1)),
    Scene("foreign print, host dies", OCTO, budget=Budget(foreign=1, restart=1)),
    Scene("foreign print, cancel", OCTO, budget=Budget(foreign=1, cancel=1)),
    Scene(
        "foreign print, second click",
        OCTO,
        copies=(2,),
        budget=Budget(foreign=1, second_click=1),
    ),
    Scene("foreign print, take-over", OCTO, nodes=2, budget=Budget(foreign=1, takeover=1)),
    Scene("crash, klippy dies", KLIPPER, budget=Budget(crash=1, restart=1)),
    Scene("two crashes, host dies", OCTO, budget=Budget(crash=2, restart=1)),
    Scene("two crashes, lost answers", OCTO, prints=3, budget=Budget(crash=2, lost=2)),
    Scene("crash, host dies, cancel", OCTO, budget=Budget(crash=1, restart=1, cancel=1)),
    Scene("two jobs, two printers", OCTO, (1, 1), printers=2, budget=Budget(lost=1)),
    Scene("two jobs, crash, cancel", OCTO, (1, 1), budget=Budget(crash=1, cancel=1, lost=1)),
    Scene("pause, take-over, lost", OCTO, nodes=2, budget=Budget(pause=2, takeover=1, lost=1)),
    Scene("pause, foreign print, link breaks", OCTO, budget=Budget(pause=1, foreign=1, flap=1)),
    Scene("two take-overs, crash", OCTO, nodes=2, budget=Budget(takeover=2, crash=1)),
    Scene("take-over, host dies", OCTO, nodes=2, budget=Budget(takeover=1, restart=1)),
    Scene("take-over, lost answers", OCTO, nodes=2, budget=Budget(takeover=2, lost=2)),
    Scene("take-over, crash, moonraker", KLIPPER, nodes=2, budget=Budget(takeover=1, crash=1)),
    Scene("take-over, two printers", OCTO, nodes=2, printers=2, budget=Budget(takeover=1)),
    Scene("two jobs, take-over, cancel", OCTO, (1, 1), 2, budget=Budget(takeover=1, cancel=1)),
)

# A person starts our own file by hand while our start of it hangs, and that run fails; then our
# start runs unseen from a file that is already deleted. No rule tells the two runs apart.
LIMITS: tuple[Scene, ...] = (
    Scene(
        "foreign print, it fails, crash",
        OCTO,
        budget=Budget(foreign=1, failure=1, crash=1),
    ),
)

BY_NAME = {scene.name: scene for scene in (*SMALL, *LARGE)}
