# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Runs CPython's own tests of asyncio, unmodified, with the drop-ins installed.

usage: cpython_suite.py [--timeout SECONDS] [--original] [MODULE...]

MODULE is a file of Lib/test/test_asyncio without its suffix, test_locks by default; one that this
CPython does not have is an error, or, if it is given as MODULE?, only said. Each test has a time
limit, because a broken lock hangs. --original runs asyncio's own types.
"""

import argparse
import asyncio
import importlib
import platform
import sys
import unittest

import timed


def run(name: str, optional: bool) -> bool:
    try:
        module = importlib.import_module(f"test.test_asyncio.{name}")
    except ModuleNotFoundError as error:
        print(f"{name}.py: not in this CPython ({error})", flush=True)
        return optional
    if name == "test_locks" and module.asyncio.Lock is not asyncio.Lock:
        raise SystemExit("the suite has another asyncio")
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    count = suite.countTestCases()
    result = timed.run(suite)
    wrong = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    passed = result.testsRun - wrong - len(result.skipped)
    total = count - len(result.skipped)
    python = f"CPython {platform.python_version()}"
    print(f"{name}.py: {passed}/{total} passed{skipped}, {python}", flush=True)
    return wrong == 0 and result.testsRun == count and passed > 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--original", action="store_true")
    parser.add_argument("modules", nargs="*", default=["test_locks"])
    options = parser.parse_args()
    timed.Result.limit = options.timeout
    if options.original:
        print("asyncio's own types")
    else:
        import corolock

        corolock.install()
        for name in ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"):
            if getattr(asyncio, name) is not getattr(corolock, name):
                raise SystemExit(f"asyncio.{name} is not corolock's")
    results = [run(name.rstrip("?"), name.endswith("?")) for name in options.modules]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
