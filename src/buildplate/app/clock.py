"""Where the program reads time: the only clock of the rooms below."""

from __future__ import annotations

from datetime import UTC, datetime

from buildplate.drivers.sdk import boot_time


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return datetime.now(UTC)

    def boot(self) -> float:
        """The boot-time clock in seconds; it counts while the machine is suspended."""
        return boot_time()
