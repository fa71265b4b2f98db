# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The drop-ins, where CPython's own suite does not look.

What a comment names as L4 or S8 is a row of asyncio's semantics: those that no test of CPython
covers, and the holes of asyncio's own that are closed here. Run with COROLOCK_UVLOOP=1 it uses
uvloop.
"""

import asyncio
import contextlib
import gc
import os
import sys
import unittest
import warnings
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
    """Starts an awaitable by hand, as far as it goes."""
    awaitable.send(None)
    return awaitable


class TestCase(unittest.IsolatedAsyncioTestCase):
    def test_the_loop_is_the_one_that_was_asked_for(self):
        async def name():
            return type(asyncio.get_running_loop()).__module__

        self.assertEqual(
            asyncio.run(name()).startswith("uvloop"), bool(os.environ.get("COROLOCK_UVLOOP"))
        )


class LockTests(TestCase):
    async def held(self, waiters):
        lock = corolock.Lock()
        await lock.acquire()
        order = []

        async def take(name):
            async with lock:
                order.append(name)

        tasks = [asyncio.create_task(take(name)) for name in range(waiters)]
        await turns()
        return lock, tasks, order

    async def test_nothing_is_acquired_before_the_first_send(self):
        lock = corolock.Lock()
        acquire = lock.acquire()
        self.assertFalse(lock.locked())
        self.assertIs(await acquire, True)
        self.assertTrue(lock.locked())
        release = lock.__aexit__(None, None, None)
        self.assertTrue(lock.locked())
        self.assertIsNone(await release)
        self.assertFalse(lock.locked())

    async def test_async_with_gives_none(self):
        lock = corolock.Lock()
        async with lock as value:
            self.assertIsNone(value)

    async def test_aenter_and_aexit_are_methods_as_any(self):
        lock = corolock.Lock()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertTrue(hasattr(lock, "__aenter__"))
            enter, leave = lock.__aenter__, lock.__aexit__
            for _ in range(3):
                await enter()
                self.assertTrue(lock.locked())
                await leave(None, None, None)
                self.assertFalse(lock.locked())
            del enter, leave
            await corolock.Lock.__aenter__(lock)
            await corolock.Lock.__aexit__(lock, None, None, None)
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(lock)
                self.assertTrue(lock.locked())
            self.assertFalse(lock.locked())
        for owner in (5, corolock.Semaphore()):
            with self.assertRaisesRegex(TypeError, "needs a 'Lock' object"):
                corolock.Lock.__aenter__(owner)
            with self.assertRaisesRegex(TypeError, "needs a 'Lock' object"):
                vars(corolock.Lock)["__aexit__"].__get__(owner)
        acquire = lock.acquire()
        with self.assertRaisesRegex(TypeError, "not callable"):
            acquire()
        acquire.close()
        with self.assertWarnsRegex(RuntimeWarning, "'Lock.__aenter__' was never awaited"):
            lock.__aenter__()

    async def test_a_wait_behaves_as_a_coroutine(self):
        lock = corolock.Lock()
        with self.assertRaises(StopIteration) as stop:
            lock.acquire().send(None)
        self.assertIs(stop.exception.value, True)
        acquire = lock.acquire()
        self.assertTrue(asyncio.iscoroutine(acquire))
        self.assertEqual(acquire.__qualname__, "Lock.acquire")
        with self.assertRaisesRegex(TypeError, "non-None value to a just-started"):
            acquire.send(1)
        suspended(acquire)
        acquire.close()
        with self.assertRaisesRegex(RuntimeError, "cannot reuse"):
            acquire.send(None)
        with self.assertRaises(KeyError):
            lock.acquire().throw(KeyError("before it began"))
        with self.assertRaisesRegex(TypeError, "must be classes or instances"):
            suspended(lock.acquire()).throw(1)

    async def test_a_wait_that_is_stopped_by_next_keeps_no_traceback(self):
        class Witness:
            pass

        def catch(witness):
            lock = corolock.Lock()
            try:
                next(lock.acquire())
            except StopIteration as stop:
                self.assertIs(stop.value, True)

        witness = Witness()
        alive = weakref.ref(witness)
        catch(witness)
        del witness
        with self.assertRaises(StopIteration):
            next(corolock.Lock().acquire())
        gc.collect()
        self.assertIsNone(alive())

    async def test_a_wait_that_is_never_awaited_warns(self):
        with self.assertWarnsRegex(RuntimeWarning, "'Lock.acquire' was never awaited"):
            corolock.Lock().acquire()
            gc.collect()

    async def test_a_wait_that_is_running_refuses_to_be_entered(self):
        lock = corolock.Lock()
        await lock.acquire()
        acquire = lock.acquire()
        seen = []

        class Loop:
            def create_future(self):
                for enter in (lambda: acquire.send(None), acquire.close):
                    try:
                        enter()
                    except ValueError as error:
                        seen.append(str(error))
                raise LookupError

        asyncio._set_running_loop(Loop())
        running = asyncio.get_running_loop()
        self.assertIsInstance(running, Loop)
        try:
            with self.assertRaises(LookupError):
                acquire.send(None)
        finally:
            asyncio._set_running_loop(None)
        self.assertEqual(seen, ["coroutine already executing"] * 2)

    async def test_l5_in_the_wake_window_the_lock_is_free_but_nobody_gets_in(self):
        lock, (task,), order = await self.held(1)
        lock.release()
        self.assertFalse(lock.locked())
        with self.assertRaisesRegex(RuntimeError, "Lock is not acquired"):
            lock.release()
        newcomer = suspended(lock.acquire())
        await task
        self.assertEqual(order, [0])
        newcomer.close()

    async def test_l10_cancelling_a_waiter_wakes_nobody_while_the_lock_is_held(self):
        lock, tasks, order = await self.held(2)
        tasks[0].cancel()
        await turns(3)
        self.assertEqual(order, [])
        self.assertTrue(lock.locked())
        lock.release()
        await turns(2)
        self.assertEqual(order, [1])

    async def test_l8_a_waiter_that_is_cancelled_after_it_was_woken_wakes_the_next(self):
        lock, tasks, order = await self.held(2)
        lock.release()
        tasks[0].cancel()
        await tasks[1]
        self.assertEqual(order, [1])

    async def test_l20_a_woken_waiter_that_is_closed_wakes_the_next(self):
        lock = corolock.Lock()
        await lock.acquire()
        first = suspended(lock.acquire())
        second = asyncio.create_task(lock.acquire())
        await turns()
        lock.release()
        first.close()
        self.assertIs(await second, True)

    async def test_l20_a_woken_waiter_that_is_dropped_wakes_the_next(self):
        lock = corolock.Lock()
        await lock.acquire()
        first = suspended(lock.acquire())
        second = asyncio.create_task(lock.acquire())
        await turns()
        lock.release()
        del first
        self.assertIs(await second, True)

    async def test_a_woken_waiter_that_gets_any_exception_wakes_the_next(self):
        lock = corolock.Lock()
        await lock.acquire()
        first = suspended(lock.acquire())
        second = asyncio.create_task(lock.acquire())
        await turns()
        lock.release()
        with self.assertRaises(LookupError):
            first.throw(LookupError)
        self.assertIs(await second, True)

    async def test_a_waiter_leaves_from_the_middle(self):
        lock, tasks, order = await self.held(5)
        for victim in (2, 4, 0):
            tasks[victim].cancel()
        await turns()
        self.assertEqual(len(lock._waiters), 2)
        self.assertTrue(repr(lock).endswith("[locked, waiters:2]>"))
        lock.release()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.assertEqual(order, [1, 3])

    async def test_l13_a_lock_is_bound_by_its_first_contention(self):
        lock, tasks, _ = await self.held(1)

        def elsewhere():
            async def want():
                await lock.acquire()

            with self.assertRaisesRegex(RuntimeError, "is bound to a different event loop"):
                asyncio.run(want())

        await asyncio.to_thread(elsewhere)
        lock.release()
        await tasks[0]

    async def test_l17_an_uncontended_lock_never_yields(self):
        lock, ran = corolock.Lock(), []
        task = asyncio.create_task(turns())
        task.add_done_callback(ran.append)
        for _ in range(1000):
            async with lock:
                pass
        self.assertFalse(ran)
        await task

    async def test_an_abandoned_waiter_lives_as_long_as_the_lock(self):
        lock, (task,), order = await self.held(1)
        del task
        gc.collect()
        lock.release()
        await turns(3)
        self.assertEqual(order, [0])

    async def test_a_subclass_and_an_instance_may_replace_the_methods(self):
        calls = []

        class Mine(corolock.Lock):
            async def acquire(self):
                calls.append("acquire")
                return await super().acquire()

            def release(self):
                calls.append("release")
                super().release()

        async with Mine() as value:
            self.assertIsNone(value)
        lock = corolock.Lock()
        lock.release = lambda: calls.append("instance")
        async with lock:
            pass
        self.assertEqual(calls, ["acquire", "release", "instance"])
        self.assertTrue(lock.locked())

    async def test_cycles_and_weak_references_end(self):
        lock = corolock.Lock()
        await lock.acquire()
        lock.me = lock
        lock.wait = suspended(lock.acquire())
        alive = weakref.ref(lock)
        del lock
        gc.collect()
        self.assertIsNone(alive())


class EventTests(TestCase):
    async def test_e3_a_wake_up_stays_though_the_event_is_cleared(self):
        event = corolock.Event()
        tasks = [asyncio.create_task(event.wait()) for _ in range(3)]
        await turns()
        event.set()
        event.clear()
        self.assertEqual(await asyncio.gather(*tasks), [True] * 3)
        self.assertFalse(event.is_set())

    async def test_a_cancelled_waiter_does_not_stop_the_others(self):
        event = corolock.Event()
        tasks = [asyncio.create_task(event.wait()) for _ in range(3)]
        await turns()
        tasks[0].cancel()
        event.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertIsInstance(results[0], asyncio.CancelledError)
        self.assertEqual(results[1:], [True, True])


class ConditionTests(TestCase):
    async def waiting(self, count):
        condition = corolock.Condition()
        woken = []

        async def wait(name):
            async with condition:
                await condition.wait()
                woken.append(name)

        tasks = [asyncio.create_task(wait(name)) for name in range(count)]
        await turns()
        return condition, tasks, woken

    async def test_c7_two_notifications_in_one_turn_wake_two(self):
        condition, tasks, woken = await self.waiting(3)
        async with condition:
            condition.notify()
            condition.notify(1)
        await turns(5)
        self.assertEqual(woken, [0, 1])
        async with condition:
            condition.notify(n=5)
        await asyncio.gather(*tasks)

    async def test_c5_a_notification_of_a_cancelled_waiter_passes_on(self):
        condition, tasks, woken = await self.waiting(2)
        async with condition:
            condition.notify()
            tasks[0].cancel()
        await turns(5)
        self.assertEqual(woken, [1])
        self.assertTrue(tasks[0].cancelled())

    async def test_a_notification_of_a_closed_waiter_passes_on(self):
        condition = corolock.Condition()
        await condition.acquire()
        first = suspended(condition.wait())
        woken = []

        async def wait():
            async with condition:
                await condition.wait()
                woken.append("second")

        second = asyncio.create_task(wait())
        await turns()
        await condition.acquire()
        condition.notify()
        condition.release()
        first.close()  # takes the free lock, as a closed coroutine of asyncio's does
        self.assertTrue(condition.locked())
        condition.release()
        await second
        self.assertEqual(woken, ["second"])

    async def test_a_waiter_that_is_closed_while_the_lock_is_taken_says_so(self):
        condition = corolock.Condition()
        await condition.acquire()
        first = suspended(condition.wait())
        await condition.acquire()
        with self.assertRaisesRegex(RuntimeError, "ignored GeneratorExit"):
            first.close()
        self.assertEqual(len(condition._waiters), 0)
        self.assertEqual(len(condition._lock._waiters), 0)
        condition.release()

    async def test_a_lock_of_somebody_elses(self):
        class Theirs(asyncio.Lock):
            pass

        condition = corolock.Condition(Theirs())
        seen = []

        async def wait():
            async with condition:
                seen.append(await condition.wait_for(lambda: len(seen) or None))

        task = asyncio.create_task(wait())
        await turns()
        async with condition:
            seen.append("ready")
            condition.notify_all()
        await task
        self.assertEqual(seen, ["ready", 1])

    async def test_a_predicate_that_raises(self):
        condition = corolock.Condition()
        async with condition:
            with self.assertRaises(ZeroDivisionError):
                await condition.wait_for(lambda: 1 / 0)
        self.assertFalse(condition.locked())

    async def test_c4_a_cancellation_in_the_queue_for_the_lock_is_raised_as_it_is(self):
        condition, (task,), woken = await self.waiting(1)
        await condition.acquire()
        condition.notify()
        await turns()
        task.cancel("first")
        await turns()
        task.cancel("second")
        await turns()
        condition.release()
        with self.assertRaises(asyncio.CancelledError) as cancelled:
            await task
        self.assertEqual(cancelled.exception.args, ("second",))
        self.assertFalse(condition.locked())


class SemaphoreTests(TestCase):
    async def test_s2_cancelled_waiters_do_not_lock_it(self):
        semaphore = corolock.Semaphore(1)
        await semaphore.acquire()
        task = asyncio.create_task(semaphore.acquire())
        await turns()
        task.cancel()
        semaphore.release()
        self.assertFalse(semaphore.locked())
        self.assertIs(await asyncio.wait_for(semaphore.acquire(), 5), True)
        await asyncio.gather(task, return_exceptions=True)

    async def test_s3_a_release_reserves_the_permit_for_the_woken(self):
        semaphore = corolock.Semaphore(0)
        task = asyncio.create_task(semaphore.acquire())
        await turns()
        semaphore.release()
        self.assertEqual(semaphore._value, 0)
        self.assertTrue(semaphore.locked())
        await task

    async def test_s8_the_permit_of_a_woken_waiter_that_is_closed_is_not_lost(self):
        for end in ("close", "drop"):
            semaphore = corolock.Semaphore(0)
            first = suspended(semaphore.acquire())
            second = asyncio.create_task(semaphore.acquire())
            await turns()
            semaphore.release()
            if end == "close":
                first.close()
            del first
            self.assertIs(await second, True, end)
            self.assertEqual(semaphore._value, 0)

    async def test_s5_whoever_leaves_hands_out_all_permits(self):
        semaphore = corolock.Semaphore(0)
        tasks = [asyncio.create_task(semaphore.acquire()) for _ in range(4)]
        await turns()
        semaphore.release()
        semaphore._value = 3  # as releases in the wake window leave it
        await asyncio.gather(*tasks)
        self.assertEqual(semaphore._value, 0)

    async def test_s9_releases_in_one_turn_ask_each_waiter_once(self):
        asked = 0

        class Future(asyncio.Future):
            def set_result(self, value):
                nonlocal asked
                asked += 1
                super().set_result(value)

            def cancelled(self):
                nonlocal asked
                asked += 1
                return super().cancelled()

        loop = asyncio.get_running_loop()
        semaphore = corolock.Semaphore(0)
        waits = []
        try:
            loop.create_future = lambda: Future(loop=loop)
        except AttributeError:
            self.skipTest("this loop does not let its methods be replaced")
        try:
            waits = [suspended(semaphore.acquire()) for _ in range(200)]
        finally:
            del loop.create_future
        for _ in waits:
            semaphore.release()
        self.assertEqual(asked, len(waits))
        for wait in waits:
            with self.assertRaises(StopIteration):
                wait.send(None)

    async def test_s7_a_bounded_one_refuses_one_more(self):
        semaphore = corolock.BoundedSemaphore(2)
        async with semaphore:
            self.assertEqual(semaphore._value, 1)
        for release in (semaphore.release, lambda: suspended(semaphore.__aexit__())):
            with self.assertRaisesRegex(ValueError, "released too many times"):
                release()

    async def test_arguments(self):
        with self.assertRaisesRegex(ValueError, "must be >= 0"):
            corolock.Semaphore(-1)
        with self.assertRaisesRegex(TypeError, "got an unexpected keyword argument 'values'"):
            corolock.BoundedSemaphore(values=1)
        with self.assertRaisesRegex(TypeError, "takes from 1 to 2 positional arguments"):
            corolock.Semaphore(1, 2)
        with self.assertRaisesRegex(TypeError, "multiple values for argument 'value'"):
            corolock.Semaphore(1, value=2)
        self.assertEqual(corolock.Semaphore(value=3)._value, 3)


class BarrierTests(TestCase):
    async def test_b5_an_index_is_handed_out_once_though_a_task_was_cancelled(self):
        barrier = corolock.Barrier(3)
        indices = {}

        async def meet(name):
            indices[name] = await barrier.wait()

        tasks = {}
        for name in "abc":
            tasks[name] = asyncio.create_task(meet(name))
            await turns()
            if name == "b":
                tasks["a"].cancel()
                await turns()
        tasks["d"] = asyncio.create_task(meet("d"))
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        self.assertEqual(sorted(indices.values()), [0, 1, 2])
        self.assertEqual(indices["b"], 1)

    async def test_b4_a_broken_barrier_refuses_those_that_come(self):
        barrier = corolock.Barrier(2)
        await barrier.abort()
        with self.assertRaises(asyncio.BrokenBarrierError):
            await barrier.wait()
        await barrier.reset()
        self.assertEqual(sorted(await asyncio.gather(barrier.wait(), barrier.wait())), [0, 1])


class ClosedLoopTests(unittest.TestCase):
    def test_a_waiter_that_is_dropped_after_its_loop_closed_raises_nothing(self):
        loop = asyncio.new_event_loop()
        lock = corolock.Lock()
        waits = []

        async def contend():
            await lock.acquire()
            waits.extend(suspended(lock.acquire()) for _ in range(2))
            lock.release()

        loop.run_until_complete(contend())
        loop.close()
        seen = []
        sys.unraisablehook, hook = seen.append, sys.unraisablehook
        try:
            waits[0].close()
            waits.clear()
        finally:
            sys.unraisablehook = hook
        self.assertEqual(seen, [])


if __name__ == "__main__":
    warnings.simplefilter("error")
    timed.main()
