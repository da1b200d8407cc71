"""Streams a file with printcore and prints the CPU seconds that took; run by its own Python."""

from __future__ import annotations

import json
import resource
import sys
import threading
from contextlib import suppress
from pathlib import Path

from printrun import gcoder  # type: ignore[import-not-found]
from printrun.printcore import printcore  # type: ignore[import-not-found]

BAUD = 250_000
WITHIN_S = 300.0


def main(device: str, path: str) -> None:
    """Connect, print, wait for the end."""
    online, ended = threading.Event(), threading.Event()
    host = printcore()
    host.onlinecb, host.endcb = online.set, ended.set
    host.connect(device, BAUD)
    if not online.wait(20):
        sys.exit("printcore did not come online")
    lines = Path(path).read_text().splitlines()
    before = _cpu()
    host.startprint(gcoder.LightGCode(lines))
    if not ended.wait(WITHIN_S):
        sys.exit("printcore did not end")
    used = _cpu() - before
    with suppress(RuntimeError):  # it tells of the end before its next thread has begun
        host.disconnect()
    print(json.dumps({"cpu": used}))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
