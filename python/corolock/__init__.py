# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Locks for asyncio: its own six, natively, and some that it lacks.

Lock, Event, Condition, Semaphore, BoundedSemaphore and Barrier take the places of asyncio's:

    import corolock
    lock = corolock.Lock()

or, for code that names asyncio's, corolock.install().

ThreadSafeLock, RWLock, KeyedLock and RateLimiter are what asyncio does not have. They belong to no
event loop: tasks of several loops, in several threads, may share them.
"""

from corolock import _install
from corolock._barrier import Barrier
from corolock._corolock import (
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    Semaphore,
    ThreadSafeLock,
)
from corolock._keyed_lock import KeyedLock
from corolock._rate import RateLimiter
from corolock._rw_lock import RWLock

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "KeyedLock",
    "Lock",
    "RWLock",
    "RateLimiter",
    "Semaphore",
    "ThreadSafeLock",
    "install",
    "uninstall",
]

# Where tracebacks, repr() and pickle say that they live.
for _type in (Barrier, KeyedLock, RWLock, RateLimiter):
    _type.__module__ = "corolock"
del _type

_DROP_INS = (Lock, Event, Condition, Semaphore, BoundedSemaphore, Barrier)


def install():
    """Put the six drop-ins in place of asyncio's, for all that asks asyncio for them from now on.

    What `from asyncio import Lock` has taken before stays what it is.
    """
    _install.install({drop_in.__name__: drop_in for drop_in in _DROP_INS})


def uninstall():
    """Put asyncio's own back."""
    _install.uninstall()
