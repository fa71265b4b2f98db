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
import itertools
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
FEW = "sqlite, 1k agents"
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


def paths_of(server, file):
    """Writes the paths of up to 5,000 agents into the file, and returns its name."""
    paths, cursor = [], None
    while len(paths) < 5000:
        more = f"&cursor={cursor}" if cursor else ""
        page = fetch(server, f"/v1/agents?limit=100{more}")
        paths += [f"/v1/agents/{each['agent_id']}" for each in page["agents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    pathlib.Path(file).write_text("\n".join(paths) + "\n", encoding="ascii")
    return file


# -------------------------------------------------------------------------------------- the cases


def many_agents(count):
    """The name of a database with many agents."""
    return f"sqlite, {count / 1e6:g}M agents"


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


def in_turns(results, repetitions, cases):
    """Measures all of [(case, subject, sampler)] once, and again: what is compared with each other is
    measured at the same time, because the machine's speed changes within minutes."""
    samples = [[] for _ in cases]
    for _ in range(repetitions):
        for (_, _, sample), taken in zip(cases, samples):
            taken.append(sample())
    for (case, subject, _), taken in zip(cases, samples):
        results.add(case, subject, taken)


def reading(subject, server, paths, lists):
    """get by id, and lists of 100."""
    cases = [("get", subject, lambda: wrk(server, 32, 2, "get", paths))]
    for case, path in lists.items():
        cases.append((case, subject, lambda path=path: wrk(server, 8, 2, "path", path)))
    return cases


def serving(results, options, directory):
    """get by id, list 100, register; at 1,000 agents, at many, and in Python."""
    program = options.program
    python_route = "/register/new_entries?limit=100"
    lists = {"list 100": "/v1/agents?limit=100", "list 100, python's route": python_route}
    numbers = itertools.count()

    def register(server):
        return wrk(server, 32, 2, "register", f"r{next(numbers)}", "/v1/agents")

    def register_with_few():  # each time in a database of its own: they grow
        with marketplace(program, f"sqlite:{directory}/few-{next(numbers)}.db") as server:
            fill(server, 1000)
            return register(server)

    def register_in_python(agents, count, *arguments):
        """Begins as far below that many agents as it ends above."""
        with python_service("--agents", str(agents - count // 2), *arguments) as server:
            return exactly(server, count, 32,
                           lambda n: ("POST", "/register", {"json": registration("p", n)}))  # fmt: skip

    def register_in_python_file():
        return register_in_python(450, 100, "--file", f"{directory}/python-{next(numbers)}.json")

    with contextlib.ExitStack() as running:
        few = running.enter_context(marketplace(program, f"sqlite:{directory}/few.db"))
        fill(few, 1000)
        read = reading(FEW, few, paths_of(few, f"{directory}/few.paths"), lists)
        write = [("register", FEW, register_with_few)]

        if options.agents:
            file = pathlib.Path(directory) / "many.db"
            many = running.enter_context(marketplace(program, f"sqlite:{file}"))
            say(f"filling a database with {options.agents:,} agents")
            fill(many, options.agents)
            name = many_agents(options.agents)
            results.add_value("memory", name, mb=round(many.memory() / 1e6, 1),
                              file_mb=round(file.stat().st_size / 1e6, 1))  # fmt: skip
            read += reading(name, many, paths_of(many, f"{directory}/many.paths"), lists)
            write.append(("register", name, lambda: register(many)))

        if not options.no_python:
            python = running.enter_context(python_service("--agents", "3000"))
            paths = pathlib.Path(directory) / "python.paths"
            some = fetch(python, "/register/new_entries?limit=1000")
            paths.write_text("".join(f"/agents/{each['agent_id']}\n" for each in some),
                             encoding="ascii")  # fmt: skip
            read += reading("python, in memory", python, str(paths), {"list 100": python_route})
            write += [("register", "python, in memory, 3k", lambda: register_in_python(3000, 1000)),
                      ("register", "python, file, 450", register_in_python_file)]  # fmt: skip

        in_turns(results, options.repetitions, read)
        in_turns(results, options.repetitions, write)


def memory(results, options, _):
    """Of many agents without a database."""
    if options.agents:
        with marketplace(options.program, "memory") as server:
            say(f"filling the memory with {options.agents:,} agents")
            fill(server, options.agents)
            name = f"in memory, {options.agents / 1e6:g}M agents"
            results.add_value("memory", name, mb=round(server.memory() / 1e6, 1))


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


# ------------------------------------------------------------------------------------- the targets


def targets_of(results, agents):
    """[(what, must, value, is reached)]"""
    many = many_agents(agents)
    targets = []

    def at_least(what, must, value):
        targets.append((what, f">= {must:g}", value, None if value is None else value >= must))

    def at_most(what, must, value):
        targets.append((what, f"<= {must:g}", value, None if value is None else value <= must))

    def ratio(case, of, to, case_to=None):
        over, under = results.value(case, of), results.value(case_to or case, to)
        return None if over is None or under is None else over / under

    at_least("get: CPU of Python's / ours", 7, ratio("get", "python, in memory", FEW))
    for ours in ("list 100", "list 100, python's route"):
        at_least(f"{ours}: CPU of Python's / ours", 25,
                 ratio("list 100", "python, in memory", FEW, ours))  # fmt: skip
    at_least("register: CPU of Python's in memory at 3,000 / ours", 9,
             ratio("register", "python, in memory, 3k", FEW))  # fmt: skip
    at_least("register: CPU of Python's file at 450 / ours", 75,
             ratio("register", "python, file, 450", FEW))  # fmt: skip
    for name in (FEW, many) if agents else (FEW,):
        at_most(f"register, {name}: p99 in ms at 32 connections", 25,
                results.value("register", name, "p99_ms"))  # fmt: skip
    if agents:
        flat = ratio("register", many, FEW)
        at_most("register: CPU with many agents / with 1k", 1.2, flat)
        at_least("register: CPU with many agents / with 1k", 0.8, flat)
    at_most("storm: seconds", 1, results.value("storm", "sqlite", "seconds"))
    at_most("storm: successes", 1, results.value("storm", "sqlite", "most_successes"))
    at_least("storm: successes", 1, results.value("storm", "sqlite", "least_successes"))
    return targets


CASES = {"serving": serving, "memory": memory, "storm": storm}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench marketplace", description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--json", metavar="FILE", help="write the results into FILE")
    parser.add_argument("--only", choices=CASES, action="append", help="only these cases")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--agents", type=int, default=1_000_000,
                        help="the size of the large database; 0: none")  # fmt: skip
    parser.add_argument("--no-python", action="store_true", help="without the Python service")
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
