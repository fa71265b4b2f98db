#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Benchmarks of the locks across machines, and whether the targets are met.

Times are quoted as ratios to a bare round trip to the same server in the same run, because that is
what remains comparable between machines. `./dev bench cluster` builds the program, starts an etcd
and a PostgreSQL of its own, and calls this.
"""

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

BLOCKS = 5
PROCESSES = 4
CROWD = 1000


class Failure(Exception):
    """Something that is said in one line."""


def say(text):
    print(text, flush=True)


def started(program, *words):
    """A process and the file that it prints to: one that waits for a full pipe would hold the lock."""
    out = tempfile.TemporaryFile("w+", encoding="ascii")
    return subprocess.Popen([program, *map(str, words)], stdout=out), out


def numbers_of(process):
    """The lines of numbers that a process prints until it ends."""
    program, out = process
    with out:
        if program.wait() != 0:
            raise Failure(f"{program.args[1]} ended with {program.returncode}")
        out.seek(0)
        return [[int(each) for each in line.split()] for line in out]


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Results:
    def __init__(self):
        self.rows = []

    def add(self, case, subject, **values):
        self.rows.append({"case": case, "subject": subject, **values})
        said = ", ".join(f"{name} {value:g}" for name, value in values.items())
        say(f"{case:24} {subject:10} {said}")

    def value(self, case, subject, name):
        for row in self.rows:
            if row["case"] == case and row["subject"] == subject:
                return row[name]
        return None


@contextlib.contextmanager
def one_core(server):
    """The program and a server that take turns, on one core.

    On several it is the scheduler's placing of the two that is measured: a bare round trip takes
    one time or four times as long, for seconds on end.
    """
    all_cores = os.sched_getaffinity(0)
    processes = [0, server]  # what they start inherits it
    for each in processes:
        os.sched_setaffinity(each, {min(all_cores)})
    try:
        yield
    finally:
        for each in processes:
            os.sched_setaffinity(each, all_cores)


def uncontended(results, program, engine, url, rounds):
    placing = contextlib.nullcontext()
    if engine == "postgresql":  # etcd has threads of its own that work side by side
        rounds *= 10  # each is a tenth of etcd's
        placing = one_core(int(os.environ["COROLOCK_POSTGRESQL_PID"]))
    with placing:
        blocks = numbers_of(started(program, "pairs", url, BLOCKS, rounds))
    ratios = [lock / floor for floor, lock in blocks]
    middle = statistics.median(ratios)
    results.add(f"{engine}.uncontended", "corolock", ratio_to_floor=round(middle, 3),
                ratio_mad=round(statistics.median(abs(each - middle) for each in ratios), 3),
                floor_us=round(statistics.median(f for f, _ in blocks) / 1e3, 1),
                lock_us=round(statistics.median(t for _, t in blocks) / 1e3, 1))  # fmt: skip
    return statistics.median(floor for floor, _ in blocks)


def contended(results, program, engine, url, floor, subject, seconds):
    """So many processes that lock and unlock in turn, holding it for no time."""
    kind = "RPC" if subject == "own RPC" else "CORO"
    processes = [started(program, "holder", url, kind, seconds) for _ in range(PROCESSES)]
    all_grants = [
        (granted, released, n)
        for n, process in enumerate(processes)
        for granted, released in numbers_of(process)
    ]
    all_grants.sort()
    overlaps = sum(b[0] < a[1] for a, b in zip(all_grants, all_grants[1:]))
    # From the moment a process begins to give it back until another one has it.
    between = [b[0] - a[1] for a, b in zip(all_grants, all_grants[1:]) if a[2] != b[2]]
    took = (all_grants[-1][0] - all_grants[0][0]) / 1e9
    results.add(f"{engine}.contended{PROCESSES}", subject,
                ratio_to_floor=round(quantile(between, 0.5) / floor, 3),
                per_s=round(len(all_grants) / took, 1),
                p50_ms=round(quantile(between, 0.5) / 1e6, 3),
                p99_ms=round(quantile(between, 0.99) / 1e6, 3),
                changes_of_process=len(between), overlaps=overlaps)  # fmt: skip


def crowd(results, program, engine, url):
    [[tasks, tokens]] = numbers_of(started(program, "crowd", url, CROWD))
    results.add(f"{engine}.crowd", "corolock", tasks=tasks, remote_grants=tokens)


def targets_of(results):
    """[(what, must, value, is reached)]"""
    targets = []

    def target(what, value, must, at_least=False):
        reached = None
        if value is not None:
            reached = value >= must if at_least else value <= must
        targets.append((what, f"{'>=' if at_least else '<='} {must:g}", value, reached))

    def ratio(name):
        ours = results.value(f"etcd.contended{PROCESSES}", "corolock", name)
        theirs = results.value(f"etcd.contended{PROCESSES}", "own RPC", name)
        return None if ours is None or theirs is None else ours / theirs

    target("etcd, lock and unlock / round trip",
           results.value("etcd.uncontended", "corolock", "ratio_to_floor"), 4.2)  # fmt: skip
    target("postgresql, lock and unlock / round trip",
           results.value("postgresql.uncontended", "corolock", "ratio_to_floor"), 2.2)  # fmt: skip
    target("etcd, 4 processes: rate / that of its own RPC", ratio("per_s"), 4, at_least=True)
    target("etcd, 4 processes: p99 of a hand-over / its own RPC's", ratio("p99_ms"), 0.2)
    for engine in ("etcd", "postgresql"):
        target(f"{engine}: grants for 1,000 local waiters",
               results.value(f"{engine}.crowd", "corolock", "remote_grants"), CROWD / 4)  # fmt: skip
    return targets


def main():
    parser = argparse.ArgumentParser(prog="./dev bench cluster", description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--json", metavar="FILE", help="write the results into FILE")
    parser.add_argument("--rounds", type=int, default=300, help="of each block")
    parser.add_argument("--seconds", type=int, default=10, help="of the contended cases")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    say(f"load before: {load:.2f}")
    results = Results()
    urls = {"etcd": os.environ["COROLOCK_ETCD"], "postgresql": os.environ["COROLOCK_POSTGRESQL"]}
    for engine, url in urls.items():
        floor = uncontended(results, options.program, engine, url, options.rounds)
        subjects = ["corolock", "own RPC"] if engine == "etcd" else ["corolock"]
        for subject in subjects:
            contended(results, options.program, engine, url, floor, subject, options.seconds)
        crowd(results, options.program, engine, url)

    say("\ntargets")
    targets = targets_of(results)
    for what, must, value, reached in targets:
        word = "not measured" if reached is None else "reached" if reached else "NOT reached"
        say(f"  {what:55} {must:>8}  {'-' if value is None else f'{value:.2f}':>8}  {word}")
    if options.json:
        document = {
            "date": datetime.date.today().isoformat(),
            "load_before": round(load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "rows": results.rows,
            "targets": [
                {"what": what, "must": must, "value": value and round(value, 3), "reached": reached}
                for what, must, value, reached in targets
            ],
        }
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(document, out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"bench cluster: {failure}", file=sys.stderr)
        sys.exit(1)
