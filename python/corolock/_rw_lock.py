# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""RWLock, whose two sides are used like locks."""

from corolock._corolock import _RWLock


class _Side:
    """One side of an RWLock: it is used as a Lock is."""

    __slots__ = ("_enter", "acquire", "release")

    def __init__(self, enter, acquire, release):
        self._enter = enter
        self.acquire = acquire
        self.release = release

    def __aenter__(self):
        return self._enter()

    async def __aexit__(self, *_):
        self.release()


class RWLock(_RWLock):
    """RWLock()

    One writer, or many readers, first come, first served: a reader does not overtake a writer that
    waits. Tasks of several event loops and threads may share it.

        async with lock.reader:
            ...
        async with lock.writer:
            ...
    """

    __slots__ = ()

    @property
    def reader(self):
        """The side to read: `async with`, acquire() and release()."""
        return _Side(self._enter_read, self.acquire_read, self.release_read)

    @property
    def writer(self):
        """The side to write: `async with`, acquire() and release()."""
        return _Side(self._enter_write, self.acquire_write, self.release_write)
