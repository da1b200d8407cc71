"""How often somebody may call, and how often somebody may be wrong, in a bounded memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from buildplate.access.errors import TooManyRequests

REMEMBERED = 20_000
MINUTE_S = 60
FREE_TRIES = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Per minute: requests of one caller, requests without one and failed tries of an address."""

    caller: int = 60_000
    address: int = 6_000
    failures: int = 60
    logins: int = 20


class Counters(Storage):
    """Counts of windows for `limits`: in memory, and never more than `most` of them.

    The library's own memory has no bound, and a timer thread.
    """

    STORAGE_SCHEME = ["buildplate-bounded"]  # noqa: RUF012 (as the library declares it)

    def __init__(self, most: int = REMEMBERED, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._most = most
        self._now = now
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing of this storage fails."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in a window of `expiry` seconds that begins with the first."""
        now = self._now()
        ends, count = self._counts.get(key, (0.0, 0))
        if ends <= now:
            ends, count = now + expiry, 0
            self._counts.pop(key, None)
        self._counts[key] = (ends, count + amount)
        while len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count + amount

    def get(self, key: str) -> int:
        """The count of the present window."""
        ends, count = self._counts.get(key, (0.0, 0))
        return count if ends > self._now() else 0

    def get_expiry(self, key: str) -> float:
        """When the present window ends."""
        return self._counts.get(key, (self._now(), 0))[0]

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int | None:
        """Forget everything; how much it was."""
        found = len(self._counts)
        self._counts.clear()
        return found

    def clear(self, key: str) -> None:
        """Forget one."""
        self._counts.pop(key, None)


class RateLimits:
    """The limits of every path. TooManyRequests says how long to wait."""

    def __init__(self, rates: Rates, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()
        self._limiter = FixedWindowRateLimiter(self._counters)
        self._most = rates.caller
        self._address = RateLimitItemPerMinute(rates.address)
        self._failures = RateLimitItemPerMinute(rates.failures)
        self._logins = RateLimitItemPerMinute(rates.logins)

    def caller(self, kind: str, id_: str) -> None:
        """Count a request of somebody who is known."""
        # Every request comes by here: the library's own way to the same window costs 6 µs more.
        if self._counters.incr(f"{kind}:{id_}", MINUTE_S) > self._most:
            ends = self._counters.get_expiry(f"{kind}:{id_}")
            message = "this key or user sends too much"
            raise TooManyRequests(message, max(1.0, ends - time.time()))

    def open(self, address: str | None) -> None:
        """Count a request that needs no credential."""
        self._count(self._address, "open", network(address), "this address sends too much")

    def login(self, address: str | None) -> None:
        """Count a try to log in, before it is known whether it succeeds."""
        where = network(address)
        self._count(self._logins, "login", where, "this address tries to log in too often")

    def failed(self, address: str | None) -> None:
        """Count a credential that does not work."""
        self._limiter.hit(self._failures, "failure", network(address))

    def check_failures(self, address: str | None) -> None:
        """Refuse an address that has shown too many credentials that do not work."""
        where = network(address)
        if not self._limiter.test(self._failures, "failure", where):
            self._refuse(self._failures, "failure", where, "too many wrong keys came from here")

    def _count(self, item: RateLimitItem, what: str, who: str, message: str) -> None:
        if not self._limiter.hit(item, what, who):
            self._refuse(item, what, who, message)

    def _refuse(self, item: RateLimitItem, what: str, who: str, message: str) -> None:
        ends = self._limiter.get_window_stats(item, what, who).reset_time
        raise TooManyRequests(message, max(1.0, ends - time.time()))


def network(address: str | None) -> str:
    """Whom an address stands for: itself, or for IPv6 the network that one household gets."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or "?"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def pause_after(failures: int) -> float:
    """How long an account rests after so many failed tries in a row, in seconds."""
    if failures < FREE_TRIES:
        return 0.0
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - FREE_TRIES, 30), LONGEST_PAUSE_S)


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0


class Lockout:
    """Failed tries by account name, whether or not there is such an account."""

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = REMEMBERED) -> None:
        self._now = now
        self._most = most
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def begin(self, name: str) -> None:
        """Count a try as failed until it succeeds, so that many at once gain nothing.

        Raises TooManyRequests while the account rests.
        """
        now = self._now()
        tries = self._tries.get(name)
        if tries is None or now > tries.last + FORGOTTEN_AFTER_S:
            tries = _Tries()
        if now < tries.until:
            message = "this account rests after too many failed tries"
            raise TooManyRequests(message, tries.until - now)
        tries.failures += 1
        tries.last = now
        tries.until = now + pause_after(tries.failures)
        self._tries[name] = tries
        self._tries.move_to_end(name)
        while len(self._tries) > self._most:
            self._tries.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the account's failed tries."""
        self._tries.pop(name, None)
