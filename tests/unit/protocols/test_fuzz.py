"""No bytes make the codec raise or grow; `tests.faults.fuzz_marlin` goes on for longer."""

from __future__ import annotations

import random

from tests.faults.fuzz_marlin import fuzz

SECONDS = 8.0
"""Of CPU: some 20 s on a machine that has other things to do."""


def test_eight_seconds_of_noise_change_nothing() -> None:
    seed = random.randrange(1 << 32)
    print(f"python -m tests.faults.fuzz_marlin --seed {seed} --seconds {SECONDS}")
    assert fuzz(seed, SECONDS).bytes > 100_000
