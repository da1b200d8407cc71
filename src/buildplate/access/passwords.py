"""Password hashes: argon2id in a pool of threads, as many at a time as the machine can take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from buildplate.access.errors import InvalidUser, LoginBusy

T = TypeVar("T")
SHORTEST = 10
LONGEST = 200
MEMORY_KIB = 19_456
ROUNDS = 2
"""19 MiB, two passes, one lane: OWASP's first choice for argon2id, bearable for a small box."""
# The hash of a password that nobody has, so that an unknown name costs what a known one does.
NOBODYS = (
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


@dataclass(frozen=True, slots=True)
class PasswordLimits:
    """How many passwords are worked on at a time, how many may wait, and for how many seconds."""

    workers: int = 2
    waiting: int = 16
    patience: float = 15.0


class Passwords:
    """Makes and checks the hashes. LoginBusy where too many wait already."""

    def __init__(self, limits: PasswordLimits | None = None) -> None:
        self._limits = limits or PasswordLimits()
        self._hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=1)
        self._pool = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="password")
        self._inside = 0

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await self._work(lambda: self._hasher.hash(password))

    async def fits(self, kept: str | None, password: str) -> bool:
        """Whether the password made the hash; takes as long where there is none."""
        fits = await self._work(lambda: self._verified(kept or NOBODYS, password))
        return fits and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Let the threads go; what they work on is finished first."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verified(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, work: Callable[[], T]) -> T:
        if self._inside >= self._limits.workers + self._limits.waiting:
            message = "too many passwords are being checked at the moment"
            raise LoginBusy(message)
        self._inside += 1
        loop = asyncio.get_running_loop()
        try:
            running = self._pool.submit(work)
        except RuntimeError:
            self._inside -= 1
            message = "the server is stopping"
            raise LoginBusy(message) from None
        # The place is free when the thread is, however long the caller waits for it.
        running.add_done_callback(lambda done: _tell(loop, self._leave, done))
        try:
            async with asyncio.timeout(self._limits.patience):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            message = "the password could not be checked in time"
            raise LoginBusy(message) from None

    def _leave(self) -> None:
        self._inside -= 1


def _tell(loop: asyncio.AbstractEventLoop, leave: Callable[[], None], _: Future[T]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(leave)


def check_password(name: str, password: str) -> None:
    """Refuse what is easily guessed; InvalidUser."""
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"a password has {SHORTEST} to {LONGEST} characters"
        raise InvalidUser(message, "Use a few words, or what a password manager makes.")
    if password.casefold() in (name.casefold(), name.casefold() * 2) or len(set(password)) < 4:  # noqa: PLR2004 (fewer different signs are a pattern)
        message = "the password is too easy to guess"
        raise InvalidUser(message, "Use a few words, or what a password manager makes.")
