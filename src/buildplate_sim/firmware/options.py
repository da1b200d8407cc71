"""The command line's options for simulated boards."""

from __future__ import annotations

import sys
from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING, Any

from buildplate_sim.firmware.dialect import Setup
from buildplate_sim.firmware.dialects import DIALECTS
from buildplate_sim.firmware.farm import LINKS, FirmwareConfig

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

HABITS = {
    "advanced-ok": "`ok N12 P15 B3`",
    "emergency-parser": "M108, M112 and M410 act when they are received",
    "autoreport": "M155",
    "host-actions": "`//action:` lines and prompts",
    "resend-ok": "an `ok` behind each `Resend:` (Marlin 2.0.8 to 2.0.9.1 had none)",
    "reset-on-open": "the board starts anew when a host opens the port",
}


def add_firmware(kinds: Any, common: ArgumentParser) -> None:
    """Add `firmware` with its options."""
    parser = kinds.add_parser("firmware", parents=[common], help="boards on a serial line")
    names = ",".join(sorted(DIALECTS))
    parser.add_argument("--dialect", default="marlin2", help=f"of {names}, or all; in turns")
    parser.add_argument("--link", default="pty", help=f"of {','.join(LINKS)}; in turns")
    parser.add_argument(
        "--baud", default="115200", help="the board's, in turns; whoever has another reads garbage"
    )
    parser.add_argument("--paced", action="store_true", help="each byte takes its time at --baud")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--rx-buffer", type=int, help="bytes; 0: flow control, nothing is lost")
    parser.add_argument("--queue", type=int, help="commands that wait")
    parser.add_argument("--planner", type=int, help="moves planned ahead; 0: moves take no time")
    parser.add_argument("--tools", type=int, default=1)
    parser.add_argument("--bed", action=BooleanOptionalAction, default=True)
    parser.add_argument("--chamber", action="store_true")
    parser.add_argument("--sd-card", action="store_true", help="a slot without a card")
    parser.add_argument("--cold", action="store_true", help="filament moves in a cold tool")
    parser.add_argument("--thermal-protection", action=BooleanOptionalAction, default=True)
    for habit, meaning in HABITS.items():
        parser.add_argument(f"--{habit}", action=BooleanOptionalAction, help=meaning)


def _chosen(wanted: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """The names in a list with commas; ends the program where one is not known."""
    chosen = tuple(known) if wanted == "all" else tuple(wanted.split(","))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"{option}: no {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen


def firmware_config(options: Namespace) -> FirmwareConfig:
    """The options as a farm takes them."""
    return FirmwareConfig(
        count=options.count,
        state_dir=options.state_dir,
        dialects=_chosen(options.dialect, sorted(DIALECTS), "--dialect"),
        links=_chosen(options.link, LINKS, "--link"),
        base_address=options.base_address,
        port=options.port,
        bauds=tuple(int(baud) for baud in options.baud.split(",")),
        paced=options.paced,
        latency_s=options.latency,
        time_factor=options.time_factor,
        seed=options.seed,
        rx_buffer=options.rx_buffer,
        queue=options.queue,
        planner=options.planner,
        reset_on_open=options.reset_on_open,
        cold=options.cold,
        setup=Setup(
            tools=options.tools,
            bed=options.bed,
            chamber=options.chamber,
            advanced_ok=options.advanced_ok,
            emergency_parser=options.emergency_parser,
            autoreport=options.autoreport,
            host_actions=options.host_actions,
            resend_ok=options.resend_ok,
            thermal_protection=options.thermal_protection,
            sd_card=options.sd_card,
        ),
    )
