# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""ThreadSafeLock, RWLock, KeyedLock and RateLimiter. With COROLOCK_UVLOOP=1 on uvloop."""

import asyncio
import gc
import os
import queue
import threading
import unittest
import weakref

import timed

import corolock

if os.environ.get("COROLOCK_UVLOOP"):
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def turns(count=1):
    for _ in range(count):
        await asyncio.sleep(0)


def suspended(awaitable):
    awaitable.send(None)
    return awaitable


class Thread:
    """An event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def start(self, coroutine):
        """Starts a task, as far as it goes without waiting."""

        async def create():
            task = asyncio.ensure_future(coroutine)
            await turns()
            return task

        return asyncio.run_coroutine_threadsafe(create(), self.loop).result()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self):
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()


class ThreadSafeLockTests(unittest.TestCase):
    def threads(self, count):
        threads = [Thread() for _ in range(count)]
        for thread in threads:
            self.addCleanup(thread.close)
        return threads

    def test_tasks_of_several_threads_exclude_each_other(self):
        lock, count = corolock.ThreadSafeLock(), 0

        async def work():
            nonlocal count
            for _ in range(100):
                async with lock:
                    before = count
                    await turns()
                    count = before + 1

        async def both():
            await asyncio.gather(work(), work())

        threads = [threading.Thread(target=lambda: asyncio.run(both())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(count, 800)
        self.assertFalse(lock.locked())

    def test_it_is_first_come_first_served_across_threads(self):
        lock, order = corolock.ThreadSafeLock(), queue.Queue()
        self.assertTrue(lock.try_acquire())

        async def take(name):
            async with lock:
                order.put(name)

        threads = self.threads(3)
        for name in range(9):
            threads[name % 3].start(take(name))
        self.assertTrue(repr(lock).endswith("[locked, waiters:9]>"))
        lock.release()  # by a thread without any loop
        self.assertEqual([order.get() for _ in range(9)], list(range(9)))

    def test_a_release_hands_over_and_nobody_comes_in_between(self):
        async def main():
            lock = corolock.ThreadSafeLock()
            await lock.acquire()
            task = asyncio.create_task(lock.acquire())
            await turns()
            lock.release()
            self.assertTrue(lock.locked())
            self.assertFalse(lock.try_acquire())
            with self.assertRaisesRegex(RuntimeError, "Lock is not acquired"):
                lock.release()  # it is the task's, which has not run yet
            self.assertIs(await task, True)
            lock.release()
            self.assertFalse(lock.locked())
            with self.assertRaisesRegex(RuntimeError, "Lock is not acquired"):
                lock.release()

        asyncio.run(main())

    def test_a_waiter_that_is_cancelled_leaves_the_queue(self):
        lock = corolock.ThreadSafeLock()
        lock.try_acquire()
        (thread,) = self.threads(1)
        first, second = (thread.start(lock.acquire()) for _ in range(2))

        async def cancel():
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

        thread.run(cancel())
        lock.release()

        async def result():
            return await second

        self.assertIs(thread.run(result()), True)

    def test_a_grant_to_a_waiter_that_ends_before_it_runs_passes_on(self):
        for end in ("cancel", "close", "drop"):
            with self.subTest(end):

                async def main(end=end):
                    lock = corolock.ThreadSafeLock()
                    await lock.acquire()
                    first = (
                        asyncio.create_task(lock.acquire())
                        if end == "cancel"
                        else suspended(lock.acquire())
                    )
                    await turns()
                    second = asyncio.create_task(lock.acquire())
                    await turns()
                    lock.release()
                    if end != "drop":
                        getattr(first, end)()
                    del first
                    self.assertIs(await second, True)
                    lock.release()
                    self.assertFalse(lock.locked())

                asyncio.run(main())

    def test_a_waiter_whose_loop_is_closed_is_passed_over(self):
        lock = corolock.ThreadSafeLock()
        lock.try_acquire()
        dead = asyncio.new_event_loop()

        async def wait():
            return suspended(lock.acquire())

        stuck = dead.run_until_complete(wait())
        (thread,) = self.threads(1)
        alive = thread.start(lock.acquire())
        dead.close()
        lock.release()

        async def result():
            return await alive

        self.assertIs(thread.run(result()), True)
        with self.assertRaisesRegex(RuntimeError, "await wasn't used with future"):
            stuck.send(None)

    def test_a_waiter_whose_loop_is_closed_after_it_was_told_is_passed_over(self):
        lock = corolock.ThreadSafeLock()
        lock.try_acquire()
        dead = asyncio.new_event_loop()

        async def wait():
            return suspended(lock.acquire())

        stuck = dead.run_until_complete(wait())
        lock.release()
        dead.close()
        self.assertTrue(lock.locked())

        async def main():
            async with lock:
                self.assertTrue(lock.locked())

        asyncio.run(main())
        self.assertFalse(lock.locked())
        stuck.close()
        self.assertFalse(lock.locked())

    def test_a_lock_that_is_held_may_go(self):
        for kind in (corolock.ThreadSafeLock, corolock.RWLock):

            async def main(kind=kind):
                lock = kind()
                await getattr(lock, "acquire", getattr(lock, "acquire_read", None))()
                lock.me = lock
                return weakref.ref(lock)

            alive = asyncio.run(main())
            gc.collect()
            self.assertIsNone(alive())

    def test_a_waiting_task_lives_as_long_as_the_lock(self):
        async def main():
            lock, seen = corolock.ThreadSafeLock(), []
            await lock.acquire()

            async def take():
                async with lock:
                    seen.append(True)

            asyncio.create_task(take())
            await turns()
            gc.collect()
            lock.release()
            await turns(3)
            self.assertEqual(seen, [True])

        asyncio.run(main())


class RWLockTests(unittest.IsolatedAsyncioTestCase):
    async def test_readers_share_and_a_writer_does_not(self):
        lock = corolock.RWLock()
        async with lock.reader, lock.reader:
            self.assertTrue(repr(lock).endswith("[readers:2]>"))
            writer = asyncio.create_task(lock.writer.acquire())
            await turns(3)
            self.assertFalse(writer.done())
            late = asyncio.create_task(lock.reader.acquire())
            await turns(3)
            self.assertFalse(late.done(), "a reader overtook a writer")
        self.assertIs(await writer, True)
        self.assertTrue(repr(lock).endswith("[written, waiters:1]>"))
        lock.writer.release()
        self.assertIs(await late, True)
        lock.reader.release()
        self.assertFalse(lock.locked())

    async def test_a_cancelled_writer_lets_the_readers_behind_it_in(self):
        lock = corolock.RWLock()
        async with lock.reader:
            writer = asyncio.create_task(lock.writer.acquire())
            await turns()
            reader = asyncio.create_task(lock.reader.acquire())
            await turns()
            writer.cancel()
            self.assertIs(await reader, True)
        lock.release_read()
        self.assertFalse(lock.locked())

    async def test_a_writer_becomes_a_reader_before_the_next_writer(self):
        lock = corolock.RWLock()
        await lock.writer.acquire()
        reader = asyncio.create_task(lock.reader.acquire())
        await turns()
        writer = asyncio.create_task(lock.writer.acquire())
        await turns()
        lock.downgrade()
        self.assertIs(await reader, True)
        self.assertFalse(writer.done())
        lock.release_read()
        lock.release_read()
        self.assertIs(await writer, True)
        lock.release_write()

    async def test_what_is_not_held_cannot_be_released(self):
        lock = corolock.RWLock()
        for release in (lock.release_read, lock.release_write, lock.downgrade):
            with self.assertRaisesRegex(RuntimeError, "RWLock is not held for"):
                release()


class KeyedLockTests(unittest.IsolatedAsyncioTestCase):
    async def test_a_key_excludes_and_another_does_not(self):
        locks, order = corolock.KeyedLock(), []

        async def take(*keys):
            async with locks(*keys):
                order.append(keys)
                await turns(2)

        async with locks("a"):
            tasks = [asyncio.create_task(take(*keys)) for keys in ("a", "b", ("b", "a"))]
            await turns(5)
            self.assertEqual(order, [("b",)])
            self.assertTrue(locks.locked("a"))
        await asyncio.gather(*tasks)
        self.assertEqual(order, [("b",), ("a",), ("b", "a")])
        self.assertEqual(len(locks), 0)

    async def test_opposite_orders_do_not_deadlock(self):
        locks = corolock.KeyedLock()

        async def take(*keys):
            for _ in range(20):
                async with locks(*keys):
                    await turns()

        await asyncio.gather(take("a", "b", "c"), take("c", "b"), take("b", "a", "b"), take("c", "a"))
        self.assertEqual(len(locks), 0)

    async def test_a_cancelled_request_lets_go_of_what_it_held(self):
        locks = corolock.KeyedLock()
        async with locks("a", "b"):
            pass
        async with locks("b"):
            task = asyncio.create_task(locks("a", "b").__aenter__())
            await turns()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.assertFalse(locks.locked("a"))
            self.assertEqual(len(locks), 1)
        self.assertEqual(len(locks), 0)

    async def test_a_bad_key(self):
        locks = corolock.KeyedLock()
        with self.assertRaisesRegex(TypeError, "unhashable"):
            locks([])

        class Bad:
            def __hash__(self):
                return hash("a")

            def __eq__(self, other):
                raise LookupError

        async with locks("a"):
            with self.assertRaises(LookupError):
                await locks("b", Bad()).__aenter__()
            self.assertEqual(len(locks), 1)


class RateLimiterTests(unittest.IsolatedAsyncioTestCase):
    async def test_the_burst_passes_and_the_next_waits(self):
        limiter = corolock.RateLimiter(1, per=3600, burst=3)
        self.assertTrue(limiter.try_acquire(2))
        async with limiter:
            pass
        self.assertFalse(limiter.try_acquire())
        self.assertGreater(limiter._rate.delay(1), 3500)

    async def test_it_is_first_come_first_served(self):
        limiter, order = corolock.RateLimiter(1000, burst=5), []
        limiter.try_acquire(5)

        async def take(name, units):
            await limiter.acquire(units)
            order.append(name)

        tasks = []
        for name, units in enumerate((5, 1, 3)):
            tasks.append(asyncio.create_task(take(name, units)))
            await turns()
        self.assertFalse(limiter.try_acquire())
        await asyncio.gather(*tasks)
        self.assertEqual(order, [0, 1, 2])

    async def test_a_cancelled_wait_uses_nothing(self):
        limiter = corolock.RateLimiter(1, per=3600, burst=1)
        limiter.try_acquire()
        tasks = [asyncio.create_task(limiter.acquire()) for _ in range(2)]
        await turns(2)
        before = limiter._rate.delay(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.assertLessEqual(limiter._rate.delay(1), before)
        self.assertFalse(limiter._turn.locked())

    async def test_arguments(self):
        for arguments in ((0,), (1, 1, 0), (1, 0), (1, float("nan")), (1, 1e12)):
            with self.assertRaises(ValueError, msg=arguments):
                corolock.RateLimiter(*arguments)
        limiter = corolock.RateLimiter(1)
        with self.assertRaisesRegex(ValueError, "units must be from 1 to the burst, 1, not 2"):
            await limiter.acquire(2)


if __name__ == "__main__":
    timed.main()
