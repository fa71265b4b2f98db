# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The module itself: its names, its stubs, its types, interpreters, and references."""

import ast
import asyncio
import gc
import inspect
import pathlib
import subprocess
import sys
import unittest

import timed

import corolock


async def one_round(primitives):
    """Every operation once, and every way to end a wait."""
    lock, event, condition, semaphore, bounded, shared, rw = primitives
    async with lock, semaphore, bounded, shared, rw.reader:
        pass
    async with rw.writer:
        rw.downgrade()
        rw.release_read()
        await rw.acquire_write()
    for one in (lock, semaphore, bounded, shared):
        await one.acquire()
        waits = [one.acquire() for _ in range(4)]
        for wait in waits:
            wait.send(None)
        one.release()
        waits[0].close()
        try:
            waits[1].throw(asyncio.CancelledError)
        except asyncio.CancelledError:
            pass
        del waits[:2]
        try:
            waits[0].send(None)
        except StopIteration:
            one.release()
        del waits
        repr(one), one.locked()
    wait = event.wait()
    wait.send(None)
    event.set()
    await event.wait()
    await wait
    event.clear()
    async with condition:
        wait = condition.wait_for(lambda: True)
        await wait
    await condition.acquire()
    wait = condition.wait()
    wait.send(None)
    async with condition:
        condition.notify_all()
    await wait
    condition.release()
    try:
        lock.release()
    except RuntimeError:
        pass


def new_primitives():
    return (
        corolock.Lock(),
        corolock.Event(),
        corolock.Condition(),
        corolock.Semaphore(1),
        corolock.BoundedSemaphore(1),
        corolock.ThreadSafeLock(),
        corolock.RWLock(),
    )


class ReferenceTests(unittest.TestCase):
    def rounds(self, count, measure):
        async def main():
            primitives = new_primitives()
            for _ in range(50):
                await one_round(primitives)
            gc.collect()
            before = measure()
            for _ in range(count):
                await one_round(primitives)
            gc.collect()
            return measure() - before

        return asyncio.run(main())

    def test_no_memory_is_lost(self):
        grown = self.rounds(2000, lambda: sys.getallocatedblocks())
        self.assertLess(grown, 100)

    def test_no_object_is_lost(self):
        async def main():
            for _ in range(50):
                await one_round(new_primitives())

        asyncio.run(main())
        gc.collect()
        names = {"Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "ThreadSafeLock"}
        left = [
            type(o).__name__
            for o in gc.get_objects()
            if type(o).__module__.startswith("corolock")
            and (type(o).__name__ in names or type(o).__name__ == "_Wait")
        ]
        self.assertEqual(left, [])

    @unittest.skipUnless(hasattr(sys, "gettotalrefcount"), "a debug build counts references")
    def test_no_reference_is_lost(self):
        count = 2000
        self.assertLess(abs(self.rounds(count, lambda: sys.gettotalrefcount())), count // 10)


class InterpreterTests(unittest.TestCase):
    def run_in_interpreters(self, code):
        """Runs the code in one interpreter after the other, in a process of its own."""
        program = f"""
try:
    import _interpreters as interpreters  # CPython 3.13
except ImportError:
    import _xxsubinterpreters as interpreters
for _ in range(5):
    interpreter = interpreters.create()
    error = interpreters.run_string(interpreter, {code!r})
    if error is not None:
        raise SystemExit(str(error))
    interpreters.destroy(interpreter)
"""
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    def test_several_interpreters_share_nothing(self):
        code = """
import asyncio
import MODULE
async def take(lock):
    async with lock:
        pass
async def main():
    lock = MODULE.Lock()
    async with lock:
        task = asyncio.create_task(take(lock))
        await asyncio.sleep(0)
    await task
asyncio.run(main())
lock = MODULE.Lock()
lock.me = lock  # left to the end of the interpreter
"""
        if self.run_in_interpreters(code.replace("MODULE", "asyncio")).returncode != 0:
            self.skipTest("this CPython crashes with asyncio alone in several interpreters")
        done = self.run_in_interpreters(
            code.replace("MODULE", "corolock") + "rw, events = corolock.RWLock(), corolock.Event()"
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_thread_inside_of_a_lock_does_not_keep_the_process_from_ending(self):
        program = """
import threading
import corolock
inside = threading.Event()
class Theirs:
    def release(self):
        inside.set()
        while True:
            pass
threading.Thread(target=corolock.Condition(Theirs()).release, daemon=True).start()
inside.wait()
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_module_may_be_imported_anew(self):
        first = corolock.Lock
        mine = {name: m for name, m in sys.modules.items() if name.split(".")[0] == "corolock"}
        lock = first()
        for name in mine:
            del sys.modules[name]
        try:
            import corolock as second

            self.assertIsNot(second.Lock, first)

            async def both():
                async with lock, second.Lock():
                    pass

            asyncio.run(both())
        finally:
            for name in [n for n in sys.modules if n.split(".")[0] == "corolock"]:
                del sys.modules[name]
            sys.modules.update(mine)
        gc.collect()


class NameTests(unittest.TestCase):
    def test_install_and_uninstall(self):
        originals = {name: getattr(asyncio, name) for name in asyncio.locks.__all__}
        self.assertEqual(set(originals), {t.__name__ for t in corolock._DROP_INS})
        corolock.install()
        corolock.install()
        try:
            for name in originals:
                self.assertIs(getattr(asyncio, name), getattr(corolock, name))
                self.assertIs(getattr(asyncio.locks, name), getattr(corolock, name))
        finally:
            corolock.uninstall()
        corolock.uninstall()
        for name, original in originals.items():
            self.assertIs(getattr(asyncio, name), original)
            self.assertIs(getattr(asyncio.locks, name), original)

    def test_the_types_say_what_they_are(self):
        for name in ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore"):
            kind = getattr(corolock, name)
            self.assertEqual((kind.__name__, kind.__module__), (name, "corolock"))
            self.assertTrue(kind.__doc__)

    def test_all_that_is_public_has_a_docstring(self):
        for name in corolock.__all__:
            thing = getattr(corolock, name)
            self.assertTrue(thing.__doc__, name)
            members = vars(thing) if inspect.isclass(thing) else {}
            for member, value in members.items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    self.assertTrue(value.__doc__, f"{name}.{member}")

    def test_the_stubs_have_what_the_module_has(self):
        stub = pathlib.Path(corolock.__file__).with_name("__init__.pyi")
        self.assertTrue(stub.with_name("py.typed").is_file())
        declared = {}
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                declared[node.name] = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                declared[node.name] |= {
                    n.name for n in node.body if isinstance(n, ast.AsyncFunctionDef)
                }
                for base in node.bases:
                    declared[node.name] |= declared.get(getattr(base, "id", ""), set())
            elif isinstance(node, ast.FunctionDef):
                declared[node.name] = set()
        self.assertLessEqual(set(corolock.__all__), set(declared))
        for name in corolock.__all__:
            thing = getattr(corolock, name)
            if inspect.isclass(thing):
                public = {m for m in dir(thing) if not m.startswith("_")}
                there = {m for m in declared[name] if not m.startswith("_")}
                self.assertEqual(there, public, name)


if __name__ == "__main__":
    timed.main()
