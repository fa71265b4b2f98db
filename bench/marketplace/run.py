#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Benchmarks of the agent marketplace, and of the same in Python, and whether the targets are met.

The server has one core, wrk the other. What counts is the server's CPU time for a request, from
/proc/PID/stat: it is what remains comparable on a busy machine. `./dev bench marketplace` builds the
program and calls this.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent.parent
sys.path.insert(0, str(ROOT / "marketplace" / "tests" / "acceptance"))

from support.client import Client  # noqa: E402
from support.service import LISTENING  # noqa: E402

LUA = BENCH / "requests.lua"
SERVER_CORE, CLIENT_CORE = 0, 1
TICK = os.sysconf("SC_CLK_TCK")
REPETITIONS = 5
STARTUP = 120
LIMIT = "6000000"  # a minute: both have rate limits at work, and nobody reaches them


class Failure(Exception):
    """Something that is said in one line."""


# ------------------------------------------------------------------------------------ the servers


class Server:
    """A process on a core of its own."""

    def __init__(self, command, port=None):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if port is None else subprocess.DEVNULL,
        )  # fmt: skip
        self.port = port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STARTUP)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def cpu(self):
        """Seconds of CPU so far, of all threads."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        """Bytes of resident memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


def marketplace(program, storage):
    command = [program, "serve", "--storage", storage, "--listen", "127.0.0.1:0"]
    limits = ["--limit-register", LIMIT, "--limit-search", LIMIT]
    server = Server([*command, *limits, "--log-level", "error", "--dev"])
    line = server.process.stdout.readline()
    found = LISTENING.match(line)
    if not found:
        raise Failure(f"{program} said {line!r}")
    server.port = int(found.group(2))
    return server


def python_service(*arguments):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(BENCH / "python_service.py"), "--port", str(port),
               "--limit", LIMIT, *arguments]  # fmt: skip
    server = Server(command, port)
    deadline = time.monotonic() + STARTUP
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server
        except ConnectionRefusedError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("the Python service did not start") from None
            os.sched_yield()


# ---------------------------------------------------------------------------------------- a load


class Sample:
    """What a number of requests cost."""

    def __init__(self, requests, cpu, wall, p99=None):
        self.requests = requests
        self.cpu_us = cpu / requests * 1e6
        self.per_s = requests / wall
        self.p99_ms = p99


def in_ms(text):
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if not found:
        raise Failure(f"{text!r} is no time")
    number, unit = found.groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def wrk(server, connections, seconds, *kind):
    """A sample of wrk's requests; every one of them must have been served."""
    command = ["taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
               "--timeout", "60s", "--latency", "-s", str(LUA), server.url, "--", *kind]  # fmt: skip
    before = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    cpu = server.cpu() - before
    said = done.stdout + done.stderr
    found = re.search(r"(\d+) requests in ([\d.]+)(s|m)", said)
    if done.returncode != 0 or not found or "Non-2xx" in said or "Socket errors" in said:
        raise Failure(f"{' '.join(command)} said:\n{said}")
    wall = float(found.group(2)) * (60 if found.group(3) == "m" else 1)
    p99 = in_ms(re.search(r"^\s+99%\s+(\S+)", said, re.M).group(1))
    return Sample(int(found.group(1)), cpu, wall, p99)


def exactly(server, count, connections, make):
    """A sample of exactly `count` requests: make(n) is the arguments of number n."""

    async def run():
        client = Client("127.0.0.1", server.port)
        await client.connect(connections)
        numbers = iter(range(count))

        async def worker():
            for n in numbers:
                answer = await client.request(*make(n)[:2], **make(n)[2])
                if answer.status not in (200, 201):
                    raise Failure(f"{make(n)[:2]} was answered {answer}")

        before, began = server.cpu(), time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(connections)))
        wall = time.perf_counter() - began
        client.close()
        return Sample(count, server.cpu() - before, wall)

    with on_core(CLIENT_CORE):
        return asyncio.run(run())


@contextlib.contextmanager
def on_core(core):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def fetch(server, path):
    async def run():
        client = Client("127.0.0.1", server.port)
        answer = await client.get(path)
        client.close()
        if answer.status != 200:
            raise Failure(f"GET {path} was answered {answer}")
        return answer.json()

    return asyncio.run(run())


def agents_in(server):
    return fetch(server, "/v1/agents?limit=1&total=true")["total"]


def registration(prefix, n):
    name = f"{prefix}-{n}"
    return {
        "agent_name": name,
        "base_url": f"https://{name}.example.com/a2a",
        "description": "An agent of the benchmark",
        "tags": ["bench", prefix],
    }


def fill(server, count):
    """Registers until there are `count` agents, by what is fastest: wrk, and the rest one by one."""
    have = agents_in(server)
    round_number = 0
    rate = None
    while count - have > 50_000:
        seconds = 5 if rate is None else max(1, min(60, int((count - have) * 0.9 / rate)))
        sample = wrk(server, 64, seconds, "register", f"fill{round_number}", "/v1/agents")
        rate = sample.per_s
        round_number += 1
        have = agents_in(server)
        say(f"  {have:,} agents, {rate:,.0f} a second")
    if count > have:
        exactly(server, count - have, 32,
                lambda n: ("POST", "/v1/agents", {"json": registration("rest", n)}))  # fmt: skip


def paths_of(server, directory):
    """A file with the paths of up to 5,000 agents."""
    paths, cursor = [], None
    while len(paths) < 5000:
        more = f"&cursor={cursor}" if cursor else ""
        page = fetch(server, f"/v1/agents?limit=100{more}")
        paths += [f"/v1/agents/{each['agent_id']}" for each in page["agents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    file = pathlib.Path(directory) / "paths"
    file.write_text("\n".join(paths) + "\n", encoding="ascii")
    return str(file)


# -------------------------------------------------------------------------------------- the cases


class Results:
    def __init__(self):
        self.rows = []

    def add(self, case, subject, samples):
        row = {"case": case, "subject": subject, "repetitions": len(samples)}
        for name in ("cpu_us", "per_s", "p99_ms"):
            values = [getattr(each, name) for each in samples]
            if None not in values:
                middle = statistics.median(values)
                row[name] = round(middle, 3)
                row[name + "_mad"] = round(statistics.median(abs(v - middle) for v in values), 3)
        row["requests"] = sum(each.requests for each in samples)
        self.rows.append(row)
        p99 = f", p99 {row['p99_ms']:.2f} ms" if "p99_ms" in row else ""
        say(f"{case:24} {subject:22} {row['cpu_us']:9.1f} us CPU  {row['per_s']:9,.0f} /s{p99}")

    def add_value(self, case, subject, **values):
        self.rows.append({"case": case, "subject": subject, **values})
        said = ", ".join(f"{name} {value:,}" for name, value in values.items())
        say(f"{case:24} {subject:22} {said}")

    def value(self, case, subject, name="cpu_us"):
        for row in self.rows:
            if row["case"] == case and row["subject"] == subject:
                return row.get(name)
        return None


def say(text):
    print(text, flush=True)


def repeated(function, repetitions):
    return [function() for _ in range(repetitions)]


def serving(results, options, directory):
    """get by id, list 100, register; at 1,000 agents and at many."""
    program = options.program
    file = pathlib.Path(directory) / "agents.db"
    prefix = iter(range(1_000_000))

    def measure(server, size):
        paths = paths_of(server, directory)
        results.add("get", f"sqlite, {size} agents",
                    repeated(lambda: wrk(server, 32, 2, "get", paths), options.repetitions))  # fmt: skip
        results.add("list 100", f"sqlite, {size} agents",
                    repeated(lambda: wrk(server, 8, 2, "path", "/v1/agents?limit=100"),
                             options.repetitions))  # fmt: skip
        results.add("list 100, python's route", f"sqlite, {size} agents",
                    repeated(lambda: wrk(server, 8, 2, "path", "/register/new_entries?limit=100"),
                             options.repetitions))  # fmt: skip

    def register(server):
        return wrk(server, 32, 2, "register", f"r{next(prefix)}", "/v1/agents")

    samples = []
    for n in range(options.repetitions):  # each on a database of its own: they grow
        small = pathlib.Path(directory) / f"small-{n}.db"
        with marketplace(program, f"sqlite:{small}") as server:
            fill(server, 1000)
            if n == 0:
                measure(server, "1k")
            samples.append(register(server))
    results.add("register", "sqlite, 1k agents", samples)

    if options.agents:
        size = f"{options.agents / 1e6:g}M"
        with marketplace(program, f"sqlite:{file}") as server:
            say(f"filling a database with {options.agents:,} agents")
            fill(server, options.agents)
            results.add_value("memory", f"sqlite, {size} agents",
                              mb=round(server.memory() / 1e6, 1),
                              file_mb=round(file.stat().st_size / 1e6, 1))  # fmt: skip
            measure(server, size)
            results.add("register", f"sqlite, {size} agents",
                        repeated(lambda: register(server), options.repetitions))  # fmt: skip
        with marketplace(program, "memory") as server:
            say(f"filling the memory with {options.agents:,} agents")
            fill(server, options.agents)
            results.add_value("memory", f"in memory, {size} agents",
                              mb=round(server.memory() / 1e6, 1))  # fmt: skip


def storm(results, options, directory):
    """A thousand connections register one URL at once."""

    async def run(server):
        client = Client("127.0.0.1", server.port)
        await client.connect(1000)
        body = registration("storm", 0)
        began = time.perf_counter()
        answers = await asyncio.gather(*(client.post("/v1/agents", body) for _ in range(1000)))
        took = time.perf_counter() - began
        statuses = [each.status for each in answers]
        client.close()
        if statuses.count(409) + statuses.count(201) != 1000:
            raise Failure(f"the storm was answered {sorted(set(statuses))}")
        return took, statuses.count(201)

    times, successes = [], set()
    for n in range(options.repetitions):
        file = pathlib.Path(directory) / f"storm-{n}.db"
        with marketplace(options.program, f"sqlite:{file}") as server, on_core(CLIENT_CORE):
            took, success = asyncio.run(run(server))
        times.append(took)
        successes.add(success)
    results.add_value("storm", "sqlite", seconds=round(statistics.median(times), 3),
                      most_seconds=round(max(times), 3), most_successes=max(successes),
                      least_successes=min(successes))  # fmt: skip


def against_python(results, options, directory):
    """The same requests to the Python service. Registrations are so many that they begin as far
    below the size that is named as they end above it."""

    def register(server, count, connections):
        return exactly(server, count, connections,
                       lambda n: ("POST", "/register", {"json": registration("p", n)}))  # fmt: skip

    with python_service("--agents", "3000") as server:
        some = fetch(server, "/register/new_entries?limit=1000")
        file = pathlib.Path(directory) / "python-paths"
        file.write_text("".join(f"/agents/{each['agent_id']}\n" for each in some), encoding="ascii")
        results.add("get", "python, in memory",
                    repeated(lambda: wrk(server, 32, 2, "get", str(file)), options.repetitions))  # fmt: skip
        results.add("list 100", "python, in memory",
                    repeated(lambda: wrk(server, 8, 2, "path", "/register/new_entries?limit=100"),
                             options.repetitions))  # fmt: skip

    samples = []
    for _ in range(options.repetitions):
        with python_service("--agents", "2500") as server:
            samples.append(register(server, 1000, 32))
    results.add("register", "python, in memory, 3k", samples)
    samples = []
    for n in range(options.repetitions):
        file = pathlib.Path(directory) / f"python-{n}.json"
        with python_service("--agents", "400", "--file", str(file)) as server:
            samples.append(register(server, 100, 32))
    results.add("register", "python, file, 450", samples)


# ------------------------------------------------------------------------------------- the targets


def targets_of(results, agents):
    """[(what, must, value, is reached)]"""
    size = f"{agents / 1e6:g}M"
    targets = []

    def at_least(what, must, value):
        targets.append((what, f">= {must:g}", value, None if value is None else value >= must))

    def at_most(what, must, value):
        targets.append((what, f"<= {must:g}", value, None if value is None else value <= must))

    def ratio(case, of, to):
        over, under = results.value(case, of), results.value(case, to)
        return None if over is None or under is None else over / under

    ours = "sqlite, 1k agents"
    at_least("get: CPU of Python's / ours", 7, ratio("get", "python, in memory", ours))
    at_least("list 100: CPU of Python's / ours", 25, ratio("list 100", "python, in memory", ours))
    at_least("register: CPU of Python's in memory at 3,000 / ours", 9,
             ratio("register", "python, in memory, 3k", ours))  # fmt: skip
    at_least("register: CPU of Python's file at 450 / ours", 75,
             ratio("register", "python, file, 450", ours))  # fmt: skip
    for name in ("1k", size) if agents else ("1k",):
        at_most(f"register at {name}: p99 in ms at 32 connections", 25,
                results.value("register", f"sqlite, {name} agents", "p99_ms"))  # fmt: skip
    if agents:
        flat = ratio("register", f"sqlite, {size} agents", ours)
        at_most(f"register: CPU at {size} / at 1k", 1.2, flat)
        at_least(f"register: CPU at {size} / at 1k", 0.8, flat)
    at_most("storm: seconds", 1, results.value("storm", "sqlite", "seconds"))
    at_most("storm: successes", 1, results.value("storm", "sqlite", "most_successes"))
    at_least("storm: successes", 1, results.value("storm", "sqlite", "least_successes"))
    return targets


CASES = {"serving": serving, "storm": storm, "python": against_python}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench marketplace", description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--json", metavar="FILE", help="write the results into FILE")
    parser.add_argument("--only", choices=CASES, action="append", help="only these cases")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--agents", type=int, default=1_000_000,
                        help="the size of the large database; 0: none")  # fmt: skip
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise Failure("the server and wrk need a core each, and there is one")

    load = os.getloadavg()[0]
    say(f"load before: {load:.2f}")
    results = Results()
    with tempfile.TemporaryDirectory(prefix="marketplace-bench-") as directory:
        for name in options.only or CASES:
            CASES[name](results, options, directory)

    say("\ntargets")
    targets = targets_of(results, options.agents)
    for what, must, value, reached in targets:
        word = "not measured" if reached is None else "reached" if reached else "NOT reached"
        say(f"  {what:55} {must:>8}  {'-' if value is None else f'{value:.2f}':>8}  {word}")
    if options.json:
        document = {
            "date": datetime.date.today().isoformat(),
            "load_before": round(load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "repetitions": options.repetitions,
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
        print(f"bench marketplace: {failure}", file=sys.stderr)
        sys.exit(1)
