"""How a thread that streams asks to go before others of this machine: a planner waits for it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

NICE = -10
"""A streaming thread's, where the process may ask for it (CAP_SYS_NICE or RLIMIT_NICE)."""


def ask_for_priority() -> None:
    """Have the calling thread go before others of this machine, where we may; a planner waits.

    Never as a real-time thread: it shares the interpreter's lock with threads that are none.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
