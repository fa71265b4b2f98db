# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""RateLimiter: the core counts, a lock of the core keeps the order, the event loop has the time."""

import asyncio

from corolock._corolock import ThreadSafeLock, _Rate


class RateLimiter:
    """RateLimiter(permits, per=1.0, burst=None)

    Lets in `permits` units per `per` seconds, and after a pause `burst` at once (by default as many
    as permits). First come, first served. Tasks of several event loops and threads may share it.

        async with limiter:
            ...
        await limiter.acquire(3)
    """

    def __init__(self, permits, per=1.0, burst=None):
        self._rate = _Rate(permits, per, permits if burst is None else burst)
        self._turn = ThreadSafeLock()  # one waits for the time, the others for their turns

    def try_acquire(self, units=1):
        """Use the units if that needs no waiting, and return whether it did not."""
        return not self._turn.locked() and self._rate.try_acquire(units)

    async def acquire(self, units=1):
        """Wait until the units may be used. Raises ValueError if the burst is less."""
        if self.try_acquire(units):
            return
        async with self._turn:
            while not self._rate.try_acquire(units):
                await asyncio.sleep(self._rate.delay(units))

    async def __aenter__(self):
        await self.acquire()

    async def __aexit__(self, *_):
        pass
