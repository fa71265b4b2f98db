# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Counts the instructions of corolock's locks for Python against asyncio's own.

usage: run.py BUILD [--only CASE] [--save DIRECTORY]

BUILD is the folder of the module's build, in which `interpreters` says for which CPythons there is
one. An operation costs the difference between a run of 2n and one of n, divided by n, as callgrind
counts them; so what a run does once cancels out, and the figures repeat on a busy machine. The loop
around the operation is not subtracted.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OPERATIONS = 2000

TITLES = {
    "async_with": "async with lock",
    "acquire_release": "acquire, release",
    "semaphore_async_with": "async with semaphore",
    "event_is_set": "wait for a set event",
    "hand_off": "hand-off, 4 tasks",
    "condition_ping_pong": "condition, 2 tasks",
}
# What is required of the first interpreter.
TARGET = ("async_with", 3.0)


def instructions(interpreter: str, build: pathlib.Path, subject: str, case: str, n: int) -> int:
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", interpreter, "-B", "-I",
         "-c", f"import sys; sys.path.insert(0, {str(build)!r}); sys.argv[1:] = "
               f"{[subject, case, str(n)]!r}; exec(open({str(HERE / 'locks.py')!r}).read())"],
        capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or counted is None:
        sys.exit(f"{interpreter}: {subject} {case} failed:\n{done.stderr}")
    return int(counted[1])


def cost(interpreter: str, build: pathlib.Path, subject: str, case: str) -> float:
    once, twice = (
        instructions(interpreter, build, subject, case, n) for n in (OPERATIONS, 2 * OPERATIONS)
    )
    return (twice - once) / OPERATIONS


def version_of(interpreter: str) -> str:
    return subprocess.run(
        [interpreter, "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", choices=TITLES, action="append")
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    build = options.build.resolve()

    lines = [
        "Instructions per operation, counted by callgrind; ratio: asyncio's by corolock's.",
        platform.platform(),
        "",
        f"{'CPython':<10}{'case':<24}{'asyncio':>10}{'corolock':>10}{'ratio':>8}",
    ]
    print("\n".join(lines), flush=True)
    results = []
    for interpreter in (build / "interpreters").read_text(encoding="utf-8").split():
        version = version_of(interpreter)
        for case in options.only or TITLES:
            theirs, ours = (
                cost(interpreter, build, subject, case) for subject in ("asyncio", "corolock")
            )
            result = {"python": version, "case": case, "asyncio": round(theirs),
                      "corolock": round(ours), "ratio": round(theirs / ours, 2)}  # fmt: skip
            results.append(result)
            lines.append(
                f"{version:<10}{TITLES[case]:<24}{theirs:>10.0f}{ours:>10.0f}{theirs / ours:>7.2f}x"
            )
            print(lines[-1], flush=True)

    case, least = TARGET
    reached = None
    for result in results:
        if result["case"] == case:
            reached = result["ratio"] >= least
            verdict = "reached" if reached else "not reached"
            lines += ["", f"target: {TITLES[case]} {least}x on CPython {result['python']}: {verdict}"]
            print("\n".join(lines[-2:]))
            break
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        (options.save / "python.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.save / "python.txt").write_text("\n".join(lines) + "\n")
    return 1 if reached is False else 0


if __name__ == "__main__":
    sys.exit(main())
