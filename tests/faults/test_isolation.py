"""One slow or broken printer never slows another: the short form of `bench/isolation.py`."""

from statistics import median

import pytest

from bench.isolation import Load, p99, waits

SHORT = Load(printers=20, jobs=24, large=1, large_bytes=20_000_000, per_second=2.0)
PAIRS = 3
LEAST_S = 1.0
"""Below this, two runs differ by what else the machine is doing."""


@pytest.mark.timeout(400)
def test_printers_that_hang_drip_flood_and_flap_do_not_slow_the_others() -> None:
    ratios = []
    for _ in range(PAIRS):
        bad, good = waits(SHORT, bad=True), waits(SHORT, bad=False)
        assert len(good) == SHORT.jobs
        assert len(bad) >= SHORT.jobs // 2
        ratios.append(p99(bad) / max(p99(good), LEAST_S))
        print(f"p99 {p99(bad):.2f} s with four bad printers, {p99(good):.2f} s without")
    assert median(ratios) <= 2
