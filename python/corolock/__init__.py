# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Locks for asyncio: its own six, natively, and some that it lacks.

Lock, Event, Condition, Semaphore, BoundedSemaphore and Barrier take the places of asyncio's:

    import corolock
    lock = corolock.Lock()

or, for code that names asyncio's, corolock.install().
"""

from corolock import _install
from corolock._barrier import Barrier
from corolock._corolock import BoundedSemaphore, Condition, Event, Lock, Semaphore

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "Semaphore",
    "install",
    "uninstall",
]

# Where tracebacks, repr() and pickle say that they live.
Barrier.__module__ = "corolock"

_DROP_INS = (Lock, Event, Condition, Semaphore, BoundedSemaphore, Barrier)


def install():
    """Put the six drop-ins in place of asyncio's, for all that asks asyncio for them from now on.

    What `from asyncio import Lock` has taken before stays what it is.
    """
    _install.install({drop_in.__name__: drop_in for drop_in in _DROP_INS})


def uninstall():
    """Put asyncio's own back."""
    _install.uninstall()
