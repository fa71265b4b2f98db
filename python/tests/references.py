# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Does every operation a million times and counts what is left: objects, blocks of memory, and with
a debug build of CPython, references.

usage: references.py [ROUNDS]
"""

import asyncio
import gc
import sys

import corolock


async def contend(one):
    """A wait that is granted, one that is cancelled, and one that is closed after it was woken."""
    await one.acquire()
    granted, cancelled, closed, last = waits = [one.acquire() for _ in range(4)]
    for wait in waits:
        wait.send(None)
    try:
        cancelled.throw(asyncio.CancelledError)
    except asyncio.CancelledError:
        pass
    one.release()
    try:
        granted.send(None)
    except StopIteration:
        pass
    one.release()
    closed.close()
    try:
        last.send(None)
    except StopIteration:
        pass
    one.release()


async def enter(one):
    async with one:
        pass


async def acquire(one):
    await one.acquire()
    one.release()


async def event(one):
    wait = one.wait()
    wait.send(None)
    one.set()
    await one.wait()
    await wait
    one.clear()


async def condition(one):
    await one.acquire()
    wait = one.wait_for([0, 1].pop)
    await wait
    wait = one.wait()
    wait.send(None)
    await one.acquire()
    one.notify_all()
    one.release()
    await wait
    one.release()


async def rw(one):
    await one.acquire_write()
    wait = one.acquire_read()
    wait.send(None)
    one.downgrade()
    await wait
    one.release_read()
    one.release_read()


async def keyed(one):
    async with one("a", "b"):
        pass


async def refuse(one):
    try:
        one.release()
    except (RuntimeError, ValueError):
        pass
    repr(one)


def operations():
    for kind in (corolock.Lock, corolock.Semaphore, corolock.BoundedSemaphore,
                 corolock.ThreadSafeLock):  # fmt: skip
        for operation in (enter, acquire, contend):
            yield kind, operation
    yield corolock.Lock, refuse
    yield corolock.BoundedSemaphore, refuse
    yield corolock.ThreadSafeLock, refuse
    yield corolock.Event, event
    yield corolock.Condition, enter
    yield corolock.Condition, condition
    yield corolock.RWLock, rw
    yield corolock.KeyedLock, keyed
    yield lambda: corolock.Barrier(1), enter


def count() -> list[int]:
    gc.collect()
    references = sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else 0
    return [len(gc.get_objects()), sys.getallocatedblocks(), references]


async def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    wrong = 0
    for kind, operation in operations():
        one = kind()
        for _ in range(100):
            await operation(one)
        before = count()
        for _ in range(rounds):
            await operation(one)
        grown = [after - b for after, b in zip(count(), before, strict=True)]
        # A leak is one in a round, or in each of ten; the event loop itself varies by a few.
        if max(grown) > rounds // 1000 + 20:
            wrong += 1
            print(f"{type(one).__name__} {operation.__name__}: leaks", end=" ")
        else:
            print(f"{type(one).__name__} {operation.__name__}: fine", end=" ")
        print(f"(objects, blocks, references after {rounds} rounds: {grown})", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
