# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""KeyedLock: a ThreadSafeLock for each key that is in use."""

import itertools
import threading

from corolock._corolock import ThreadSafeLock


class _Entry:
    __slots__ = ("lock", "number", "users")

    def __init__(self, number):
        self.lock = ThreadSafeLock()
        self.number = number
        self.users = 0  # tasks that hold or want the key


class _Keys:
    """What `async with` takes: some keys of a KeyedLock."""

    __slots__ = ("_held", "_keys", "_owner")

    def __init__(self, owner, keys):
        self._owner = owner
        self._keys = keys
        self._held = None

    async def __aenter__(self):
        if self._held is not None:
            raise RuntimeError("these keys are held already: call the KeyedLock once more")
        self._held = entries = self._owner._use(self._keys)
        taken = 0
        try:
            for _, entry in entries:
                await entry.lock.acquire()
                taken += 1
        except BaseException:
            self._held = None
            self._owner._unuse(entries, taken)
            raise

    async def __aexit__(self, *_):
        entries, self._held = self._held, None
        self._owner._unuse(entries, len(entries))


class KeyedLock:
    """KeyedLock()

    A lock for each key. A key is whatever a dict takes, and has an entry for as long as somebody
    holds it or waits for it. First come, first served at each key. Tasks of several event loops and
    threads may share it.

        async with locks("a"):
            ...
        async with locks("a", "b"):  # both; never a deadlock, whatever the order
            ...
    """

    def __init__(self):
        self._entries = {}
        self._numbers = itertools.count()
        # Of the entries; never held while anybody waits. It is re-entrant because the garbage
        # collector may close a task that waits for a key while this thread is inside.
        self._guard = threading.RLock()

    def __call__(self, *keys):
        """Return what holds these keys within `async with`."""
        for key in keys:
            hash(key)  # what cannot be a key says so here
        return _Keys(self, keys)

    def locked(self, key):
        """Return True if somebody holds the key."""
        entry = self._entries.get(key)
        return entry is not None and entry.lock.locked()

    def __len__(self):
        """The number of keys that are held or waited for."""
        return len(self._entries)

    # All requests take their keys in the order of the entries' numbers, and an entry keeps its
    # number while it is in use: so no two requests can wait for each other.
    def _use(self, keys):
        entries = []
        with self._guard:
            try:
                for key in dict.fromkeys(keys):
                    entry = None
                    # Again if the entry ended before it was counted, see _guard.
                    while entry is None or self._entries.get(key) is not entry:
                        entry = self._entries.get(key)
                        if entry is None:
                            entry = self._entries[key] = _Entry(next(self._numbers))
                        entry.users += 1
                    entries.append((key, entry))
            except BaseException:  # a key that fails to compare
                for key, entry in entries:
                    self._leave(key, entry)
                raise
        entries.sort(key=lambda item: item[1].number)
        return entries

    def _unuse(self, entries, taken):
        for position, (key, entry) in enumerate(entries):
            if position < taken:
                entry.lock.release()
            with self._guard:
                self._leave(key, entry)

    def _leave(self, key, entry):
        entry.users -= 1
        if entry.users == 0:
            del self._entries[key]
