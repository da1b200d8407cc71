"""What the process does for its memory."""

from __future__ import annotations

import ctypes
import gc

_BLOCK_BYTES = 128 * 1024
_MALLOPT = {-1: _BLOCK_BYTES, -3: _BLOCK_BYTES, -8: 2}
"""M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX of mallopt(3)."""


def give_back_memory() -> bool:
    """Have freed memory go back to the machine; False where the C library has no such switch.

    The C library of most Linux systems keeps what large buffers left behind, and a heap for every
    thread: a farm that prints for weeks would grow and grow, by 3 MB in ten minutes while printers
    come and go. To be called before there are threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    answers = {mallopt(option, value) for option, value in _MALLOPT.items()}
    return answers == {1}


def settle_memory() -> None:
    """Take all that lives now out of the garbage collector's full passes.

    Modules, routes and compiled statements live as long as the process; walking through them held
    the event loop for about 0.1 s at a time. To be called once, when everything is built.
    """
    gc.collect()
    gc.freeze()
