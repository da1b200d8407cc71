"""One slow or broken printer never slows another: the short form of `bench/isolation.py`."""

import pytest

from bench.isolation import BAD, Load, Run, one_run, p99

SHORT = Load(printers=20, jobs=60, large=3, per_second=6.0, seconds=10.0, within_s=60.0)
PAIRS = 3
MOST = 2.0
LEAST_S = 0.25
"""Below this, two runs differ by what else the machine is doing."""
MOST_LOST = 0.5
"""How many of the orders bad printers may have had first, so that they do not count."""


def _told(name: str, run: Run) -> None:
    print(f"{name}: {len(run.waits)} waits, p99 {p99(run.waits):.3f} s, {run.uploads} {run.starts}")


def _ratio() -> float:
    """How much longer the others wait beside bad printers than without them."""
    bad, good = one_run(SHORT, bad=True), one_run(SHORT, bad=False)
    _told("with four bad printers", bad)
    _told("without", good)
    assert len(good.waits) == SHORT.jobs
    assert len(bad.waits) >= SHORT.jobs * MOST_LOST
    assert all(bad.uploads[name] for name in BAD), "a bad printer was never given a print"
    assert any(bad.starts.values()), "no bad printer was ever told to start"
    return p99(bad.waits) / max(p99(good.waits), LEAST_S)


@pytest.mark.timeout(400)
def test_printers_that_hang_drip_flood_and_flap_do_not_slow_the_others() -> None:
    ratios: list[float] = []
    needed = PAIRS // 2 + 1
    # The median of all pairs is known as soon as most of them are on one side.
    while sum(one <= MOST for one in ratios) < needed:
        ratios.append(_ratio())
        assert sum(one > MOST for one in ratios) < needed, ratios
