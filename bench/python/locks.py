# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""What is counted: one case, `asyncio` or `corolock`, so many operations.

usage: locks.py SUBJECT CASE OPERATIONS
"""

import asyncio
import gc
import importlib
import sys

library = importlib.import_module(sys.argv[1])


async def async_with(n):
    lock = library.Lock()
    for _ in range(n):
        async with lock:
            pass


async def acquire_release(n):
    lock = library.Lock()
    for _ in range(n):
        await lock.acquire()
        lock.release()


async def semaphore_async_with(n):
    semaphore = library.Semaphore(2)
    for _ in range(n):
        async with semaphore:
            pass


async def event_is_set(n):
    event = library.Event()
    event.set()
    for _ in range(n):
        await event.wait()


async def hand_off(n):
    """Four tasks after one lock, which each keeps for a turn of the loop."""
    lock = library.Lock()

    async def task():
        for _ in range(n // 4):
            async with lock:
                await asyncio.sleep(0)

    await asyncio.gather(*(task() for _ in range(4)))


async def condition_ping_pong(n):
    """Two tasks wake each other in turn."""
    condition = library.Condition()
    turn = 0

    async def task(mine):
        nonlocal turn
        for _ in range(n // 2):
            async with condition:
                while turn != mine:
                    await condition.wait()
                turn = 1 - mine
                condition.notify()

    await asyncio.gather(task(0), task(1))


CASES = {
    case.__name__: case
    for case in (
        async_with,
        acquire_release,
        semaphore_async_with,
        event_is_set,
        hand_off,
        condition_ping_pong,
    )
}

if __name__ == "__main__":
    gc.disable()  # a collection in the longer run alone would be counted as the lock's
    asyncio.run(CASES[sys.argv[2]](int(sys.argv[3])))
