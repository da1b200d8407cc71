"""A node trusts its lease only as long as it can know that it still holds it."""

from buildplate.fleet.leases import Lease


class _Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_was_never_renewed_does_not_live() -> None:
    assert not Lease(5.0, _Time(), lambda: True).lives


def test_a_lease_ends_when_the_boot_clock_passes_its_deadline() -> None:
    time = _Time()
    lease = Lease(5.0, time, lambda: True)
    assert lease.renew()
    time.now += 4.9
    assert lease.lives
    time.now += 0.2
    assert not lease.lives


def test_a_renewal_counts_from_before_it_was_asked() -> None:
    time = _Time()

    def slow_proof() -> bool:
        time.now += 4.0
        return True

    lease = Lease(5.0, time, slow_proof)
    assert lease.renew()
    time.now += 1.5
    assert not lease.lives


def test_without_proof_nothing_is_renewed() -> None:
    time = _Time()
    held = True
    lease = Lease(5.0, time, lambda: held)
    assert lease.renew()
    held = False
    assert not lease.renew()
    time.now += 6.0
    assert not lease.lives
