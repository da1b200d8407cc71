"""One slow or broken printer never slows another: the short form of `bench/isolation.py`."""

from statistics import median

import pytest

from bench.isolation import Load, p99, waits

SHORT = Load(printers=16, jobs=30, large=1, large_bytes=20_000_000, per_second=4.0)
LEAST_S = 1.0


@pytest.mark.timeout(300)
def test_printers_that_hang_drip_flood_and_flap_do_not_slow_the_others() -> None:
    bad, good = waits(SHORT, bad=True), waits(SHORT, bad=False)
    print(f"p99 {p99(bad):.2f} s with four bad printers, {p99(good):.2f} s without")
    assert len(good) == SHORT.jobs
    assert len(bad) >= SHORT.jobs // 2
    assert p99(bad) <= 2 * max(p99(good), LEAST_S)
    assert median(bad) <= 2 * max(median(good), LEAST_S)
