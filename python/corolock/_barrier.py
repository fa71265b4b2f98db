# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Barrier: Python, because all that is hot in it is the Condition."""

import enum
import heapq
from asyncio import BrokenBarrierError

from corolock._corolock import Condition


class _State(enum.Enum):
    FILLING = "filling"  # tasks arrive and wait
    DRAINING = "draining"  # all have arrived and leave; newcomers wait until they have left
    RESETTING = "resetting"  # those that waited leave with an error; newcomers wait as well
    BROKEN = "broken"  # who waits or comes gets an error


class Barrier:
    """Barrier(parties)

    A meeting point: each of so many tasks waits until all have come; asyncio.Barrier, but that a
    task which is cancelled while it waits leaves its index to the next one that comes (asyncio
    hands out an index twice then).

        async with barrier as index:
            ...
    """

    def __init__(self, parties):
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._cond = Condition()
        self._parties = parties
        self._state = _State.FILLING
        self._count = 0  # the tasks inside
        self._free = []  # a heap: the indices below the greatest one in use that nobody has

    def __repr__(self):
        extra = self._state.value
        if not self.broken:
            extra += f", waiters:{self.n_waiting}/{self.parties}"
        return f"<{super().__repr__()[1:-1]} [{extra}]>"

    async def __aenter__(self):
        return await self.wait()

    async def __aexit__(self, *_):
        pass

    async def wait(self):
        """Wait until all parties have come. Return an index from 0 to parties - 1, each once.

        Raises asyncio.BrokenBarrierError if the barrier is broken, or is reset or aborted meanwhile.
        """
        async with self._cond:
            await self._cond.wait_for(self._lets_in)
            if self._state is _State.BROKEN:
                raise BrokenBarrierError("Barrier aborted")
            index = heapq.heappop(self._free) if self._free else self._count
            self._count += 1
            try:
                if self._count == self._parties:
                    self._state = _State.DRAINING
                    self._cond.notify_all()
                else:
                    await self._cond.wait_for(self._is_over)
                    if self._state is not _State.DRAINING:
                        raise BrokenBarrierError("Abort or reset of barrier")
                return index
            finally:
                self._leave(index)

    def _lets_in(self):
        return self._state in (_State.FILLING, _State.BROKEN)

    def _is_over(self):
        return self._state is not _State.FILLING

    def _leave(self, index):
        self._count -= 1
        if self._count > 0:
            if self._state is _State.FILLING:
                heapq.heappush(self._free, index)
            return
        self._free.clear()
        if self._state is not _State.BROKEN:
            self._state = _State.FILLING
        if self._cond.locked():  # not if this task was closed where it could not get the lock
            self._cond.notify_all()

    async def reset(self):
        """Make the barrier new. Those that wait get asyncio.BrokenBarrierError."""
        async with self._cond:
            self._state = _State.RESETTING if self._count > 0 else _State.FILLING
            self._cond.notify_all()

    async def abort(self):
        """Break the barrier. Those that wait, and those that come, get asyncio.BrokenBarrierError."""
        async with self._cond:
            self._state = _State.BROKEN
            self._cond.notify_all()

    @property
    def parties(self):
        """The number of tasks that meet."""
        return self._parties

    @property
    def n_waiting(self):
        """The number of tasks that have come and wait for the others."""
        return self._count if self._state is _State.FILLING else 0

    @property
    def broken(self):
        """Whether the barrier is broken."""
        return self._state is _State.BROKEN
